// One session of the stub: a log that grows at a fixed pace once it is started, told to whoever is attached.

import type { TextSocket } from './socket'
import { word } from './text'

export const KEY = 'key_0000000000000001'

export interface Pace {
  tokensPerSecond: number
  tokens: number
}

/** As the gateway gathers tokens for browsers. */
const GATHER_MS = 33

export class Stream {
  head = 1
  private readonly log: { seq: number }[] = []
  private readonly sockets = new Set<TextSocket>()
  private readonly turn: string
  private sent = 0
  private began = 0
  private timer: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly id: string,
    private readonly options: Pace,
  ) {
    this.turn = `turn_${id.slice(4)}`
  }

  private get meta() {
    return { id: this.id, owner: KEY, title: `Session ${Number(this.id.slice(4)) + 1}`, tags: [], model: 'sprout' }
  }

  summary() {
    return { ...this.meta, created_at: 1, updated_at: 1, turns: 0, open_turns: 1, head_seq: this.head }
  }

  /** Always as if nothing had been asked yet: everything is heard as events. */
  shown() {
    const rest = { shared: {}, system: null, context: 'refuse', created_at: 1, updated_at: 1 }
    return { ...this.meta, ...rest, head_seq: 1, oldest_seq: 1, turns: [], active: null, forked_from: null }
  }

  attach(socket: TextSocket, after: number): void {
    for (const event of this.log) if (event.seq > after) socket.say(event)
    socket.say({ v: 3, session: this.id, at: Date.now(), type: 'caught_up', head_seq: this.head })
    this.sockets.add(socket)
  }

  detach(socket: TextSocket): void {
    this.sockets.delete(socket)
  }

  start(): void {
    if (this.timer) return
    this.began = performance.now()
    const input = [{ role: 'user', content: 'How do apples keep?' }]
    this.tell('turn.accepted', 1, { parent: null, by: KEY, origin: { kind: 'asked' }, input, model: 'sprout' })
    this.tell('turn.started', 1, { prompt_tokens: 12, cached_tokens: 0 })
    this.timer = setInterval(() => this.grow(), GATHER_MS)
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private grow(): void {
    const { tokens, tokensPerSecond } = this.options
    const due = Math.min(tokens, Math.floor(((performance.now() - this.began) * tokensPerSecond) / 1000))
    const count = due - this.sent
    if (count > 0) {
      const text = Array.from({ length: count }, (_, at) => word(this.sent + at)).join('')
      this.tell('turn.tokens', count, { first_seq: this.head + 1, index: this.sent, count, text })
      this.sent = due
    }
    if (this.sent < tokens) return
    this.stop()
    const usage = { prompt_tokens: 12, cached_tokens: 0, completion_tokens: tokens }
    this.tell('turn.finished', 1, { reason: 'stop', text: '', usage })
  }

  private tell(type: string, numbers: number, fields: object): void {
    this.head += numbers
    const event = { v: 3, session: this.id, seq: this.head, at: Date.now(), type, turn: this.turn, ...fields }
    this.log.push(event)
    for (const socket of this.sockets) socket.say(event)
  }
}
