// Models of the fleet: what machines have on disk is asked when something may have changed, what is loaded comes with
// the feed. Asked only while some page shows it.
import { listNodes } from './actions'
import { catalogue, type Model, type NodeStatus } from './catalogue'
import { fleet } from './fleet.svelte'

/** The feed does not tell when files change on a disk; they are looked at now and then. */
const LOOK_MS = 10_000
/** A machine notices a new folder on its disk a moment after the download into it was done. */
const NOTICED_MS = 2_000

class Models {
  private told = $state.raw<NodeStatus[] | null>(null)
  private problem = $state.raw<Error | null>(null)
  private asking = false
  private again = false

  readonly list: Model[] = $derived(this.told ? catalogue(this.told, fleet.nodes) : [])

  /** Whether an answer came. */
  get isKnown() {
    return this.told !== null
  }
  get error() {
    return this.problem
  }

  /** What members say of themselves besides the feed: addresses, when they joined. */
  member(id: string): NodeStatus | undefined {
    return this.told?.find((node) => node.node === id)
  }

  async refresh(): Promise<void> {
    if (this.asking) {
      this.again = true
      return
    }
    this.asking = true
    try {
      this.told = await listNodes()
      this.problem = null
    } catch (error) {
      this.problem = error instanceof Error ? error : new Error(String(error))
    } finally {
      this.asking = false
      if (this.again) {
        this.again = false
        void this.refresh()
      }
    }
  }

  /** Keeps the list true while a component lives and shows it; call it from its script. */
  follow(isShown: () => boolean = () => true): void {
    $effect(() => {
      if (!isShown()) return
      // Whatever of this changes, disks or engines may have changed with it.
      void changes()
      void this.refresh()
      const again = setTimeout(() => void this.refresh(), NOTICED_MS)
      return () => clearTimeout(again)
    })
    $effect(() => {
      if (!isShown()) return
      const timer = setInterval(() => {
        if (document.visibilityState === 'visible') void this.refresh()
      }, LOOK_MS)
      return () => clearInterval(timer)
    })
  }
}

const changes = (): string => signature

/** Of everything that hints at another list; the same text as long as nothing does. */
const signature = $derived(
  JSON.stringify([
    fleet.nodes.map((node) => [
      node.node,
      node.state === 'offline',
      node.replicas.map((replica) => [replica.model, replica.state]),
    ]),
    fleet.downloads?.filter((download) => download.state === 'done').map((download) => download.id),
  ]),
)

export const models = new Models()
