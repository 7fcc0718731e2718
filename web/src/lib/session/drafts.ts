// What somebody has written and not sent, kept in this browser per session.

import { storage } from '../browser'

const PREFIX = 'pomona.draft.'
/** The draft of a session that does not exist yet. */
export const NEW = 'new'

export const readDraft = (session: string): string => storage.get(PREFIX + session) ?? ''

export function keepDraft(session: string, text: string): void {
  if (text) storage.set(PREFIX + session, text)
  else storage.remove(PREFIX + session)
}
