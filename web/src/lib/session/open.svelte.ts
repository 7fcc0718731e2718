// A session that is open in this tab: read once, then followed. What components draw from is reactive here, four
// times a second at most; the text of answers is not, and goes to who listens.

import { hub, HubError, type SessionId, type TurnId } from '../hub'
import { ApiError } from '../api/client'
import { Transcript, type Changed, type Turn } from '../transcript'
import { readSession } from './api'

export type Phase = 'loading' | 'open' | 'gone' | 'error'

/** Figures that change with each token are drawn this often. */
const TICK_MS = 250
const TYPING_MS = 5_000
const REREAD_MS = 2_000

export class OpenSession {
  phase = $state<Phase>('loading')
  error = $state.raw<Error | null>(null)
  /** False while what happens there is not heard here. */
  isLive = $state(false)
  /** Counts changes of what is there: turns, branches, titles, states. */
  changes = $state(0)
  /** Counts looks at what merely grows. */
  ticks = $state(0)
  /** Counts changes of who is here. */
  people = $state(0)

  transcript: Transcript
  /** Which of those present this tab is, once it is known. */
  client: number | null = null
  private detach: (() => void) | null = null
  private ticking: ReturnType<typeof setTimeout> | undefined
  private forgetting: ReturnType<typeof setTimeout> | undefined
  private retry: ReturnType<typeof setTimeout> | undefined
  private readonly listeners = new Map<TurnId, Set<() => void>>()
  private readonly enders = new Set<(turn: Turn) => void>()
  private isClosed = false

  constructor(readonly id: SessionId) {
    this.transcript = new Transcript(id)
    void this.read()
  }

  /** Hears that the text of a turn grew. */
  onText(turn: TurnId, hear: () => void): () => void {
    const all = this.listeners.get(turn) ?? new Set()
    this.listeners.set(turn, all.add(hear))
    return () => {
      all.delete(hear)
      if (all.size === 0) this.listeners.delete(turn)
    }
  }

  /** Hears of turns that end while they are watched. */
  onEnd(hear: (turn: Turn) => void): () => void {
    this.enders.add(hear)
    return () => this.enders.delete(hear)
  }

  async read(): Promise<void> {
    clearTimeout(this.retry)
    try {
      const shown = await readSession(this.id)
      if (this.isClosed) return
      const { transcript, after } = Transcript.from(shown)
      this.detach?.()
      this.transcript = transcript
      this.error = null
      this.phase = 'open'
      this.changes += 1
      this.detach = hub.attach(this.id, {
        after,
        onEvent: (event) => this.onChanged(this.transcript.apply(event)),
        onAttached: (client) => {
          this.client = client
          this.people += 1
        },
        onState: (state, why) => {
          this.isLive = state === 'live'
          if (state === 'gone') this.end(new ApiError(404, why?.code ?? 'session_not_found', 'this session is gone'))
          if (state === 'lost') this.retry = setTimeout(() => void this.read(), REREAD_MS)
        },
      })
    } catch (error) {
      if (this.isClosed) return
      if (error instanceof ApiError && (error.status === 404 || error.status === 400)) return this.end(error)
      this.error = error instanceof Error ? error : new HubError('unknown', 'the session cannot be read')
      this.phase = 'error'
      if (error instanceof ApiError && error.status === 401) return
      this.retry = setTimeout(() => void this.read(), REREAD_MS)
    }
  }

  close(): void {
    this.isClosed = true
    this.detach?.()
    clearTimeout(this.ticking)
    clearTimeout(this.forgetting)
    clearTimeout(this.retry)
  }

  private end(error: Error): void {
    this.error = error
    this.phase = 'gone'
    this.isLive = false
  }

  private onChanged(changed: Changed): void {
    switch (changed.what) {
      case 'nothing':
        return
      case 'people':
        this.people += 1
        if (this.transcript.typing.length) this.forgetTyping()
        return
      case 'text':
        this.tell(changed.turn)
        this.tick()
        return
      case 'turn':
        this.changes += 1
        this.tell(changed.turn)
        return
      case 'all':
        this.changes += 1
        if (!changed.ended) return
        this.tell(changed.ended)
        if (this.transcript.isCaughtUp) for (const hear of this.enders) hear(changed.ended)
    }
  }

  private tell(turn: Turn): void {
    for (const hear of this.listeners.get(turn.id) ?? []) hear()
  }

  private tick(): void {
    this.ticking ??= setTimeout(() => {
      this.ticking = undefined
      this.ticks += 1
    }, TICK_MS)
  }

  private forgetTyping(): void {
    clearTimeout(this.forgetting)
    this.forgetting = setTimeout(() => {
      this.transcript.typing = []
      this.people += 1
    }, TYPING_MS)
  }
}
