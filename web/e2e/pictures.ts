// Takes pictures of every page, in both themes, on a desk and on a phone, before a gateway that runs:
//
//   POMONA_URL=… POMONA_KEY=… npm run pictures [-- --tour] [-- part of a name]
//
// The gateway needs a node beside it: one of the pictures is of draining it. They go to e2e/out/pictures. With --tour
// only those of docs/tour.md are taken, and go there.
import { mkdir, writeFile } from 'node:fs/promises'
import { chromium, type APIRequestContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { fill, type Call } from './pictures/content'
import { SHOTS, type Shot } from './pictures/pages'
import { signedInState, type State } from './sign-in'

const SIZES: Record<string, BrowserContextOptions> = {
  desk: { viewport: { width: 1440, height: 900 } },
  phone: { viewport: { width: 375, height: 740 }, hasTouch: true, isMobile: true },
}
const TOUR = '../docs/tour'
const OUT = 'e2e/out/pictures'
/** Of a picture in the repository. */
const TOUR_BYTES_MAX = 150_000
/** For fonts, highlighting and lines that fade in. */
const SETTLE_MS = 500

export async function main(args: string[]): Promise<number> {
  const url = process.env.POMONA_URL?.replace(/\/$/, '')
  const key = process.env.POMONA_KEY
  if (!url || !key) {
    console.error('pictures: POMONA_URL and POMONA_KEY have to name a running gateway')
    return 2
  }
  const isTour = args.includes('--tour')
  const parts = args.filter((arg) => !arg.startsWith('--'))
  const isMeant = ({ name, tour }: Shot) => (!isTour || tour) && (parts.length === 0 || parts.some((part) => name.includes(part)))
  const shots = SHOTS.filter(isMeant)
  await mkdir(isTour ? TOUR : OUT, { recursive: true })
  const browser = await chromium.launch({
    executablePath: process.env.POMONA_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--font-render-hinting=none'],
  })
  try {
    const state = await signedInState(browser, url, key)
    const asking = await browser.newContext({ storageState: state })
    const call = caller(asking.request, url, key)
    const { data } = await call<{ data: { id: string }[] }>('GET', '/v1/models')
    const ids = await fill(call, data[0]?.id ?? 'sprout')
    const open = async (shot: Shot, options: BrowserContextOptions) => {
      const context = await browser.newContext({ ...options, ...(!shot.isSignedOut && { storageState: state as State }) })
      const page = await context.newPage()
      await page.addInitScript(
        (open) => localStorage.setItem('pomona.cards', JSON.stringify({ open, closed: [] })),
        ids.slice(0, 4),
      )
      await page.goto(url + shot.path(ids))
      await page.locator('main h1').first().waitFor({ state: 'attached' })
      await shot.prepare?.(page)
      await page.waitForTimeout(SETTLE_MS)
      return page
    }
    for (const shot of shots) {
      if (isTour) await takeForTour(shot, open)
      else await takeAll(shot, open)
    }
    return 0
  } finally {
    await browser.close()
  }
}

type Open = (shot: Shot, options: BrowserContextOptions) => Promise<Page>

async function takeAll(shot: Shot, open: Open): Promise<void> {
  for (const [size, options] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open(shot, { ...options, colorScheme, reducedMotion: 'reduce' })
      const path = `${OUT}/${shot.name}-${size}-${colorScheme}.png`
      await page.screenshot({ path })
      console.log(path)
      await page.context().close()
    }
  }
}

async function takeForTour(shot: Shot, open: Open): Promise<void> {
  const page = await open(shot, { viewport: { width: 1280, height: 800 }, colorScheme: 'light', reducedMotion: 'reduce' })
  const picture = await page.screenshot()
  await page.context().close()
  const path = `${TOUR}/${shot.name}.png`
  if (picture.length > TOUR_BYTES_MAX) throw new Error(`${path} has ${picture.length} bytes; at most ${TOUR_BYTES_MAX} go to the repository`)
  await writeFile(path, picture)
  console.log(`${path} ${picture.length}`)
}

/** Asks with the cookie of a browser and the key, so that every stand-in of a gateway takes it as well. */
function caller(request: APIRequestContext, url: string, key: string): Call {
  const headers = { authorization: `Bearer ${key}`, origin: url }
  return async <T>(method: string, path: string, data?: unknown) => {
    const answer = await request.fetch(url + path, { method, headers, data })
    if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`)
    return (await answer.json()) as T
  }
}
