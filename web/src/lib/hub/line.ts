// One WebSocket that is opened again whenever it breaks: backoff, a watchdog against silence, and rest while the
// tab is hidden. It knows nothing of sessions; lib/hub/hub.ts says what is spoken over it.

export type LineState = 'connecting' | 'open' | 'reconnecting' | 'offline'

export interface LineOptions {
  connect: () => WebSocket
  onOpen: () => void
  onMessage: (data: unknown) => void
  onState: (state: LineState, attempt: number) => void
  /** Asked after a failed attempt, because a WebSocket hides the status: false ends all attempts. */
  maySignIn?: () => Promise<boolean>
}

const BACKOFF_MS_FIRST = 250
const BACKOFF_MS_MAX = 10_000
/** From this attempt on people are told that the gateway is away, not that it is a hiccup. */
const OFFLINE_FROM_ATTEMPT = 4
/** The server is never silent for longer by itself when it keeps to its default of 15 s; a ping asks in any case. */
const SILENCE_MS = 18_000
const PONG_MS = 6_000
/** An attempt that neither opens nor fails, as behind a router that drops packets. */
const OPEN_MS = 10_000
const HIDDEN_MS = 60_000

export class Line {
  state: LineState = 'connecting'
  attempt = 0
  private socket: WebSocket | null = null
  private wanted = false
  private resting = false
  private retry: ReturnType<typeof setTimeout> | undefined
  private watch: ReturnType<typeof setTimeout> | undefined
  private hidden: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly options: LineOptions) {}

  start(): void {
    if (this.wanted) return
    this.wanted = true
    document.addEventListener('visibilitychange', this.onVisibility)
    addEventListener('online', this.onOnline)
    this.open()
  }

  stop(): void {
    if (!this.wanted) return
    this.wanted = false
    document.removeEventListener('visibilitychange', this.onVisibility)
    removeEventListener('online', this.onOnline)
    clearTimeout(this.hidden)
    this.drop()
    this.attempt = 0
    this.tell('connecting')
  }

  /** False when nothing can be said now. */
  say(message: unknown): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false
    this.socket.send(JSON.stringify(message))
    return true
  }

  /** Breaks the connection as a lost network does; the next attempt follows by itself. */
  breakOff(): void {
    if (!this.socket) return
    this.drop()
    this.later()
  }

  private open(): void {
    clearTimeout(this.retry)
    if (!this.wanted || this.resting || this.socket) return
    this.tell(this.attempt === 0 ? 'connecting' : this.away())
    const socket = this.options.connect()
    this.socket = socket
    this.guard(OPEN_MS, () => this.lost(socket))
    socket.onopen = () => {
      if (socket !== this.socket) return
      this.attempt = 0
      this.tell('open')
      this.heard()
      this.options.onOpen()
    }
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (socket !== this.socket) return
      this.heard()
      this.options.onMessage(event.data)
    }
    socket.onclose = () => this.lost(socket)
  }

  private lost(socket: WebSocket): void {
    if (socket !== this.socket) return
    const wasOpen = this.state === 'open'
    this.drop()
    if (wasOpen || !this.options.maySignIn) return this.later()
    void this.options.maySignIn().then(
      (may) => (may ? this.later() : undefined),
      () => this.later(),
    )
  }

  private later(): void {
    if (!this.wanted || this.resting) return
    this.attempt += 1
    this.tell(this.away())
    const limit = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** (this.attempt - 1))
    clearTimeout(this.retry)
    this.retry = setTimeout(() => this.open(), limit * (0.5 + Math.random() / 2))
  }

  private away(): LineState {
    const offline = this.attempt >= OFFLINE_FROM_ATTEMPT || navigator.onLine === false
    return offline ? 'offline' : 'reconnecting'
  }

  private drop(): void {
    clearTimeout(this.retry)
    clearTimeout(this.watch)
    const socket = this.socket
    this.socket = null
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
  }

  private heard(): void {
    this.guard(SILENCE_MS, () => {
      this.guard(PONG_MS, () => this.breakOff())
      this.say({ type: 'ping' })
    })
  }

  private guard(ms: number, then: () => void): void {
    clearTimeout(this.watch)
    this.watch = setTimeout(then, ms)
  }

  private tell(state: LineState): void {
    this.state = state
    this.options.onState(state, this.attempt)
  }

  private readonly onOnline = (): void => {
    if (this.state === 'open') return
    this.attempt = Math.max(1, this.attempt)
    this.drop()
    this.open()
  }

  private readonly onVisibility = (): void => {
    clearTimeout(this.hidden)
    if (document.visibilityState === 'hidden') {
      this.hidden = setTimeout(() => {
        this.resting = true
        this.drop()
      }, HIDDEN_MS)
      return
    }
    this.resting = false
    if (this.state === 'open' && this.socket) return
    this.attempt = 0
    if (!this.socket) this.open()
  }
}
