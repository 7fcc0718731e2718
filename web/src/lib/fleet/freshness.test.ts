// From when on values are old, and how tries grow apart.
import { describe, expect, it } from 'vitest'
import { freshness, pauseMs, STALE_AFTER_MS } from './freshness'

const heard = { isFollowing: true, hasData: true, isOpen: true, lastEventMs: 10_000 }

describe('freshness', () => {
  it('is off while nobody follows, whatever is known', () => {
    expect(freshness({ ...heard, isFollowing: false }, 10_000)).toBe('off')
  })

  it('is connecting until a snapshot came', () => {
    expect(freshness({ ...heard, hasData: false, isOpen: false }, 10_000)).toBe('connecting')
  })

  it('is live for five seconds after an event and stale from then on', () => {
    expect(freshness(heard, 10_000 + STALE_AFTER_MS - 1)).toBe('live')
    expect(freshness(heard, 10_000 + STALE_AFTER_MS)).toBe('stale')
  })

  it('outlives a short break, and an open stream that is silent is stale all the same', () => {
    expect(freshness({ ...heard, isOpen: false }, 12_000)).toBe('live')
    expect(freshness({ ...heard, isOpen: true }, 16_000)).toBe('stale')
  })
})

describe('pauses', () => {
  it('grow, are at most fifteen seconds, and are at least half of that', () => {
    expect(pauseMs(0, 1)).toBe(500)
    expect(pauseMs(2, 0)).toBe(1000)
    expect(pauseMs(20, 1)).toBe(15_000)
    expect(pauseMs(20, 0)).toBe(7500)
  })
})
