// Events of the feed, one after the other, make the fleet. Pure: no clock, no connection, nothing is changed in place,
// so that whatever was not touched is the same object as before and is not drawn again.

import type {
  Download,
  FleetEvent,
  FleetNode,
  FleetView,
  Notice,
  RateSample,
  RunningTurn,
} from './types'

/** An hour of samples, one a second: what charts can show at most. */
export const HISTORY_MAX = 3600

export interface FleetState {
  /** Number of the last event; null before the first snapshot. */
  number: number | null
  /** When the last event happened, by the gateway's clock. */
  atUnixMs: number
  /** An event is missing, or the gateway cut the stream: only a snapshot mends it. */
  isTorn: boolean
  gateway: string
  name: string
  version: string
  /** This gateway's own node first, then by name. */
  nodes: FleetNode[]
  /** The oldest first. */
  turns: RunningTurn[]
  turnsLeftOut: number
  rates: RateSample | null
  /** The oldest first. */
  history: RateSample[]
  /** Those that nobody has acknowledged, the newest first. */
  notices: Notice[]
  /** The newest first; null where the gateway knows nothing of downloads. */
  downloads: Download[] | null
}

export const EMPTY: FleetState = {
  number: null,
  atUnixMs: 0,
  isTorn: false,
  gateway: '',
  name: '',
  version: '',
  nodes: [],
  turns: [],
  turnsLeftOut: 0,
  rates: null,
  history: [],
  notices: [],
  downloads: null,
}

export function reduce(state: FleetState, event: FleetEvent): FleetState {
  if (event.type === 'snapshot') return fromSnapshot(state, event.fleet, event.number)
  if (event.type === 'cut') return state
  // Before the first snapshot there is nothing to change.
  if (state.number === null || state.isTorn) return state
  // After a resumption the last ones may come twice.
  if (event.number <= state.number) return state
  if (event.number > state.number + 1) return { ...state, isTorn: true }
  return { ...changed(state, event), number: event.number, atUnixMs: event.at_unix_ms }
}

function changed(state: FleetState, event: Exclude<FleetEvent, { type: 'snapshot' | 'cut' }>): FleetState {
  switch (event.type) {
    case 'node':
      return { ...state, nodes: withNode(state.nodes, event.node) }
    case 'node_removed':
      return { ...state, nodes: state.nodes.filter((node) => node.node !== event.node) }
    case 'turns':
      return withTurns(state, event)
    case 'rates':
      return { ...state, rates: event.rates, history: appended(state.history, event.rates) }
    case 'notice':
      return { ...state, notices: withNotice(state.notices, event.notice) }
    case 'download':
      return { ...state, downloads: withDownload(state.downloads ?? [], event.download) }
    case 'download_removed':
      return { ...state, downloads: (state.downloads ?? []).filter((one) => one.id !== event.id) }
    default:
      // A newer gateway may tell what this page does not know; its number counts all the same.
      return state
  }
}

function fromSnapshot(state: FleetState, fleet: FleetView, number: number): FleetState {
  const oldest = fleet.history[0]?.at_unix_ms ?? fleet.at_unix_ms
  const before = state.history.filter((sample) => sample.at_unix_ms < oldest)
  return {
    number,
    atUnixMs: fleet.at_unix_ms,
    isTorn: false,
    gateway: fleet.gateway,
    name: fleet.name,
    version: fleet.version,
    nodes: [...fleet.nodes].sort(byPlace),
    turns: fleet.turns,
    turnsLeftOut: fleet.turns_left_out,
    rates: fleet.rates,
    history: [...before, ...fleet.history].slice(-HISTORY_MAX),
    notices: fleet.notices.filter((notice) => notice.acknowledged === null),
    downloads: fleet.downloads ?? null,
  }
}

function byPlace(a: FleetNode, b: FleetNode): number {
  if (a.is_here !== b.is_here) return a.is_here ? -1 : 1
  return a.name.localeCompare(b.name, 'en', { numeric: true }) || a.node.localeCompare(b.node)
}

function withNode(nodes: FleetNode[], node: FleetNode): FleetNode[] {
  const at = nodes.findIndex((known) => known.node === node.node)
  if (at < 0) return [...nodes, node].sort(byPlace)
  const next = nodes.with(at, node)
  return nodes[at]?.name === node.name ? next : next.sort(byPlace)
}

function withTurns(state: FleetState, event: Extract<FleetEvent, { type: 'turns' }>): FleetState {
  const ended = new Set(event.ended.map((turn) => turn.id))
  const moved = new Map(event.moved.map((turn) => [turn.id, turn]))
  const known = new Set(state.turns.map((turn) => turn.id))
  const started = event.started.filter((turn) => !known.has(turn.id))
  const listed = new Set([...known, ...started.map((turn) => turn.id)])
  // An end of a turn that is not listed is that of one which was left out.
  const unlisted = event.ended.filter((turn) => !listed.has(turn.id)).length
  const turns = [...state.turns, ...started]
    .filter((turn) => !ended.has(turn.id))
    .map((turn) => {
      const progress = moved.get(turn.id)
      return progress ? { ...turn, node: progress.node, tokens: progress.tokens } : turn
    })
  return { ...state, turns, turnsLeftOut: Math.max(0, state.turnsLeftOut - unlisted) }
}

function appended(history: RateSample[], sample: RateSample): RateSample[] {
  const newest = history[history.length - 1]
  if (newest && sample.at_unix_ms <= newest.at_unix_ms) return history
  return [...history.slice(-(HISTORY_MAX - 1)), sample]
}

function withNotice(notices: Notice[], notice: Notice): Notice[] {
  const at = notices.findIndex((known) => known.id === notice.id)
  if (notice.acknowledged !== null) return at < 0 ? notices : notices.toSpliced(at, 1)
  return at < 0 ? [notice, ...notices] : notices.with(at, notice)
}

function withDownload(downloads: Download[], download: Download): Download[] {
  const at = downloads.findIndex((known) => known.id === download.id)
  return at < 0 ? [download, ...downloads] : downloads.with(at, download)
}
