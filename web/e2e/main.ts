// Finds the cases, plays each on a fresh stage, and tells how it went. It starts no gateway: POMONA_URL and POMONA_KEY
// name one that runs, POMONA_PACED_URL and POMONA_PACED_KEY perhaps another one whose answers take their time.
import { mkdir } from 'node:fs/promises'
import { chromium, type Browser } from 'playwright-core'
import { openStage, type Case } from './fixtures'
import { signedInState } from './sign-in'

const CASE_MS = 60_000
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
  const url = process.env.POMONA_URL?.replace(/\/$/, '')
  const key = process.env.POMONA_KEY
  if (!url || !key) {
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
    const usual = { url, key, state: await signedInState(browser, url, key) }
    const slow = { url: process.env.POMONA_PACED_URL?.replace(/\/$/, ''), key: process.env.POMONA_PACED_KEY }
    const paced =
      slow.url && slow.key ? { url: slow.url, key: slow.key, state: await signedInState(browser, slow.url, slow.key) } : usual
    let failures = 0
    for (const [name, play] of cases) {
      const gateway = play.paced ? paced : usual
      // Once more before it counts: a browser on a machine that is overrun misses a moment now and then.
      if (!(await passes(browser, gateway, name, play)) && !(await passes(browser, gateway, `${name}, again`, play))) failures += 1
    }
    console.log(`e2e: ${cases.length - failures} of ${cases.length} passed`)
    return failures === 0 ? 0 : 1
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

type Gateway = Parameters<typeof openStage>[1]

async function passes(browser: Browser, gateway: Gateway, name: string, play: Case): Promise<boolean> {
  const began = performance.now()
  const stage = await openStage(browser, gateway, play)
  let failure: unknown
  try {
    await within(play.timeoutMs ?? CASE_MS, play(stage))
    stage.checkQuiet()
  } catch (error) {
    failure = error
    const picture = `${OUT}/${name.replace(/\W+/g, '-')}.png`
    await stage.page.screenshot({ path: picture }).catch(() => undefined)
  }
  await stage.close()
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
