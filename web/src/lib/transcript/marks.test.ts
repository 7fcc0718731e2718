// Places in bytes, kinds, and the text between them.

import { describe, expect, it } from 'vitest'
import type { Mark } from '../hub/events'
import { splitByMarks } from './marks'

describe('splitByMarks', () => {
  it('takes a text without marks as plain', () => {
    expect(splitByMarks('mé', undefined)).toEqual([{ kind: 'text', text: 'mé' }])
    expect(splitByMarks('', [])).toEqual([])
  })

  it('counts bytes, not characters', () => {
    // 2 bytes, 3 bytes, 4 bytes (two units of UTF-16), 1 byte.
    const text = 'é日😀x'
    const at = (byte: number): Mark[] => [{ at: byte, kind: 'reasoning' }]
    expect(splitByMarks(text, at(2)).map((run) => run.text)).toEqual(['é', '日😀x'])
    expect(splitByMarks(text, at(5)).map((run) => run.text)).toEqual(['é日', '😀x'])
    expect(splitByMarks(text, at(9)).map((run) => run.text)).toEqual(['é日😀', 'x'])
  })

  it('tells thoughts, text and calls apart', () => {
    const marks: Mark[] = [
      { at: 0, kind: 'reasoning' },
      { at: 3, kind: 'text' },
      { at: 6, kind: 'call', index: 0, name: 'get_weather' },
    ]
    expect(splitByMarks('hm hi {"a":1}', marks)).toEqual([
      { kind: 'reasoning', text: 'hm ' },
      { kind: 'text', text: 'hi ' },
      { kind: 'call', index: 0, name: 'get_weather', text: '{"a":1}' },
    ])
  })

  it('keeps a call without arguments', () => {
    expect(splitByMarks('', [{ at: 0, kind: 'call', index: 1, name: 'now' }])).toEqual([
      { kind: 'call', index: 1, name: 'now', text: '' },
    ])
  })
})
