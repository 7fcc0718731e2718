// Numbers as people read them.
import { expect, it } from 'vitest'
import { bytesOf, context, millis, span, weights } from './units'

const plain = (text: string): string => text.replaceAll('\u00a0', ' ')

it('bytes of bytes are in one unit', () => {
  expect(plain(bytesOf(3_169_471_376, 18_957_376_512))).toBe('3.0 / 17.7 GiB')
  expect(plain(bytesOf(309 * 2 ** 30, 384 * 2 ** 30))).toBe('309 / 384 GiB')
})

it('weights and contexts are said as their makers write them', () => {
  expect([4_951_296, 494_032_768, 30_532_122_624, 999].map(weights)).toEqual(['5M', '494M', '30.5B', '999'])
  expect([2048, 131_072, 1_048_576, 40_960, 512].map(context)).toEqual(['2K', '128K', '1M', '40K', '512'])
})

it('times have at most two units', () => {
  expect([0, 0.68, 340, 1234, 51_000, 250_000, 7_500_000, 86_400_000 * 29].map(millis).map(plain)).toEqual([
    '0.0 ms', '0.7 ms', '340 ms', '1.2 s', '51 s', '4 min 10 s', '2 h 5 min', '29 d',
  ])
  expect(plain(span(36_000_000))).toBe('10 h')
})
