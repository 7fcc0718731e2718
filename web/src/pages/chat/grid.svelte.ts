// Which sessions stand on the chat page: ten at most, kept in this browser. What runs elsewhere and was never closed
// here comes by itself, so that a phone shows what was begun at the desk.

import { storage } from '$lib/browser'
import type { SessionId } from '$lib/hub'
import { listSessions } from '$lib/session/api'
import { isLeaving } from '$lib/session/deletions'
import { chooseLeaving, merge, readKept, type Kept } from './cards'

const KEY = 'pomona.cards'

class Grid {
  ids = $state.raw<SessionId[]>([])
  isKnown = $state(false)
  error = $state.raw<Error | null>(null)
  private closed: SessionId[] = []

  async load(): Promise<void> {
    const kept = readKept(storage.get(KEY))
    if (kept && !this.isKnown) this.take(kept)
    try {
      const { sessions } = await listSessions({}, 50)
      this.take(merge(kept, sessions.filter(({ id }) => !isLeaving(id))))
      this.isKnown = true
      this.error = null
    } catch (error) {
      this.error = error instanceof Error ? error : new Error('the sessions cannot be listed')
      this.isKnown = true
    }
  }

  /** Puts a session first; says which one had to leave, or that none could. */
  add(id: SessionId, activity: (id: SessionId) => { isRunning: boolean; at: number }): SessionId | null | 'full' {
    if (this.ids.includes(id)) return null
    const leaving = chooseLeaving(this.ids, activity)
    if (leaving === 'full') return 'full'
    this.closed = this.closed.filter((one) => one !== id)
    this.take({ open: [id, ...this.ids.filter((one) => one !== leaving)], closed: this.closed })
    if (leaving) this.remember(leaving)
    return leaving
  }

  close(id: SessionId): void {
    this.remember(id)
    this.take({ open: this.ids.filter((one) => one !== id), closed: this.closed })
  }

  private remember(id: SessionId): void {
    this.closed = [id, ...this.closed.filter((one) => one !== id)].slice(0, 200)
    this.keep()
  }

  private take(next: Kept): void {
    this.ids = next.open
    this.closed = next.closed
    this.keep()
  }

  private keep(): void {
    storage.set(KEY, JSON.stringify({ open: this.ids, closed: this.closed }))
  }
}

export const grid = new Grid()
