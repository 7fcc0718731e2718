// Numbers as people read them.
import { expect, it } from 'vitest'
import { ago, bytes, count, duration, plural, sentence } from './words'

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [3169471376, '3.0 GiB'],
  [200 * 1024 ** 3, '200 GiB'],
])('%i bytes are %s', (given, expected) => expect(bytes(given)).toBe(expected))

it.each([
  [0, '0 ms'],
  [42, '42 ms'],
  [420, '0.4 s'],
  [9_960, '10 s'],
  [59_600, '1 min'],
  [3_600_000, '1 h'],
  [172_800_000, '2 d'],
])('%i ms are %s', (given, expected) => expect(duration(given)).toBe(expected))

it('moments are ago', () => {
  expect(ago(1000, 2000)).toBe('now')
  expect(ago(0, 7_000)).toBe('10 s ago')
  expect(ago(0, 180_000)).toBe('3 min ago')
  expect(ago(9_000, 0)).toBe('now')
})

it('counts have commas and plurals', () => {
  expect(count(12800)).toBe('12,800')
  expect(plural(1, 'node')).toBe('1 node')
  expect(plural(2, 'node')).toBe('2 nodes')
})

it('messages become sentences', () => {
  expect(sentence('the key is unknown')).toBe('The key is unknown.')
  expect(sentence('mini-2 is back', 'mini-2')).toBe('mini-2 is back.')
  expect(sentence('mini-2 is back', ['desk', 'mini-2'])).toBe('mini-2 is back.')
  expect(sentence('mini-2 is back', 'mini')).toBe('Mini-2 is back.')
  expect(sentence('What now?')).toBe('What now?')
})
