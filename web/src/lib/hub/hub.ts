// Many sessions over one line: who is attached from which number on, replies by ref, and exact resume. What a session
// is shown once, in order and without a gap is decided here; what it means is lib/transcript's.

import type { CutReason, Failure, Logs, Ref, Said, SessionEvent, SessionId, TurnId } from './events'
import { Line, type LineState } from './line'

/** `live`: told as it happens. `waiting`: will be attached again. `gone`: deleted, or no longer ours to read.
 *  `lost`: the number we hold means nothing there; read the session anew. */
export type AttachState = 'waiting' | 'live' | 'gone' | 'lost'

export interface AttachOptions {
  /** The last number that is known already. */
  after: number
  onEvent: (event: SessionEvent) => void
  /** Attached: which of those present this is, where the gateway says so. */
  onAttached?: (client: number | null) => void
  onState?: (state: AttachState, why?: Failure) => void
}

export interface Asked {
  input: unknown
  idempotency_key: string
  [field: string]: unknown
}

export class HubError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

interface Attachment {
  session: SessionId
  cursor: number
  options: AttachOptions
  /** The attach that is under way; until it is answered, what comes belongs to the one before. */
  pending: Ref | null
  live: boolean
  /** Gaps and cuts since the last event that was new. */
  troubles: number
  retry?: ReturnType<typeof setTimeout>
}

interface Waiting {
  message: Record<string, unknown>
  resolve: (ok: Record<string, unknown>) => void
  reject: (error: HubError) => void
}

const RETRY_MS_FIRST = 200
const RETRY_MS_MAX = 10_000
/** A log whose pieces never fit our number is another log. */
const TROUBLES_MAX = 6
const GONE = ['session_not_found', 'session_forbidden']
const LOST = ['cursor_ahead', 'cursor_gone', 'invalid_request']
/** Tokens of one session are gathered this long by the server; more often nothing is drawn. */
const COALESCE_MS = 33

export interface HubOptions {
  connect: () => WebSocket
  name: () => string
  onState?: (state: LineState, attempt: number) => void
  maySignIn?: () => Promise<boolean>
}

export class Hub {
  private readonly line: Line
  private readonly attachments = new Map<SessionId, Attachment>()
  private readonly waiting = new Map<Ref, Waiting>()
  private lastRef = 0

  constructor(private readonly options: HubOptions) {
    this.line = new Line({
      connect: options.connect,
      maySignIn: options.maySignIn,
      onOpen: () => this.onOpen(),
      onMessage: (data) => this.onMessage(data),
      onState: (state, attempt) => {
        if (state !== 'open') this.pauseAll()
        options.onState?.(state, attempt)
      },
    })
  }

  start(): void {
    this.line.start()
  }

  stop(): void {
    this.line.stop()
    for (const one of this.waiting.values()) one.reject(new HubError('closed', 'the connection was closed'))
    this.waiting.clear()
  }

  attach(session: SessionId, options: AttachOptions): () => void {
    if (this.attachments.has(session)) throw new Error(`${session} is attached already`)
    const one: Attachment = {
      session,
      cursor: options.after,
      options,
      pending: null,
      live: false,
      troubles: 0,
    }
    this.attachments.set(session, one)
    this.start()
    this.ask(one)
    return () => this.detach(one)
  }

  /** A question. It is asked once, however often the connection breaks before it was answered. */
  submit(session: SessionId, asked: Asked): Promise<Record<string, unknown>> {
    return this.request({ type: 'submit', session, ...asked })
  }

  cancel(session: SessionId, turn?: TurnId): Promise<Record<string, unknown>> {
    return this.request({ type: 'cancel', session, ...(turn && { turn }) })
  }

  /** Worth nothing later, so it is said now or never. */
  typing(session: SessionId): void {
    if (this.attachments.get(session)?.live) this.line.say({ type: 'typing', session })
  }

  private request(message: Record<string, unknown>): Promise<Record<string, unknown>> {
    this.start()
    const ref = this.ref()
    return new Promise((resolve, reject) => {
      this.waiting.set(ref, { message: { ...message, ref }, resolve, reject })
      this.line.say({ ...message, ref })
    })
  }

  private ref(): number {
    this.lastRef += 1
    return this.lastRef
  }

  private detach(one: Attachment): void {
    clearTimeout(one.retry)
    if (this.attachments.get(one.session) !== one) return
    this.attachments.delete(one.session)
    if (one.live || one.pending !== null) this.line.say({ type: 'detach', session: one.session })
  }

