// The open sessions of this tab, one object each, however many places show them. One that nobody shows any more stays
// for a moment, so that going from the grid to the full page and back reads nothing anew.

import type { SessionId } from '../hub'
import { countUnseen } from './unseen'
import { OpenSession } from './open.svelte'

const LINGER_MS = 20_000

interface Entry {
  session: OpenSession
  users: number
  leaving?: ReturnType<typeof setTimeout>
}

const entries = new Map<SessionId, Entry>()

export function acquire(id: SessionId): OpenSession {
  let entry = entries.get(id)
  if (entry?.session.phase === 'gone') {
    close(id)
    entry = undefined
  }
  entry ??= { session: opened(id), users: 0 }
  clearTimeout(entry.leaving)
  entry.users += 1
  entries.set(id, entry)
  if (entry.session.phase === 'error') void entry.session.read()
  return entry.session
}

export function release(session: OpenSession): void {
  const entry = entries.get(session.id)
  if (entry?.session !== session) return session.close()
  entry.users -= 1
  if (entry.users > 0) return
  entry.leaving = setTimeout(() => close(session.id), LINGER_MS)
}

function opened(id: SessionId): OpenSession {
  const session = new OpenSession(id)
  session.onEnd(countUnseen)
  return session
}

function close(id: SessionId): void {
  const entry = entries.get(id)
  if (!entry) return
  clearTimeout(entry.leaving)
  entries.delete(id)
  entry.session.close()
}

/** A session that is open here, without opening it. */
export const peek = (id: SessionId): OpenSession | undefined => entries.get(id)?.session
