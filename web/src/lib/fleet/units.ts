// Numbers of machines and models as people read them; what the whole app needs is in `ui/words`. A number and its unit
// never part at the end of a line.
const NBSP = '\u00a0'
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `309 / 384 GiB`: both in the unit of the larger one. */
export function bytesOf(used: number, total: number): string {
  let unit = 0
  let scale = 1
  while (Math.max(used, total) / scale >= 1024 && unit < BYTE_UNITS.length - 1) {
    scale *= 1024
    unit += 1
  }
  const fraction = unit === 0 || total / scale >= 100 ? 0 : 1
  return `${digits(used / scale, fraction)}${NBSP}/${NBSP}${digits(total / scale, fraction)}${NBSP}${BYTE_UNITS[unit]}`
}

/** `494M`, `30.5B`: how many weights a model has, as its makers write it. */
export function weights(count: number): string {
  for (const [scale, unit] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'K'],
  ] as const) {
    if (count >= scale) return trimmed(count / scale) + unit
  }
  return String(count)
}

/** `2K`, `128K`, `1M`: tokens that a model can hold. */
export function context(tokens: number): string {
  if (tokens >= 1024 * 1024) return `${trimmed(tokens / 1024 / 1024)}M`
  return tokens >= 1024 ? `${trimmed(tokens / 1024)}K` : String(tokens)
}

/** `0.7 ms`, `340 ms`, `1.2 s`, `3 min`. */
export function millis(ms: number): string {
  if (ms < 10) return `${digits(ms, 1)}${NBSP}ms`
  if (ms < 1000) return `${digits(ms, 0)}${NBSP}ms`
  if (ms < 10_000) return `${digits(ms / 1000, 1)}${NBSP}s`
  return span(ms)
}

/** `51 s`, `4 min 10 s`, `2 h 5 min`, `29 d`: how long something takes or lasts. */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return `${s}${NBSP}s`
  if (s < 3600) return joined(Math.floor(s / 60), 'min', s % 60, 's')
  if (s < 86_400) return joined(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min')
  return `${Math.floor(s / 86_400)}${NBSP}d`
}

export function rate(perSecond: number): string {
  return digits(perSecond, perSecond > 0 && perSecond < 100 ? 1 : 0)
}

/** `12:04:31`, on this browser's clock. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB')
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  const first = `${large}${NBSP}${largeUnit}`
  return small === 0 || large >= 10 ? first : `${first}${NBSP}${small}${NBSP}${smallUnit}`
}

/** Without a fraction that says nothing. */
function trimmed(value: number): string {
  return digits(value, value >= 100 ? 0 : 1).replace(/\.0$/, '')
}

function digits(value: number, fraction: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: fraction, maximumFractionDigits: fraction })
}
