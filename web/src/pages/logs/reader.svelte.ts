// Lines of the logs for one filter: the newest first of all, then those that are written meanwhile, then older ones when
// somebody asks. What is drawn of them is the page's.
import { request } from '$lib/api/client'
import { learnMe } from '$lib/me.svelte'
import { toApi, type Filter } from './filter'
import { appended, parseAnswer, parseLine, parseMissing, prepended, type Line, type Missing } from './lines'

/** Lines of one question. */
const PAGE = 1000
/** Lines that came are drawn together, this often. */
const DRAW_MS = 100
/** Before a stream that was refused is tried again. */
const AGAIN_MS = 3000

export class LogReader {
  lines = $state.raw<Line[]>([])
  missing = $state.raw<Missing[]>([])
  /** There are older ones. */
  hasOlder = $state(false)
  isLoading = $state(true)
  isLoadingOlder = $state(false)
  isFollowing = $state(false)
  problem = $state.raw<Error | null>(null)

  private source: EventSource | null = null
  private again: ReturnType<typeof setTimeout> | undefined
  private drawing: ReturnType<typeof setTimeout> | undefined
  private fresh: Line[] = []
  private readonly leaving = new AbortController()

  constructor(private readonly filter: Filter) {}

  async load(): Promise<void> {
    this.isLoading = true
    this.problem = null
    try {
      const answer = await this.ask({ limit: String(PAGE) })
      this.lines = answer.lines
      this.missing = answer.missing
      this.hasOlder = answer.isCut
    } catch (error) {
      if (!this.leaving.signal.aborted) this.problem = asError(error)
    } finally {
      this.isLoading = false
    }
  }

  async loadOlder(): Promise<void> {
    const first = this.lines[0]
    if (!first || this.isLoadingOlder) return
    this.isLoadingOlder = true
    try {
      // Milliseconds are coarser than the moments of lines; what comes twice is left out.
      const answer = await this.ask({ limit: String(PAGE), until: String(Math.floor(first.at_us / 1000) + 1) })
      const before = this.lines.length
      this.lines = prepended(this.lines, answer.lines)
      this.hasOlder = answer.isCut && this.lines.length > before
    } catch (error) {
      if (!this.leaving.signal.aborted) this.problem = asError(error)
    } finally {
      this.isLoadingOlder = false
    }
  }

  follow(): void {
    if (this.source || this.leaving.signal.aborted) return
    this.isFollowing = true
    const asked = toApi(this.filter, Date.now())
    const newest = this.lines.at(-1)
    asked.set('follow', 'true')
    if (newest) asked.set('after', String(newest.at_us))
    const source = new EventSource(`/admin/logs?${asked}`)
    this.source = source
    source.addEventListener('line', (event: MessageEvent<string>) => {
      const line = parseLine(event.data)
      if (line) this.take(line)
    })
    source.addEventListener('missing', (event: MessageEvent<string>) => {
      const missing = parseMissing(event.data)
      if (missing) this.missing = [...this.missing.filter((one) => one.node !== missing.node), missing]
    })
    source.onerror = () => {
      // The browser comes back by itself behind the last line, unless it was refused.
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return
      this.source = null
      void learnMe().catch(() => undefined)
      this.again = setTimeout(() => this.follow(), AGAIN_MS)
    }
  }

  pause(): void {
    clearTimeout(this.again)
    this.isFollowing = false
    this.source?.close()
    this.source = null
  }

  /** Ends everything; lines that come later are of nobody's interest. */
  close(): void {
    this.leaving.abort()
    clearTimeout(this.drawing)
    this.pause()
  }

  private take(line: Line): void {
    this.fresh.push(line)
    this.drawing ??= setTimeout(() => {
      this.drawing = undefined
      this.lines = appended(this.lines, this.fresh)
      this.fresh = []
    }, DRAW_MS)
  }

  private async ask(more: Record<string, string>) {
    const asked = toApi(this.filter, Date.now())
    for (const [name, value] of Object.entries(more)) asked.set(name, value)
    const answer = await request(`/admin/logs?${asked}`, { signal: this.leaving.signal })
    return parseAnswer(await answer.text())
  }
}

const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)))
