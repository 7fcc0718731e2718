// Exact resume: what comes twice is dropped, what is missing is asked for, and a question is asked once.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SessionEvent } from './events'
import { Hub, HubError, type AttachState } from './hub'

const SES = 'ses_00000000000000000000000000000001'
const OTHER = 'ses_00000000000000000000000000000002'
const TURN = 'turn_00000000000000000000000000000001'

type Spoken = Record<string, unknown> & { type: string; ref?: number; after?: number }

class FakeSocket {
  static all: FakeSocket[] = []
  readyState = 0
  said: Spoken[] = []
  answersPings = true
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: (() => void) | null = null

  constructor() {
    FakeSocket.all.push(this)
  }
  open(): void {
    this.readyState = 1
    this.onopen?.()
  }
  send(text: string): void {
    const message = JSON.parse(text) as Spoken
    this.said.push(message)
    if (message.type === 'ping' && this.answersPings) this.hear({ type: 'pong' })
  }
  close(): void {
    this.readyState = 3
  }
  lose(): void {
    this.readyState = 3
    this.onclose?.()
  }
  hear(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
  last(type: string): Spoken {
    const found = this.said.findLast((one) => one.type === type)
    if (!found) throw new Error(`${type} was not said`)
    return found
  }
  count(type: string): number {
    return this.said.filter((one) => one.type === type).length
  }
  attached(): void {
    this.hear({ type: 'reply', ref: this.last('attach').ref, ok: { session: SES, head_seq: 9 } })
  }
}

const tokens = (seq: number, text: string, first = seq) => ({
  v: 3,
  type: 'turn.tokens',
  session: SES,
  at: 1,
  seq,
  first_seq: first,
  turn: TURN,
  index: first - 1,
  count: seq - first + 1,
  text,
})

const cut = (reason: string) => ({ v: 3, type: 'cut', session: SES, at: 1, reason, cursor: 0 })

const hubs: Hub[] = []

function setUp(after = 0) {
  const text: string[] = []
  const states: AttachState[] = []
  const maySignIn = vi.fn(() => Promise.resolve(true))
  const hub = new Hub({ connect: () => new FakeSocket() as unknown as WebSocket, name: () => 'test', maySignIn })
  hubs.push(hub)
  const detach = hub.attach(SES, {
    after,
    onEvent: (event: SessionEvent) => {
      if (event.type === 'turn.tokens') text.push(event.text)
    },
    onState: (state) => states.push(state),
  })
  return { hub, detach, text, states, maySignIn }
}

const socket = (): FakeSocket => {
  const last = FakeSocket.all.at(-1)
  if (!last) throw new Error('no socket was opened')
  return last
}

beforeEach(() => {
  FakeSocket.all = []
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', { OPEN: 1 })
  vi.spyOn(Math, 'random').mockReturnValue(1)
})

afterEach(() => {
  for (const hub of hubs.splice(0)) hub.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('Hub', () => {
  it('hears which of those present it is each time it attaches', () => {
    const numbers: (number | null)[] = []
    const { hub } = setUp()
    hub.attach(OTHER, { after: 0, onEvent: () => undefined, onAttached: (client) => numbers.push(client) })
    for (const client of [7, 8, undefined]) {
      socket().open()
      socket().hear({ type: 'reply', ref: socket().last('attach').ref, ok: { session: OTHER, head_seq: 0, client } })
      socket().lose()
      vi.advanceTimersByTime(300)
    }
    expect(numbers).toEqual([7, 8, null])
  })

  it('attaches behind the cursor and hands on what follows', () => {
    const { text } = setUp(3)
    socket().open()
    expect(socket().last('attach')).toMatchObject({ session: SES, after: 3, name: 'test' })
    socket().attached()
    socket().hear(tokens(4, 'a'))
    socket().hear(tokens(6, 'bc', 5))
    expect(text.join('')).toBe('abc')
  })

  it('drops what it had', () => {
    const { text } = setUp()
    socket().open()
    socket().attached()
    socket().hear(tokens(2, 'ab', 1))
    socket().hear(tokens(1, 'a'))
    socket().hear(tokens(2, 'ab', 1))
    socket().hear(tokens(3, 'c'))
    expect(text.join('')).toBe('abc')
  })

  it.each([
    ['a gap', tokens(4, 'd')],
    ['a piece that begins inside what is known', tokens(3, 'bc', 2)],
  ])('attaches again from its cursor on %s', (_, event) => {
    const { text, states } = setUp()
    socket().open()
    socket().attached()
    socket().hear(tokens(2, 'ab', 1))
    socket().hear(event)
    expect(socket().count('detach')).toBe(1)
    vi.advanceTimersByTime(200)
    expect(socket().last('attach').after).toBe(2)
    // What the earlier attachment still says is not taken.
    socket().hear(tokens(3, 'x'))
    socket().attached()
    socket().hear(tokens(4, 'cd', 3))
    expect(text.join('')).toBe('abcd')
    expect(states).toEqual(['live', 'waiting', 'live'])
  })

  it('gives a log up that never fits', () => {
    const { states } = setUp()
    socket().open()
    for (let round = 0; round < 8; round++) {
      socket().attached()
      socket().hear(tokens(50, 'x'))
      vi.advanceTimersByTime(10_000)
    }
    expect(states.at(-1)).toBe('lost')
  })

  it('comes back after a disconnect with its cursor, each time later', async () => {
    const { text, hub } = setUp()
    socket().open()
    socket().attached()
    socket().hear(tokens(1, 'a'))
    for (const [round, pause] of [250, 250, 250].entries()) {
      socket().lose()
      await vi.advanceTimersByTimeAsync(pause - 1)
      expect(FakeSocket.all).toHaveLength(round + 1)
      await vi.advanceTimersByTimeAsync(1)
      socket().open()
      expect(socket().last('attach').after).toBe(round + 1)
      socket().attached()
      socket().hear(tokens(round + 1, '!'))
      socket().hear(tokens(round + 2, 'bcd'[round] ?? ''))
    }
    expect(text.join('')).toBe('abcd')
    hub.stop()
  })

  it('backs off while nobody answers, and says so', async () => {
    const seen: string[] = []
    const hub = new Hub({
      connect: () => new FakeSocket() as unknown as WebSocket,
      name: () => 'test',
      onState: (state, attempt) => seen.push(`${state} ${attempt}`),
    })
    hub.start()
    for (const pause of [250, 500, 1000, 2000]) {
      socket().lose()
      await vi.advanceTimersByTimeAsync(pause)
    }
    expect(FakeSocket.all).toHaveLength(5)
    expect(seen).toContain('reconnecting 1')
    expect(seen.at(-1)).toBe('offline 4')
    hub.stop()
  })

  it('asks no more when nobody is signed in', async () => {
    const { maySignIn } = setUp()
    maySignIn.mockResolvedValue(false)
    socket().lose()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(FakeSocket.all).toHaveLength(1)
  })

  it.each([
    ['slow', 0],
    ['moved', 250],
    ['store', 1000],
    ['shutting_down', 1000],
  ])('comes back behind its cursor when it was cut: %s', (reason, pause) => {
    const { text } = setUp()
    socket().open()
    socket().attached()
    socket().hear(tokens(1, 'a'))
    socket().hear(cut(reason))
    vi.advanceTimersByTime(pause)
    expect(socket().last('attach').after).toBe(1)
    socket().attached()
    socket().hear(tokens(2, 'b'))
    expect(text.join('')).toBe('ab')
  })

  it('does not come back to what was deleted', () => {
    const { states } = setUp()
    socket().open()
    socket().attached()
    socket().hear(cut('deleted'))
    vi.advanceTimersByTime(60_000)
    expect(states.at(-1)).toBe('gone')
    expect(socket().count('attach')).toBe(1)
  })

  it.each([
    ['session_not_found', 'gone'],
    ['cursor_ahead', 'lost'],
    ['cursor_gone', 'lost'],
  ])('knows what a refusal means: %s', (code, state) => {
    const { states } = setUp()
    socket().open()
    socket().hear({ type: 'error', ref: socket().last('attach').ref, error: { code, message: 'm' } })
    expect(states.at(-1)).toBe(state)
  })

  it('tries again what was refused for now', () => {
    setUp()
    socket().open()
    socket().hear({ type: 'error', ref: socket().last('attach').ref, error: { code: 'session_limit', message: 'm' } })
    vi.advanceTimersByTime(500)
    expect(socket().count('attach')).toBe(2)
  })

  it('asks a question once more after a disconnect, with the same key, and gives one answer', async () => {
    const { hub } = setUp()
    socket().open()
    const answer = hub.submit(SES, { input: 'hello', idempotency_key: 'k1' })
    expect(socket().last('submit')).toMatchObject({ input: 'hello', idempotency_key: 'k1' })
    socket().lose()
    await vi.advanceTimersByTimeAsync(250)
    socket().open()
    expect(socket().last('submit')).toMatchObject({ idempotency_key: 'k1' })
    socket().hear({ type: 'reply', ref: socket().last('submit').ref, ok: { turn: TURN } })
    await expect(answer).resolves.toEqual({ turn: TURN })
    socket().lose()
    await vi.advanceTimersByTimeAsync(250)
    socket().open()
    expect(socket().count('submit')).toBe(0)
  })

  it('hands on a refusal by ref', async () => {
    const { hub } = setUp()
    socket().open()
    const answer = hub.submit(SES, { input: '', idempotency_key: 'k2' })
    socket().hear({ type: 'error', ref: socket().last('submit').ref, error: { code: 'invalid_request', message: 'm' } })
    await expect(answer).rejects.toEqual(new HubError('invalid_request', 'm'))
  })

  it('breaks off a line on which nothing comes, not even the answer to a ping', () => {
    setUp()
    socket().open()
    socket().attached()
    vi.advanceTimersByTime(18_000)
    expect(socket().count('ping')).toBe(1)
    socket().answersPings = false
    vi.advanceTimersByTime(17_000)
    expect(FakeSocket.all).toHaveLength(1)
    vi.advanceTimersByTime(1_000 + 6_000 + 250)
    expect(FakeSocket.all).toHaveLength(2)
  })

  it('rests a minute after the tab was hidden and comes back when it is seen', () => {
    const { text } = setUp()
    socket().open()
    socket().attached()
    socket().hear(tokens(1, 'a'))
    const visibility = vi.spyOn(document, 'visibilityState', 'get')
    visibility.mockReturnValue('hidden')
    document.dispatchEvent(new Event('visibilitychange'))
    vi.advanceTimersByTime(59_000)
    expect(socket().readyState).toBe(1)
    vi.advanceTimersByTime(1_000)
    expect(socket().readyState).toBe(3)
    vi.advanceTimersByTime(600_000)
    expect(FakeSocket.all).toHaveLength(1)
    visibility.mockReturnValue('visible')
    document.dispatchEvent(new Event('visibilitychange'))
    socket().open()
    expect(socket().last('attach').after).toBe(1)
    socket().attached()
    socket().hear(tokens(2, 'b'))
    expect(text.join('')).toBe('ab')
  })

  it('detaches and hears no more', () => {
    const { detach, text } = setUp()
    socket().open()
    socket().attached()
    detach()
    expect(socket().count('detach')).toBe(1)
    socket().hear(tokens(1, 'a'))
    expect(text).toEqual([])
  })
})
