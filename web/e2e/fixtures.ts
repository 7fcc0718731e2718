// What every case has: a page that is signed in, a watch over everything that should not happen on it, and the checks
// that hold on every page. A case is an exported function of a `*.spec.ts`; its name says what it proves.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, BrowserContextOptions, ConsoleMessage, Page } from 'playwright-core'
import type { State } from './sign-in'

/** What a gateway is like. `paced`: its answers take their time. `cluster`: it has no engine and several nodes, whose
 *  processes POMONA_CLUSTER_PIDS names. `hub`: its hub is a slow mirror with one model. `eyes`: its model sees. */
export type Place = 'usual' | 'paced' | 'cluster' | 'hub' | 'eyes'

export interface Case {
  (stage: Stage): Promise<void>
  /** Where it is played, instead of at the usual gateway. */
  at?: Place
  /** Begins without a sign-in. */
  signedOut?: boolean
  /** Size, touch and the like of its browser window. */
  window?: BrowserContextOptions
}

export interface Stage {
  page: Page
  context: BrowserContext
  url: string
  key: string
  /** Opens a path of the app and waits until its page is drawn. */
  open: (path: string, page?: Page) => Promise<void>
  /** Another browser of the same person, watched as well. */
  another: (options?: BrowserContextOptions) => Promise<Page>
  /** Complaints of the browser that this case makes on purpose. */
  allow: (pattern: RegExp) => void
  /** Fails when a policy was violated or an error was logged. Done after each case. */
  checkQuiet: () => void
  close: () => Promise<void>
}

export interface Gateway {
  url: string
  key: string
  state: State
}

/** The browser itself logs these, whatever a page does about the answer. */
const EXPECTED = [
  // Nobody is signed in: the page asks, and goes to the sign-in page.
  /401.* at \S+\/v3\/me$/,
]

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export async function openStage(browser: Browser, { url, key, state }: Gateway, play: Case): Promise<Stage> {
  const complaints: string[] = []
  const allowed = [...EXPECTED]
  const contexts: BrowserContext[] = []
  const newPage = async (options: BrowserContextOptions = {}) => {
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      ...(play.signedOut ? {} : { storageState: state }),
      ...options,
    })
    contexts.push(context)
    const page = await context.newPage()
    await watch(page, (text) => complaints.push(text))
    return page
  }
  const page = await newPage(play.window)
  const open = async (path: string, where = page) => {
    await where.goto(url + path)
    await where.locator('main h1').first().waitFor({ state: 'attached' })
  }
  return {
    page,
    context: page.context(),
    url,
    key,
    open,
    another: newPage,
    allow: (pattern) => void allowed.push(pattern),
    checkQuiet: () => {
      const left = complaints.filter((text) => !allowed.some((pattern) => pattern.test(text)))
      assert.deepEqual(left, [], 'the browser complained')
    },
    close: async () => {
      for (const context of contexts) await context.close()
    },
  }
}

/** Listens to everything that a page should not do. */
async function watch(page: Page, complain: (text: string) => void): Promise<void> {
  await page.exposeBinding('__violated', (_, text: string) => complain(`policy: ${text}`))
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      const told = (window as unknown as { __violated: (text: string) => void }).__violated
      told(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)
    })
  })
  page.on('pageerror', (error) => complain(`error: ${error.message}`))
  page.on('console', (message: ConsoleMessage) => {
    if (message.type() === 'error') complain(`console: ${message.text()} at ${message.location().url}`)
  })
}

interface Finding {
  id: string
  impact: string | null
  nodes: { html: string; target: string[]; failureSummary?: string }[]
}

/** WCAG 2.2 A and AA, as far as a program can see. */
export async function checkAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(axeSource)
  const findings = await page.evaluate(async (): Promise<Finding[]> => {
    const { axe } = window as unknown as { axe: { run: (on: Document, how: object) => Promise<{ violations: Finding[] }> } }
    const values = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa']
    return (await axe.run(document, { runOnly: { type: 'tag', values } })).violations
  })
  const told = findings.map(({ id, impact, nodes }) => {
    const where = nodes.slice(0, 3).map(({ html, failureSummary }) => `\n  ${html.slice(0, 160)}\n    ${failureSummary ?? ''}`)
    return `${what}: ${id} (${impact}), ${nodes.length}×${where.join('')}`
  })
  assert.equal(told.length, 0, told.join('\n'))
}

/** Nothing may be wider than the window: people would have to scroll in two directions to read. */
export async function checkNoSideScroll(page: Page, what: string): Promise<void> {
  const wide = await page.evaluate(() => {
    const root = document.documentElement
    if (root.scrollWidth <= root.clientWidth) return []
    const past = (element: Element) => element.getBoundingClientRect().right > root.clientWidth + 1
    const found = Array.from(document.querySelectorAll('body *')).filter(past)
    return [`${root.scrollWidth} > ${root.clientWidth}`, ...found.slice(0, 5).map(({ outerHTML }) => outerHTML.slice(0, 120))]
  })
  assert.deepEqual(wide, [], `${what} scrolls sideways`)
}

const WIDTHS = [1440, 375, 320]

/** A page in both themes at every width: no violation, nothing too wide. `prepare` brings it into the state to check. */
export async function checkEverywhere(stage: Stage, path: string, prepare?: (page: Page) => Promise<void>): Promise<void> {
  const { page } = stage
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 })
      await stage.open(path)
      await prepare?.(page)
      const what = `${path} ${colorScheme} ${width}`
      await checkAccessible(page, what)
      await checkNoSideScroll(page, what)
    }
  }
}

/** Waits until something holds, and says what was found when it never does. */
export async function until<T>(what: string, look: () => Promise<T>, holds: (found: T) => boolean, ms = 30_000): Promise<T> {
  const end = performance.now() + ms
  for (;;) {
    const found = await look()
    if (holds(found)) return found
    if (performance.now() > end) assert.fail(`${what}: still ${JSON.stringify(found)} after ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
