// Which sessions get a card, and which leaves for another.

import { describe, expect, it } from 'vitest'
import type { Summary } from '$lib/session/api'
import { CARDS_MAX, chooseLeaving, merge, readKept } from './cards'

const id = (number: number) => `ses_${String(number).padStart(32, '0')}`
const summary = (number: number, open_turns = 0) => ({ id: id(number), open_turns }) as Summary
const range = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

describe('cards', () => {
  it('reads what was kept, and nothing else', () => {
    const kept = { open: [id(1)], closed: [id(2)] }
    expect(readKept(JSON.stringify(kept))).toEqual(kept)
    expect(readKept(JSON.stringify({ open: [id(1), 'x', 7], closed: [] }))).toEqual({ open: [id(1)], closed: [] })
    for (const wrong of [null, '', '{', '[]', '{"open":1}']) expect(readKept(wrong)).toBeNull()
  })

  it('begins with the newest few', () => {
    expect(merge(null, range(9).map((one) => summary(one))).open).toEqual([1, 2, 3, 4].map(id))
  })

  it('adds what runs elsewhere, but not what was closed here', () => {
    const kept = { open: [id(1)], closed: [id(3)] }
    expect(merge(kept, [summary(2, 1), summary(3, 1), summary(4), summary(1, 1)]).open).toEqual([id(2), id(1)])
  })

  it('never shows more than ten', () => {
    const kept = { open: range(10).map(id), closed: [] }
    expect(merge(kept, [summary(11, 1)]).open).toHaveLength(CARDS_MAX)
  })

  it('lets the idle card go that was used least lately, and never one that answers', () => {
    const open = range(10).map(id)
    const at = (one: string) => Number(one.slice(4))
    expect(chooseLeaving(open.slice(1), () => ({ isRunning: false, at: 0 }))).toBeNull()
    expect(chooseLeaving(open, (one) => ({ isRunning: at(one) < 4, at: at(one) }))).toBe(id(4))
    expect(chooseLeaving(open, () => ({ isRunning: true, at: 0 }))).toBe('full')
  })
})
