// Samples of the feed as lines of a chart and rows of a table. Pure.
import type { RateSample } from '$lib/fleet'

/** A hole in what was heard, such as while the tab slept: no line is drawn through it. */
const GAP_MS = 3500

export type Pick = (sample: RateSample) => number | null

/** Columns as uPlot wants them: seconds, then one column of values for each line. */
export type Columns = [number[], ...(number | null)[][]]

export function within(history: RateSample[], nowMs: number, spanMs: number): RateSample[] {
  const from = nowMs - spanMs
  let low = 0
  let high = history.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((history[middle]?.at_unix_ms ?? 0) < from) low = middle + 1
    else high = middle
  }
  return history.slice(low)
}

export function columns(samples: RateSample[], picks: Pick[]): Columns {
  const seconds: number[] = []
  const values: (number | null)[][] = picks.map(() => [])
  let before: number | undefined
  for (const sample of samples) {
    const at = sample.at_unix_ms
    if (before !== undefined && at - before > GAP_MS) {
      seconds.push((before + 1000) / 1000)
      for (const line of values) line.push(null)
    }
    seconds.push(at / 1000)
    picks.forEach((pick, index) => values[index]?.push(pick(sample)))
    before = at
  }
  return [seconds, ...values]
}

export interface Row {
  /** The end of the step, in Unix milliseconds. */
  atMs: number
  values: (number | null)[]
}

/** The mean of each step, the newest first; what was not measured counts for nothing. */
export function rows(samples: RateSample[], picks: Pick[], stepMs: number): Row[] {
  const steps = new Map<number, RateSample[]>()
  for (const sample of samples) {
    const step = Math.ceil(sample.at_unix_ms / stepMs) * stepMs
    const there = steps.get(step)
    if (there) there.push(sample)
    else steps.set(step, [sample])
  }
  const mean = (group: RateSample[], pick: Pick): number | null => {
    const values = group.map(pick).filter((value) => value !== null)
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
  }
  return [...steps]
    .map(([atMs, group]) => ({ atMs, values: picks.map((pick) => mean(group, pick)) }))
    .sort((a, b) => b.atMs - a.atMs)
}

export const tokens: Pick = (sample) => sample.tokens_per_s
export const firstTokenP50: Pick = (sample) => (sample.first_token_ms.count > 0 ? sample.first_token_ms.p50 : null)
export const firstTokenP95: Pick = (sample) => (sample.first_token_ms.count > 0 ? sample.first_token_ms.p95 : null)
export const turnP50: Pick = (sample) => (sample.turn_ms.count > 0 ? sample.turn_ms.p50 : null)
export const turnP95: Pick = (sample) => (sample.turn_ms.count > 0 ? sample.turn_ms.p95 : null)
