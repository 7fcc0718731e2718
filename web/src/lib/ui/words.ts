// Numbers and messages as people read them. Pure; no locale of the machine, so that pictures and tests agree.

/** The gateway's messages are lower case without a full stop; on a page they are sentences. A name of a machine or a
 *  model that begins one stays as it is. */
export function sentence(text: string, names: string | readonly string[] = []): string {
  const begins = (name: string) => name !== '' && text.startsWith(name) && !/^[\w-]/.test(text.slice(name.length))
  const isName = (typeof names === 'string' ? [names] : names).some(begins)
  const first = isName ? text : text.charAt(0).toUpperCase() + text.slice(1)
  return /[.?:…)]$/.test(first) ? first : `${first}.`
}

/** `3.0 GiB`, as the terminal says it. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let at = 0
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024
    at += 1
  }
  return at === 0 ? `${count} B` : `${value < 100 ? value.toFixed(1) : Math.round(value)} ${units[at]}`
}

/** `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`. */
export function duration(ms: number): string {
  if (ms < 1) return '0 ms'
  if (ms < 100) return `${Math.round(ms)} ms`
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 59_500) return `${Math.round(ms / 1000)} s`
  if (ms < 3_570_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 171_000_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} d`
}

/** How long ago something was. */
export function ago(at: number, now: number): string {
  const past = now - at
  if (past < 5_000) return 'now'
  return `${duration(Math.max(past, 10_000))} ago`
}

/** `12,800` */
export function count(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 node`, `3 nodes` */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}