  private ask(one: Attachment): void {
    clearTimeout(one.retry)
    if (this.attachments.get(one.session) !== one) return
    one.live = false
    const ref = this.ref()
    const message = {
      type: 'attach',
      ref,
      session: one.session,
      after: one.cursor,
      name: this.options.name(),
      coalesce_ms: COALESCE_MS,
    }
    one.pending = this.line.say(message) ? ref : null
  }

  private again(one: Attachment, ms?: number): void {
    one.live = false
    one.pending = null
    one.troubles += 1
    if (one.troubles > TROUBLES_MAX && ms === undefined) return this.end(one, 'lost')
    one.options.onState?.('waiting')
    const pause = ms ?? Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** (one.troubles - 1))
    clearTimeout(one.retry)
    one.retry = setTimeout(() => this.ask(one), pause)
  }

  private end(one: Attachment, state: 'gone' | 'lost', why?: Failure): void {
    this.attachments.delete(one.session)
    clearTimeout(one.retry)
    one.options.onState?.(state, why)
  }

  private pauseAll(): void {
    for (const one of this.attachments.values()) {
      clearTimeout(one.retry)
      one.pending = null
      if (!one.live) continue
      one.live = false
      one.options.onState?.('waiting')
    }
  }

  private onOpen(): void {
    for (const one of this.attachments.values()) this.ask(one)
    for (const one of this.waiting.values()) this.line.say(one.message)
  }

  private onMessage(data: unknown): void {
    if (typeof data !== 'string') return
    let said: Said
    try {
      said = JSON.parse(data) as Said
    } catch {
      return this.line.breakOff()
    }
    switch (said.type) {
      case 'pong':
      case 'heartbeat':
        return
      case 'reply':
        return this.onReply(said.ref, said.ok)
      case 'error':
        return this.onError(said.ref, said.error)
      case 'cut':
        return this.onCut(said.session, said.reason)
      default:
        return this.onEvent(said)
    }
  }

  private onReply(ref: Ref | undefined, ok: Record<string, unknown>): void {
    if (ref === undefined) return
    const one = this.attaching(ref)
    if (one) {
      one.pending = null
      one.live = true
      one.options.onAttached?.(typeof ok['client'] === 'number' ? ok['client'] : null)
      return one.options.onState?.('live')
    }
    this.waiting.get(ref)?.resolve(ok)
    this.waiting.delete(ref)
  }

  private onError(ref: Ref | undefined, error: Failure): void {
    if (ref === undefined) return
    const one = this.attaching(ref)
    if (one) return this.onRefusal(one, error)
    this.waiting.get(ref)?.reject(new HubError(error.code, error.message))
    this.waiting.delete(ref)
  }

  private onRefusal(one: Attachment, error: Failure): void {
    if (GONE.includes(error.code)) return this.end(one, 'gone', error)
    if (LOST.includes(error.code)) return this.end(one, 'lost', error)
    if (error.code === 'already_attached') this.line.say({ type: 'detach', session: one.session })
    this.again(one, Math.min(RETRY_MS_MAX, 500 * 2 ** one.troubles))
  }

  private onCut(session: SessionId, reason: CutReason): void {
    const one = this.attachments.get(session)
    if (!one || !one.live) return
    if (reason === 'deleted') return this.end(one, 'gone')
    // A gateway that ends closes the socket right behind; asking it again at once would be refused.
    this.again(one, reason === 'slow' ? 0 : reason === 'moved' ? 250 : 1000)
  }

  private onEvent(event: SessionEvent): void {
    const one = this.attachments.get(event.session)
    if (!one || !one.live) return
    if ('seq' in event) {
      const first = firstSeq(event)
      if (event.seq <= one.cursor) return
      // A piece that begins inside what we have cannot be cut at a token, so it is asked for anew as well.
      if (first !== one.cursor + 1) {
        this.line.say({ type: 'detach', session: one.session })
        return this.again(one)
      }
      one.cursor = event.seq
      one.troubles = 0
    }
    one.options.onEvent(event)
  }

  private attaching(ref: Ref): Attachment | undefined {
    for (const one of this.attachments.values()) if (one.pending === ref) return one
    return undefined
  }
}

function firstSeq(event: Logs): number {
  return event.type === 'turn.tokens' ? (event.first_seq ?? event.seq) : event.seq
}
