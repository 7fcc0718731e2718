// Which sessions get a card. Pure.

import type { SessionId } from '$lib/hub'
import type { Summary } from '$lib/session/api'

export const CARDS_MAX = 10
/** What a browser shows that was never here. */
const CARDS_FIRST = 4

export interface Kept {
  open: SessionId[]
  /** Those that somebody closed here; they do not come back by themselves. */
  closed: SessionId[]
}

export function readKept(text: string | null): Kept | null {
  try {
    const value = JSON.parse(text ?? 'null') as Partial<Kept> | null
    if (!Array.isArray(value?.open) || !Array.isArray(value.closed)) return null
    const isId = (id: unknown): id is string => typeof id === 'string' && /^ses_[0-9a-f]{32}$/.test(id)
    return { open: value.open.filter(isId).slice(0, CARDS_MAX), closed: value.closed.filter(isId) }
  } catch {
    return null
  }
}

/** What was kept, and what runs; the newest few where nothing was kept. */
export function merge(kept: Kept | null, sessions: Summary[]): Kept {
  if (!kept) return { open: sessions.slice(0, CARDS_FIRST).map(({ id }) => id), closed: [] }
  const running = sessions
    .filter(({ id, open_turns }) => open_turns > 0 && !kept.open.includes(id) && !kept.closed.includes(id))
    .map(({ id }) => id)
  return { open: [...running, ...kept.open].slice(0, CARDS_MAX), closed: kept.closed }
}

/** Who makes room for one more: the idle one that was used least lately. One that answers never does. */
export function chooseLeaving(
  open: SessionId[],
  activity: (id: SessionId) => { isRunning: boolean; at: number },
): SessionId | null | 'full' {
  if (open.length < CARDS_MAX) return null
  const idle = open.map((id) => ({ id, ...activity(id) })).filter(({ isRunning }) => !isRunning)
  if (idle.length === 0) return 'full'
  return idle.reduce((least, one) => (one.at < least.at ? one : least)).id
}
