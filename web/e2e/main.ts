// Finds the cases, plays each on a fresh stage, and tells how it went. It starts no gateway: POMONA_URL and POMONA_KEY
// name one that runs; POMONA_PACED_URL and POMONA_PACED_KEY perhaps another one, and so on for each `Place`.
import { mkdir } from 'node:fs/promises'
import { chromium, type Browser } from 'playwright-core'
import { openStage, type Case, type Gateway, type Place, type Stage } from './fixtures'
import { signedInState } from './sign-in'

/** For a machine that is overrun; a case that hangs ends all the same. */
const CASE_MS = 240_000
const OUT = 'e2e/out'

/** What a headless browser shall not do beside its work, such as asking for updates. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function main(filters: string[]): Promise<number> {
  // What a failed case was still waiting for is refused when its page closes; its own failure was told.
  process.on('unhandledRejection', (error) => console.log(indented(`left behind: ${String(error)}`)))
  if (!named('usual')) {
    console.error('e2e: POMONA_URL and POMONA_KEY have to name a running gateway')
    return 2
  }
  const cases = (await everyCase()).filter(([name]) => filters.length === 0 || filters.some((part) => name.includes(part)))
  if (cases.length === 0) {
    console.error(`e2e: no case has ${filters.join(' or ')} in its name`)
    return 2
  }
  await mkdir(OUT, { recursive: true })
  const browser = await chromium.launch({
    executablePath: process.env.POMONA_CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
  })
  try {
    const gateways = new Gateways(browser)
    const counts = { passed: 0, failed: 0, left: 0 }
    for (const [name, play] of cases) {
      const gateway = await gateways.at(play.at ?? 'usual')
      if (!gateway) {
        console.log(`left ${name} (POMONA_${play.at?.toUpperCase()}_URL names no gateway)`)
        counts.left += 1
        continue
      }
      // Once more before it counts: a browser on a machine that is overrun misses a moment now and then.
      const isPassed = (await passes(browser, gateway, name, play)) || (await passes(browser, gateway, `${name}, again`, play))
      counts[isPassed ? 'passed' : 'failed'] += 1
    }
    const left = counts.left > 0 ? `, ${counts.left} left out` : ''
    console.log(`e2e: ${counts.passed} of ${counts.passed + counts.failed} passed${left}`)
    return counts.failed === 0 ? 0 : 1
  } finally {
    await browser.close()
  }
}

async function everyCase(): Promise<[string, Case][]> {
  const specs = import.meta.glob<Record<string, unknown>>('./*.spec.ts', { eager: true })
  const cases: [string, Case][] = []
  for (const [path, spec] of Object.entries(specs)) {
    const file = path.replace(/^\.\/(.*)\.spec\.ts$/, '$1')
    for (const [name, play] of Object.entries(spec)) {
      if (typeof play === 'function') cases.push([`${file}: ${name}`, play as Case])
    }
  }
  return cases
}

/** A gateway that the environment names. */
function named(place: Place): { url: string; key: string } | null {
  const prefix = place === 'usual' ? 'POMONA' : `POMONA_${place.toUpperCase()}`
  const url = process.env[`${prefix}_URL`]?.replace(/\/$/, '')
  const key = process.env[`${prefix}_KEY`]
  return url && key ? { url, key } : null
}

/** Signs in at each gateway when the first case asks for it, and once for all. */
class Gateways {
  private readonly known = new Map<Place, Gateway>()

  constructor(private readonly browser: Browser) {}

  async at(place: Place): Promise<Gateway | null> {
    const known = this.known.get(place)
    if (known) return known
    const found = named(place)
    // A slow gateway makes such a case surer, and is not needed for it.
    if (!found) return place === 'paced' ? this.at('usual') : null
    const gateway = { ...found, state: await signedInState(this.browser, found.url, found.key) }
    this.known.set(place, gateway)
    return gateway
  }
}

async function passes(browser: Browser, gateway: Gateway, name: string, play: Case): Promise<boolean> {
  const began = performance.now()
  let failure: unknown
  let stage: Stage | undefined
  try {
    stage = await openStage(browser, gateway, play)
    await within(CASE_MS, play(stage))
    stage.checkQuiet()
  } catch (error) {
    failure = error
    const picture = `${OUT}/${name.replace(/\W+/g, '-')}.png`
    await stage?.page.screenshot({ path: picture }).catch(() => undefined)
  }
  await stage?.close().catch((error: unknown) => (failure ??= error))
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${failure === undefined ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`)
  if (failure !== undefined) console.log(indented(failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)))
  return failure === undefined
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${ms} ms`)), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const indented = (text: string) => text.replace(/^/gm, '     ')
