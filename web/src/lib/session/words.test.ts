// What people read about turns, figures and who is here.

import { describe, expect, it } from 'vitest'
import { newTurn } from '../transcript/turn'
import { deviceName } from '../hub/device'
import { fileName } from './menu'
import { othersHere } from './people'
import { figures, waitingLine } from './words'

const turn = (changes: object = {}) =>
  Object.assign(
    newTurn({ id: 't', parent: null, by: 'k', origin: { kind: 'asked' }, input: [], model: 'sprout', acceptedAt: 0 }),
    changes,
  )

describe('words of the chat', () => {
  it.each([
    [{}, true, null, 'Sent'],
    [{}, false, null, 'Waits for the answer before it'],
    [{ ahead: 0 }, true, null, 'Waiting for sprout'],
    [{ ahead: 2 }, true, null, 'Queued, 2 ahead'],
    [{ ahead: 0 }, true, { share: null }, 'Loading sprout'],
    [{ ahead: 0 }, true, { share: 0.409 }, 'Loading sprout 40 %'],
    [{ startedAt: 1, promptTokens: 3200 }, true, null, 'Reading the prompt, 3,200 tokens'],
    [{ startedAt: 1, prefill: { done: 3200, total: 12800 } }, true, null, 'Reading the prompt, 3,200 of 12,800 tokens'],
    [{ startedAt: 1, cancelAsked: true }, true, null, 'Stopping'],
  ])('says what a turn waits for: %j', (changes, isNext, loading, text) => {
    expect(waitingLine(turn(changes), isNext, loading).text).toBe(text)
  })

  it('shows figures that are known, and no others', () => {
    const stats = { tokensPerSecond: 31.24, firstTokenMs: 412, tokens: 40, contextTokens: 2140, durationMs: 9 }
    expect(figures(stats, 32768).map(({ value, name }) => `${value} ${name}`)).toEqual([
      '31.2 tokens/s',
      '0.4 s TTFT',
      '2,140 / 32K context',
    ])
    const none = { tokensPerSecond: null, firstTokenMs: null, tokens: 0, contextTokens: null, durationMs: null }
    expect(figures(none, 2048)).toEqual([])
  })

  it('leaves itself out, and no other tab like it', () => {
    const one = { client: 1, by: 'k', name: 'Safari on Mac' }
    const present = [one, { ...one, client: 2 }]
    expect(othersHere(present, { ...one, client: 2 })).toEqual([one])
    expect(othersHere([one], { ...one, client: 3 }), 'a presence from before it came').toEqual([one])
    expect(othersHere(present, { ...one, client: null }), 'an older gateway').toHaveLength(1)
    expect(othersHere([one], { client: null, by: 'other', name: 'Safari on Mac' })).toHaveLength(1)
  })

  it('names browsers and files', () => {
    expect(deviceName('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Version/18.0 Mobile Safari/604.1')).toBe('Safari on iPhone')
    expect(deviceName('Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0 Safari/537.36')).toBe('Chrome on Linux')
    expect(fileName('Äpfel & more: 1/2', 'md')).toBe('äpfel-more-1-2.md')
    expect(fileName('…', 'json')).toBe('session.json')
  })
})
