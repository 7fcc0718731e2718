// The fleet as this tab knows it: one reader of the feed for the whole page, its state in runes, and what a person may
// have it do. Started by the shell when somebody is signed in. How events change the state is `reduce`'s business, how
// the stream comes back is `connection`'s.
import { untrack } from 'svelte'
import { request } from '$lib/api/client'
import { learnMe, me } from '$lib/me.svelte'
import { Connection } from './connection'
import { freshness, type Freshness } from './freshness'
import { EMPTY, reduce, type FleetState } from './reduce'
import type { FleetEvent, FleetNode } from './types'

/** A hidden tab gives its connection back: there are six for all tabs where HTTP/1.1 is spoken. */
const HIDDEN_MS = 60_000
/** How often it is looked whether events still come. */
const LOOK_MS = 500

class Fleet {
  private view = $state.raw<FleetState>(EMPTY)
  private isFollowing = $state(false)
  private isOpen = $state(false)
  private lastEventMs = $state(0)
  private nowMs = $state(Date.now())
  private looking: ReturnType<typeof setInterval> | undefined
  private hiding: ReturnType<typeof setTimeout> | undefined
  /** The gateway's clock minus this browser's. */
  private skewMs = 0

  private readonly connection = new Connection({
    open: () => new EventSource('/admin/events', { withCredentials: true }),
    onEvents: (events) => this.take(events),
    onOpen: (isOpen) => (this.isOpen = isOpen),
    mayReturn: async () => {
      // A lost network is no answer: what was known of the person stays.
      await learnMe().catch(() => undefined)
      return me.value !== null
    },
  })

  readonly state: Freshness = $derived(
    freshness(
      {
        isFollowing: this.isFollowing,
        hasData: this.view.number !== null,
        isOpen: this.isOpen,
        lastEventMs: this.lastEventMs,
      },
      this.nowMs,
    ),
  )

  get nodes() {
    return this.view.nodes
  }
  get turns() {
    return this.view.turns
  }
  get turnsLeftOut() {
    return this.view.turnsLeftOut
  }
  get rates() {
    return this.view.rates
  }
  get history() {
    return this.view.history
  }
  /** Those that nobody has acknowledged, the newest first. */
  get notices() {
    return this.view.notices
  }
  /** null on a gateway that cannot download. */
  get downloads() {
    return this.view.downloads
  }
  /** Whether a snapshot came. */
  get hasData() {
    return this.view.number !== null
  }
  /** Name of the gateway that tells. */
  get name() {
    return this.view.name
  }
  get version() {
    return this.view.version
  }
  get gateway() {
    return this.view.gateway
  }
  /** The newest event, in this browser's milliseconds; 0 before the first. */
  get asOf() {
    return this.lastEventMs
  }
  /** Now, twice a second, for ages that are shown. */
  get now() {
    return this.nowMs
  }

  /** A moment of the gateway in this browser's milliseconds. */
  localMs(unixMs: number): number {
    return unixMs - this.skewMs
  }

  /** What messages may begin with: machines, and what they hold. */
  get names(): string[] {
    return this.view.nodes.flatMap((node) => [node.name, ...node.replicas.map((replica) => replica.model)])
  }

  node(id: string | null): FleetNode | undefined {
    return this.view.nodes.find((node) => node.node === id)
  }

  /** May be called in an effect: it follows nothing, so that it does not begin again by itself. */
  start(): void {
    if (untrack(() => this.isFollowing)) return
    this.isFollowing = true
    document.addEventListener('visibilitychange', this.onVisible)
    this.looking = setInterval(() => (this.nowMs = Date.now()), LOOK_MS)
    this.connection.start()
  }

  /** Ends the reading and forgets what was told: the next person may not see it. */
  stop(): void {
    if (!untrack(() => this.isFollowing)) return
    this.isFollowing = false
    document.removeEventListener('visibilitychange', this.onVisible)
    clearInterval(this.looking)
    clearTimeout(this.hiding)
    this.connection.stop()
    this.view = EMPTY
    this.isOpen = false
    this.lastEventMs = 0
  }

  async acknowledge(id: string): Promise<void> {
    await request(`/admin/notifications/${encodeURIComponent(id)}/ack`, { method: 'POST' })
  }

  private take(events: FleetEvent[]): void {
    const view = events.reduce(reduce, this.view)
    const newest = events[events.length - 1]
    this.nowMs = this.lastEventMs = Date.now()
    if (newest) this.skewMs = newest.at_unix_ms - this.nowMs
    const wasTorn = this.view.isTorn
    this.view = view
    if (view.isTorn && !wasTorn) this.connection.reopen()
  }

  private readonly onVisible = (): void => {
    clearTimeout(this.hiding)
    if (document.visibilityState === 'hidden') {
      this.hiding = setTimeout(() => this.connection.stop(), HIDDEN_MS)
    } else {
      this.nowMs = Date.now()
      this.connection.start()
    }
  }
}

export const fleet = new Fleet()
