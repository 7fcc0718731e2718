// How the stream breaks and comes back, with a stream that the test holds in its hand.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Connection, type Source } from './connection'
import { sample, snapshot } from './testing'
import type { FleetEvent } from './types'

class FakeSource implements Source {
  readyState = 1
  isClosed = false
  onopen: ((event: Event) => void) | null = null
  onerror: ((event: Event) => void) | null = null
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>()

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener)
  }
  close(): void {
    this.isClosed = true
    this.readyState = 2
  }
  tell(event: FleetEvent): void {
    this.listeners.get(event.type)?.(new MessageEvent(event.type, { data: JSON.stringify(event) }))
  }
  tellRaw(data: string): void {
    this.listeners.get('rates')?.(new MessageEvent('rates', { data }))
  }
  fail(readyState: 0 | 2): void {
    this.readyState = readyState
    this.onerror?.(new Event('error'))
  }
}

let sources: FakeSource[]
let heard: FleetEvent[][]
let may: boolean
let connection: Connection

beforeEach(() => {
  vi.useFakeTimers()
  sources = []
  heard = []
  may = true
  connection = new Connection({
    open: () => {
      const source = new FakeSource()
      sources.push(source)
      return source
    },
    onEvents: (events) => heard.push(events),
    onOpen: () => undefined,
    mayReturn: () => Promise.resolve(may),
  })
  connection.start()
})

afterEach(() => {
  connection.stop()
  vi.useRealTimers()
})

const rates = (number: number): FleetEvent => ({ number, at_unix_ms: 1, type: 'rates', rates: sample(number) })

describe('a connection', () => {
  it('hands events over together, once for each frame', async () => {
    sources[0]?.tell(snapshot(1))
    sources[0]?.tell(rates(2))
    await vi.advanceTimersByTimeAsync(300)
    expect(heard.map((events) => events.map((event) => event.number))).toEqual([[1, 2]])
  })

  it('lets the browser come back by itself while it tries', async () => {
    sources[0]?.fail(0)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sources).toHaveLength(1)
    expect(sources[0]?.isClosed).toBe(false)
  })

  it('opens a new stream when the browser gave up', async () => {
    sources[0]?.fail(2)
    await vi.advanceTimersByTimeAsync(1000)
    expect(sources).toHaveLength(2)
  })

  it('ends when nobody is signed in any more', async () => {
    may = false
    sources[0]?.fail(0)
    await vi.advanceTimersByTimeAsync(0)
    expect(sources[0]?.isClosed).toBe(true)
    expect(connection.isOn).toBe(false)
    connection.start()
    sources[1]?.fail(2)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sources).toHaveLength(2)
  })

  it('hears nothing from a stream that was replaced', async () => {
    connection.reopen()
    sources[0]?.tell(rates(1))
    sources[0]?.fail(2)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sources).toHaveLength(2)
    expect(heard).toEqual([])
  })

  it('passes over what is no event', async () => {
    sources[0]?.tellRaw('{')
    sources[0]?.tellRaw('7')
    await vi.advanceTimersByTimeAsync(300)
    expect(heard).toEqual([])
  })
})
