// The contrast of every pair of colours that is used together, computed from the tokens in both themes, after WCAG:
// 4.5:1 for text, 3:1 for the edges of controls, meaningful bars and lines, and the focus.
import { describe, expect, it } from 'vitest'
import css from './tokens.css?raw'

const tokens = new Map<string, [string, string]>()
for (const [, name, light, dark] of css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g)) {
  tokens.set(name!, [light!, dark!])
}

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

const SURFACES = ['bg', 'surface', 'surface-2']
const TEXT: [string, string[]][] = [
  ['text', [...SURFACES, 'accent-soft', 'good-soft', 'warning-soft', 'bad-soft']],
  ['text-soft', [...SURFACES, 'accent-soft', 'bad-soft']],
  ['accent', [...SURFACES, 'accent-soft']],
  ['accent-hover', SURFACES],
  ['accent-text', ['accent', 'accent-hover']],
  ['good', [...SURFACES, 'good-soft']],
  ['warning', [...SURFACES, 'warning-soft']],
  ['bad', [...SURFACES, 'bad-soft']],
  ['bad-fill-text', ['bad-fill']],
]
const PARTS: [string, string[]][] = [
  ['line-strong', SURFACES],
  ['focus', [...SURFACES, 'accent-soft']],
  ['accent', ['track']],
  ['warning', ['track']],
  ...['chart-1', 'chart-2', 'chart-3', 'chart-4'].map((each): [string, string[]] => [each, ['bg', 'surface']]),
]

const pairs = (table: [string, string[]][]) => table.flatMap(([front, backs]) => backs.map((back) => [front, back] as const))

describe.each([
  ['light', 0],
  ['dark', 1],
] as const)('%s', (_, theme) => {
  const of = (front: string, back: string) => contrast(tokens.get(front)![theme], tokens.get(back)![theme])
  it.each(pairs(TEXT))('%s on %s can be read', (front, back) => expect(of(front, back)).toBeGreaterThanOrEqual(4.5))
  it.each(pairs(PARTS))('%s on %s can be seen', (front, back) => expect(of(front, back)).toBeGreaterThanOrEqual(3))
})
