// Who else is here. A tab does not know its own number, so that one entry of its own kind is left out. Pure.

import type { Present } from '../hub'
import type { Typing } from '../transcript'

export interface Own {
  by: string
  name: string
}

export function othersHere(present: Present[], own: Own): Present[] {
  const mine = present.findIndex((one) => one.by === own.by && one.name === own.name)
  return present.filter((_, at) => at !== mine)
}

export const writersHere = (typing: Typing[]): string[] => [...new Set(typing.map(({ name }) => name || 'Somebody'))]
