// Who else is here. Pure.

import type { Present } from '../hub'
import type { Typing } from '../transcript'

export interface Own {
  /** The number that the gateway gave this tab; null where an older one gives none. */
  client: number | null
  by: string
  name: string
}

export function othersHere(present: Present[], own: Own): Present[] {
  if (own.client !== null) return present.filter(({ client }) => client !== own.client)
  // Without a number one entry of its own kind is left out, whichever.
  const mine = present.findIndex((one) => one.by === own.by && one.name === own.name)
  return present.filter((_, at) => at !== mine)
}

export const writersHere = (typing: Typing[]): string[] => [...new Set(typing.map(({ name }) => name || 'Somebody'))]
