// Looks for a better address while the page is open: the LAN from outside, the WAN when the gateway is gone. It asks
// only what the browser allows, and goes by itself only where the settings say so.
import { decide, kindOf, originOf, worthAsking, type Kind } from '$lib/endpoints'
import { learnPolicy, reach } from '$lib/reach'
import { settings } from '$lib/settings.svelte'

/** Whoever comes home is on the LAN within a minute. */
const LOOK_MS = 60_000
/** While the gateway is gone it is urgent. */
const URGENT_MS = 5_000

export interface Suggestion {
  to: 'lan' | 'wan'
  origin: string
  ms: number
}

let suggestion = $state.raw<Suggestion | undefined>()
let dismissed = ''

export const guide = {
  get suggestion(): Suggestion | undefined {
    return suggestion
  },
  get kind(): Kind {
    return kindOf(location.origin, settings)
  },
  dismiss(): void {
    dismissed = suggestion?.origin ?? ''
    suggestion = undefined
  },
  /** Goes to the same place at the other address. */
  go(to: Suggestion): void {
    location.assign(to.origin + location.pathname + location.search)
  },
}

/** Begins to look; `isUp` says whether the gateway of this page answers. Body of an `$effect`. */
export function lookForBetter(isUp: boolean): () => void {
  const addresses = [originOf(settings.lan), originOf(settings.wan)]
  if (!addresses.some((origin) => origin && origin !== location.origin)) {
    suggestion = undefined
    return () => {}
  }
  // Read while the gateway is there to say it.
  if (isUp) void learnPolicy()
  let isOver = false
  const look = async () => {
    if (document.visibilityState === 'hidden') return
    const found = await findBetter(isUp)
    if (isOver) return
    if (found?.origin === dismissed) return
    suggestion = found
    if (found && settings.changeOver && !isWriting()) guide.go(found)
  }
  const timer = setInterval(() => void look(), isUp ? LOOK_MS : URGENT_MS)
  const now = () => void look()
  now()
  addEventListener('online', now)
  document.addEventListener('visibilitychange', now)
  return () => {
    isOver = true
    clearInterval(timer)
    removeEventListener('online', now)
    document.removeEventListener('visibilitychange', now)
  }
}

async function findBetter(isUp: boolean): Promise<Suggestion | undefined> {
  const { kind } = guide
  const times = { lan: Infinity, wan: Infinity }
  for (const each of worthAsking({ kind, isUp })) {
    if (!settings[each]) continue
    const answer = await reach(settings[each], 2)
    if (answer.answers) times[each] = answer.ms
  }
  const to = decide({ kind, isUp, lanAnswers: times.lan < Infinity, wanAnswers: times.wan < Infinity })
  if (to === 'stay') return undefined
  const origin = originOf(settings[to])
  return origin && origin !== location.origin ? { to, origin, ms: times[to] } : undefined
}

/** Nobody is taken away from a half-written message: drafts stay with the address they were written at. */
function isWriting(): boolean {
  const fields = document.querySelectorAll<HTMLTextAreaElement>('textarea')
  return Array.from(fields).some((field) => field.value.trim() !== '')
}
