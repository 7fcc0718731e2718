// The list of sessions that fit the filters, page by page. An answer to an older question is dropped.

import { listSessions, type Changes, type Filters, type Summary } from '$lib/session/api'
import { isLeaving } from '$lib/session/deletions'

const PAGE = 50

export class SessionList {
  found = $state.raw<Summary[]>([])
  next = $state.raw<string | null>(null)
  isBusy = $state(false)
  isKnown = $state(false)
  error = $state.raw<Error | null>(null)
  private asked = 0
  private filters: Filters = {}

  async search(filters: Filters): Promise<void> {
    this.filters = filters
    await this.ask(null)
  }

  async more(): Promise<void> {
    if (this.next && !this.isBusy) await this.ask(this.next)
  }

  /** What was changed here is shown at once. */
  change(id: string, changes: Changes): void {
    this.found = this.found.map((one) =>
      one.id === id ? { ...one, title: changes.title ?? one.title, tags: changes.tags ?? one.tags } : one,
    )
  }

  drop(id: string): void {
    this.found = this.found.filter((one) => one.id !== id)
  }

  private async ask(cursor: string | null): Promise<void> {
    const number = ++this.asked
    this.isBusy = true
    try {
      const { sessions, next } = await listSessions(this.filters, PAGE, cursor ?? undefined)
      if (number !== this.asked) return
      const shown = sessions.filter(({ id }) => !isLeaving(id))
      this.found = cursor ? [...this.found, ...shown.filter(({ id }) => !this.has(id))] : shown
      this.next = next
      this.error = null
      this.isKnown = true
    } catch (error) {
      if (number !== this.asked) return
      this.error = error instanceof Error ? error : new Error('the sessions cannot be listed')
      this.isKnown = true
    } finally {
      if (number === this.asked) this.isBusy = false
    }
  }

  private has(id: string): boolean {
    return this.found.some((one) => one.id === id)
  }
}
