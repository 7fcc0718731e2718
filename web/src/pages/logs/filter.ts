// Which lines are wanted: as the address says it, and as the gateway is asked for it. Pure; now is handed in.

export const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const
export type Level = (typeof LEVELS)[number]

/** How far back, as a person says it. */
export const SPANS = { '10m': 600_000, '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000 } as const
export type Span = keyof typeof SPANS

export interface Filter {
  /** This level and those that are quieter; empty for all. */
  level: Level | ''
  node: string
  actor: string
  turn: string
  text: string
  span: Span | ''
  /** Moments as a field for date and time writes them (`2026-01-31T23:59`), in this browser's time. */
  from: string
  to: string
}

export const NO_FILTER: Filter = { level: '', node: '', actor: '', turn: '', text: '', span: '', from: '', to: '' }

/** Longest text that the gateway looks for, in bytes. */
export const TEXT_BYTES_MAX = 256

const FIELDS = { level: 'level', node: 'node', actor: 'actor', turn: 'turn', text: 'q', span: 'since', from: 'from', to: 'to' } as const

export function fromQuery(query: URLSearchParams): Filter {
  const text = (field: keyof Filter) => query.get(FIELDS[field]) ?? ''
  const moment = (field: 'from' | 'to') => (Number.isNaN(Date.parse(text(field))) ? '' : text(field))
  const span = text('span')
  return {
    level: LEVELS.find((level) => level === text('level')) ?? '',
    node: text('node'),
    actor: text('actor'),
    turn: text('turn'),
    text: text('text'),
    span: span in SPANS ? (span as Span) : '',
    from: moment('from'),
    to: moment('to'),
  }
}

export function toQuery(filter: Filter): Record<string, string | null> {
  return Object.fromEntries(Object.entries(FIELDS).map(([field, name]) => [name, filter[field as keyof Filter] || null]))
}

export const isFiltered = (filter: Filter): boolean => Object.values(filter).some((value) => value !== '')

/** A span with an end in the past brings no new lines. */
export const isOver = (filter: Filter, nowMs: number): boolean => filter.to !== '' && Date.parse(filter.to) <= nowMs

/** Parameters of `/admin/logs`. */
export function toApi(filter: Filter, nowMs: number): URLSearchParams {
  const asked = new URLSearchParams()
  const put = (name: string, value: string) => {
    if (value) asked.set(name, value)
  }
  put('level', filter.level)
  put('node', filter.node)
  put('actor', filter.actor.trim())
  put('turn', filter.turn.trim())
  put('text', cut(filter.text.trim()))
  // What is written out goes before what is said in words.
  if (filter.from) asked.set('since', String(Date.parse(filter.from)))
  else if (filter.span) asked.set('since', String(nowMs - SPANS[filter.span]))
  if (filter.to) asked.set('until', String(Date.parse(filter.to)))
  return asked
}

function cut(text: string): string {
  const encoder = new TextEncoder()
  let kept = text
  while (encoder.encode(kept).length > TEXT_BYTES_MAX) kept = kept.slice(0, -1)
  return kept
}
