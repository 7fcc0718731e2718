// A text and its marks as runs of one kind. Marks count bytes of UTF-8 and JavaScript counts UTF-16, so that places
// are translated here and nowhere else.

import type { Mark } from '../hub/events'

export interface Run {
  kind: Mark['kind']
  text: string
  index?: number
  name?: string
}

export function splitByMarks(text: string, marks: Mark[] | undefined): Run[] {
  if (!marks?.length) return text ? [{ kind: 'text', text }] : []
  const place = placesIn(text)
  const runs: Run[] = []
  let from = 0
  let open: Omit<Run, 'text'> = { kind: 'text' }
  const close = (to: number): void => {
    // A call without arguments is a call all the same; everything else is nothing without text.
    if (to > from || open.kind === 'call') runs.push({ ...open, text: text.slice(from, to) })
    from = to
  }
  let isFirst = true
  for (const mark of marks) {
    const at = place(mark.at)
    if (!isFirst || at > 0) close(at)
    isFirst = false
    open = { kind: mark.kind, ...(mark.kind === 'call' && { index: mark.index ?? 0, name: mark.name }) }
  }
  close(text.length)
  return runs
}

/** Places grow from mark to mark, so the text is walked once. */
function placesIn(text: string): (bytes: number) => number {
  let unit = 0
  let byte = 0
  return (bytes) => {
    while (byte < bytes && unit < text.length) {
      const code = text.codePointAt(unit) ?? 0
      byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
      unit += code < 0x10000 ? 1 : 2
    }
    return unit
  }
}
