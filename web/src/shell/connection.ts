// The connection in words, out of what the line of sessions, the fleet's feed and the configured addresses say. Pure.
import type { Kind } from '$lib/endpoints'

export interface Line {
  state: 'connecting' | 'open' | 'reconnecting' | 'offline'
  attempt: number
}

export interface Words {
  /** By which kind of way; none while there is no connection. */
  kind?: Kind
  tone: 'good' | 'warning' | 'bad' | 'neutral'
  /** What the pill says. */
  short: string
  /** The same as a sentence. */
  long: string
}

const ROUTES: Record<Kind, { short: string; long: string }> = {
  local: { short: 'This machine', long: 'Connected on this machine.' },
  lan: { short: 'LAN', long: 'Connected over the LAN.' },
  wan: { short: 'WAN', long: 'Connected over the WAN.' },
}

export function connectionWords(line: Line, isFleetLive: boolean, kind: Kind): Words {
  switch (line.state) {
    case 'open':
      return { tone: 'good', kind, ...ROUTES[kind] }
    case 'connecting':
      // The feed of the fleet comes the same way: when it flows, the way is there.
      if (isFleetLive) return { tone: 'good', kind, ...ROUTES[kind] }
      return { tone: 'neutral', short: 'Connecting', long: 'Connecting to the gateway.' }
    case 'reconnecting':
      return {
        tone: 'warning',
        short: `Reconnecting (attempt ${Math.max(1, line.attempt)})`,
        long: 'The connection broke. Answers go on at the gateway and are shown when it is back.',
      }
    case 'offline':
      return {
        tone: 'bad',
        short: 'Offline',
        long: 'The gateway does not answer. What you see is the last known state.',
      }
  }
}
