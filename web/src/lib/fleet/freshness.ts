// Whether what is shown is what is: from when the last event came and whether the stream is open. Pure; the clock of
// the browser is handed in.

/** The gateway tells its rates every second; five missed ones are no hiccup any more. */
export const STALE_AFTER_MS = 5000

/**
 * `connecting`: nothing is known yet. `live`: what is shown is what is. `stale`: it was so at `asOf`. `off`: nobody
 * follows, because nobody is signed in or the page was hidden for long.
 */
export type Freshness = 'connecting' | 'live' | 'stale' | 'off'

export interface Heard {
  isFollowing: boolean
  /** Whether a snapshot came. */
  hasData: boolean
  /** The stream is open, as far as the browser says. */
  isOpen: boolean
  /** When the last event came, by the clock of this browser. */
  lastEventMs: number
}

export function freshness(heard: Heard, nowMs: number): Freshness {
  if (!heard.isFollowing) return 'off'
  if (!heard.hasData) return 'connecting'
  // A stream that just broke may be back within a second; until five have passed the values are as good as live.
  return nowMs - heard.lastEventMs < STALE_AFTER_MS ? 'live' : 'stale'
}

/** How long is waited before the next try: longer each time, and never the same for all tabs of an office. */
export function pauseMs(attempt: number, random: number): number {
  const whole = Math.min(15_000, 500 * 2 ** Math.min(attempt, 10))
  return Math.round(whole / 2 + (whole / 2) * random)
}
