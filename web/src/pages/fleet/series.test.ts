// How samples become lines and rows.
import { expect, it } from 'vitest'
import { sample } from '$lib/fleet/testing'
import { columns, firstTokenP50, rows, tokens, within } from './series'

const at = (second: number, tokensPerS = 0) => sample(second * 1000, { tokens_per_s: tokensPerS })

it('only the span is shown', () => {
  const history = [1, 2, 3, 4, 5].map((second) => at(second))
  expect(within(history, 5000, 2000).map((one) => one.at_unix_ms)).toEqual([3000, 4000, 5000])
  expect(within([], 5000, 2000)).toEqual([])
})

it('no line is drawn through a hole', () => {
  expect(columns([at(1, 5), at(2, 6), at(9, 7)], [tokens])).toEqual([
    [1, 2, 3, 9],
    [5, 6, null, 7],
  ])
})

it('a latency that nobody measured is no zero', () => {
  expect(columns([at(1)], [firstTokenP50])).toEqual([[1], [null]])
})

it('rows are means of steps, the newest first', () => {
  expect(rows([at(1, 10), at(9, 20), at(11, 40)], [tokens, firstTokenP50], 10_000)).toEqual([
    { atMs: 20_000, values: [40, null] },
    { atMs: 10_000, values: [15, null] },
  ])
})
