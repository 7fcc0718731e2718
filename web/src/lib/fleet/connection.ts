// One reader of `/admin/events`. The browser comes back by itself after a break and shows the last id that it saw, so
// that nothing is missed; only where it gives up (a refusal has no body that a page can read) a new stream is opened
// here, later each time. What events mean is `reduce`'s business.
import { pauseMs } from './freshness'
import { EVENT_TYPES, type FleetEvent } from './types'

/** The part of `EventSource` that is used; tests bring their own. */
export interface Source {
  readonly readyState: number
  onopen: ((event: Event) => void) | null
  onerror: ((event: Event) => void) | null
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void
  close(): void
}

export interface Hooks {
  open(): Source
  onEvents(events: FleetEvent[]): void
  onOpen(isOpen: boolean): void
  /** The stream was refused or broke; true when somebody is signed in and another try makes sense. */
  mayReturn(): Promise<boolean>
}

/** `EventSource.CLOSED`: the browser will not come back by itself. */
const CLOSED = 2

export class Connection {
  private source: Source | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private queue: FleetEvent[] = []
  private isQueued = false
  private attempt = 0

  constructor(private readonly hooks: Hooks) {}

  get isOn(): boolean {
    return this.source !== null || this.timer !== undefined
  }

  start(): void {
    if (!this.isOn) this.open()
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.source?.close()
    this.source = null
    this.queue = []
  }

  /** A stream without a last id: the gateway begins with everything. Not at once, lest a mistake become a loop. */
  reopen(): void {
    this.stop()
    this.timer = setTimeout(() => void this.tryAgain(), pauseMs(0, Math.random()))
  }

  private open(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    const source = this.hooks.open()
    this.source = source
    source.onopen = () => {
      if (this.source !== source) return
      this.hooks.onOpen(true)
    }
    source.onerror = () => {
      if (this.source === source) this.broke(source)
    }
    for (const type of EVENT_TYPES) {
      source.addEventListener(type, (message) => {
        if (this.source === source) this.take(message.data)
      })
    }
  }

  private broke(source: Source): void {
    this.hooks.onOpen(false)
    if (source.readyState !== CLOSED) {
      // The browser tries again. Whether it is refused meanwhile is told by nobody else.
      void this.hooks.mayReturn().then((may) => {
        if (!may && this.source === source) this.stop()
      })
      return
    }
    this.source = null
    const pause = pauseMs(this.attempt++, Math.random())
    this.timer = setTimeout(() => void this.tryAgain(), pause)
  }

  private async tryAgain(): Promise<void> {
    const timer = this.timer
    const may = await this.hooks.mayReturn()
    if (this.timer !== timer) return
    this.timer = undefined
    if (may) this.open()
  }

  /** Events that came in one write are taken together, so that a hundred of them are drawn once. */
  private take(data: string): void {
    const event = parsed(data)
    if (!event) return
    this.attempt = 0
    this.queue.push(event)
    if (this.isQueued) return
    this.isQueued = true
    queueAfterFrame(() => {
      this.isQueued = false
      const events = this.queue
      this.queue = []
      if (events.length > 0) this.hooks.onEvents(events)
    })
  }
}

function parsed(data: string): FleetEvent | null {
  try {
    const event: unknown = JSON.parse(data)
    const isOne = typeof event === 'object' && event !== null && 'type' in event && 'number' in event
    return isOne ? (event as FleetEvent) : null
  } catch {
    return null
  }
}

/** Before the next frame is drawn; a hidden page draws none, so that it waits a little instead. */
function queueAfterFrame(run: () => void): void {
  if (typeof document !== 'undefined' && document.visibilityState === 'visible') requestAnimationFrame(run)
  else setTimeout(run, 250)
}
