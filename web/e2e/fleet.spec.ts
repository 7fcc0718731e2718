// The fleet page against a real gateway: what it shows, what one can have it do, and how soon it knows.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { getJson, haveModel, post } from './asking'
import { checkEverywhere, until, type Case, type Stage } from './fixtures'

const machine = (page: Page) => page.getByRole('article').first()
const model = (page: Page) => machine(page).locator('li .name').first()

async function opened({ page, open }: Pick<Stage, 'page' | 'open'>): Promise<void> {
  await open('/fleet')
  await machine(page).waitFor()
}

export const the_fleet_is_told_in_numbers_and_machines: Case = async (stage) => {
  const { page } = stage
  await opened(stage)
  for (const label of ['Tokens per second', 'Running turns', 'First token', 'Machines', 'Memory for models']) {
    await page.getByRole('term').filter({ hasText: label }).first().waitFor()
  }
  await machine(page).getByText('This gateway').waitFor()
  await machine(page).getByRole('meter', { name: 'Memory for models' }).waitFor()
  assert.match(await machine(page).innerText(), /Disk[\s\S]*Heat[\s\S]*Certificate[\s\S]*Version/)
}

export const the_fleet_is_accessible: Case = (stage) =>
  checkEverywhere(stage, '/fleet', async (page) => {
    await machine(page).waitFor()
    await page.locator('.plot canvas').first().waitFor()
  })

export const its_tables_are_accessible: Case = (stage) =>
  checkEverywhere(stage, '/fleet', async (page) => {
    await machine(page).waitFor()
    // Each turns into its opposite once it was pressed.
    const button = page.getByRole('button', { name: 'View as table' })
    while ((await button.count()) > 0) await button.first().click()
    await page.getByRole('group', { name: 'Throughput, as a table' }).waitFor()
  })

export const its_dialogs_are_accessible: Case = async (stage) => {
  await checkEverywhere(stage, '/fleet', async (page) => {
    await machine(page).waitFor()
    await page.getByRole('button', { name: 'Load a model' }).click()
    await page.getByRole('radio').first().waitFor()
  })
  await checkEverywhere(stage, '/fleet', async (page) => {
    await machine(page).waitFor()
    await page.getByRole('button', { name: /^Actions for .* on/ }).first().click()
    await page.getByRole('menuitem', { name: 'Unload' }).click()
    await page.getByRole('dialog').waitFor()
  })
}

export const dialogs_of_machines_are_accessible: Case = async (stage) => {
  await checkEverywhere(stage, '/fleet', async (page) => {
    await machine(page).waitFor()
    await page.getByRole('button', { name: 'Add a machine' }).click()
    await page.getByRole('group', { name: 'Command to add a machine' }).waitFor()
  })
  await checkEverywhere(stage, '/fleet', async (page) => {
    await askToRename(page)
    await page.getByRole('textbox', { name: 'Name' }).waitFor()
  })
}

async function askToRename(page: Page): Promise<void> {
  await machine(page).getByRole('button', { name: /^Actions for [^]*$/ }).first().click()
  await page.getByRole('menuitem', { name: 'Rename' }).click()
}

export const a_chart_is_drawn_anew_in_another_theme: Case = async (stage) => {
  const { page } = stage
  await page.emulateMedia({ colorScheme: 'light' })
  await opened(stage)
  const picture = () => page.locator('.plot canvas').first().evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL())
  const labels = () =>
    page.locator('.plot canvas').first().evaluate((canvas) => {
      // The strongest pixel of the axis' labels: dark letters on light, light ones on dark.
      const { width, height } = canvas as HTMLCanvasElement
      const pixels = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, Math.min(50, width), height).data ?? []
      let strongest = [0, 0]
      for (let at = 0; at < pixels.length; at += 4) {
        if ((pixels[at + 3] ?? 0) > (strongest[1] ?? 0)) strongest = [pixels[at] ?? 0, pixels[at + 3] ?? 0]
      }
      return strongest[0] ?? 0
    })
  await until('a drawn chart', picture, (data) => data.length > 2000)
  const inLight = await until('labels', labels, (red) => red > 0)
  await page.emulateMedia({ colorScheme: 'dark' })
  await until('lighter labels', labels, (red) => red > inLight + 40)
}

export const a_model_is_unloaded_and_loaded_again: Case = async (stage) => {
  const { page } = stage
  await haveModel(stage)
  await opened(stage)
  const name = await model(page).innerText()
  await machine(page).getByRole('button', { name: `Actions for ${name} on` }).click()
  await page.getByRole('menuitem', { name: 'Unload' }).click()
  const question = page.getByRole('dialog', { name: `Unload ${name} from` })
  await question.getByRole('button', { name: 'Unload' }).click()
  await machine(page).getByText('No model in memory.').waitFor({ timeout: 20_000 })
  await page.getByRole('button', { name: 'Load a model' }).click()
  const dialog = page.getByRole('dialog', { name: 'Load a model' })
  await dialog.getByLabel('Model', { exact: true }).selectOption(name)
  await dialog.getByText(/^Takes /).waitFor()
  await dialog.getByRole('switch', { name: 'Keep it once it is loaded' }).check()
  await dialog.getByRole('button', { name: 'Load', exact: true }).click()
  await machine(page).getByText('Ready').waitFor({ timeout: 30_000 })
  await machine(page).getByText('Pinned').waitFor()
}

export const a_turn_is_shown_and_cancelled: Case = async (stage) => {
  const { page } = stage
  await opened(stage)
  const { data } = await getJson<{ data: { id: string }[] }>(stage, '/v1/models')
  const model = data[0]?.id
  const messages = [{ role: 'user', content: 'Tell me a story about a fox' }]
  // Short stories end while one looks for them, so that there are many, one behind the other.
  let isOver = false
  const ask = async () => {
    while (!isOver) {
      assert.equal(await post(stage, '/v1/chat/completions', { model, stream: true, messages, max_tokens: 1500 }), 200)
    }
  }
  const asking = Promise.all(Array.from({ length: 6 }, ask))
  const cancelled = page.waitForResponse((answer) => /\/admin\/turns\/[^/]+\/cancel$/.test(answer.url()))
  await until('a row of a turn', () => page.getByRole('button', { name: /^Cancel turn_/ }).count(), (rows) => rows > 0, 20_000)
  // The row may leave between looking and pressing: then the next one is taken.
  await page.getByRole('button', { name: /^Cancel turn_/ }).last().click()
  stage.allow(/404.* at \S+\/cancel$/)
  assert.ok([202, 404].includes((await cancelled).status()))
  isOver = true
  await asking
  await page.getByText('No turn runs at this gateway.').waitFor({ timeout: 30_000 })
}

export const a_machine_gets_another_name: Case = async (stage) => {
  const { page } = stage
  await opened(stage)
  const name = await machine(page).getByRole('heading').innerText()
  const rename = async (to: string) => {
    await askToRename(page)
    await page.getByRole('textbox', { name: 'Name' }).fill(to)
    await page.getByRole('button', { name: 'Rename', exact: true }).click()
  }
  await rename('studio seven')
  await machine(page).getByRole('heading', { name: 'studio seven' }).waitFor()
  await rename(name)
  await machine(page).getByRole('heading', { name }).waitFor()
}

export const what_happens_is_seen_within_a_tenth_of_a_second: Case = async (stage) => {
  const { page } = stage
  await opened(stage)
  const { gateway } = await getJson<{ gateway: string }>(stage, '/admin/fleet')
  const took: number[] = []
  for (const order of ['drain', 'undrain', 'drain', 'undrain', 'drain', 'undrain']) {
    took.push(await page.evaluate(eventToPixelMs, [`/admin/nodes/${gateway}/${order}`, order === 'drain' ? 'draining' : 'alive'] as const))
  }
  took.sort((a, b) => a - b)
  console.log(`     from event to pixel: ${took.join(', ')} ms`)
  // On a busy machine some are late; what waits by design would make each of them late.
  assert.ok((took[0] ?? Infinity) <= 100, `each took longer than 100 ms: ${took.join(', ')}`)
}

/** Gives an order, and says how long after the gateway's own event the page shows it. Runs in the page. */
async function eventToPixelMs([path, state]: readonly [string, string]): Promise<number> {
  const source = new EventSource('/admin/events')
  await new Promise((resolve) => source.addEventListener('snapshot', resolve, { once: true }))
  const told = new Promise<number>((resolve) =>
    source.addEventListener('node', (event) => {
      const { at_unix_ms, node } = JSON.parse((event as MessageEvent<string>).data) as {
        at_unix_ms: number
        node: { is_here: boolean; state: string }
      }
      if (node.is_here && node.state === state) resolve(at_unix_ms)
    }),
  )
  const drawn = new Promise<number>((resolve) => {
    const look = () => {
      const badge = document.querySelector('article .state .badge')?.textContent?.trim().toLowerCase()
      // The frame after the one in which it is there has been drawn.
      if (badge === state) requestAnimationFrame(() => resolve(Date.now()))
      else requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  })
  await fetch(path, { method: 'POST' })
  const ms = (await drawn) - (await told)
  source.close()
  return ms
}

export const a_silent_gateway_leaves_the_last_state_and_says_so: Case = async (stage) => {
  const { page } = stage
  stage.allow(/ERR_FAILED at \S+\/admin\/events$/)
  const fleet = await getJson<{ at_unix_ms: number }>(stage, '/admin/fleet')
  const snapshot = JSON.stringify({ number: 1, at_unix_ms: fleet.at_unix_ms, type: 'snapshot', fleet })
  // One snapshot, and then nothing more, whoever asks.
  let isFirst = true
  await page.route('**/admin/events', (route) => {
    if (!isFirst) return route.abort('failed')
    isFirst = false
    return route.fulfill({ contentType: 'text/event-stream', body: `retry: 500\n\nid: 1-1\nevent: snapshot\ndata: ${snapshot}\n\n` })
  })
  await opened(stage)
  await page.getByText(/^The gateway has been silent for/).waitFor({ timeout: 20_000 })
  assert.ok(await machine(page).isVisible())
  await page.unroute('**/admin/events')
  await page.getByText(/^The gateway has been silent for/).waitFor({ state: 'detached', timeout: 40_000 })
}

export const a_machine_is_added_by_one_command: Case = async (stage) => {
  const { page } = stage
  await opened(stage)
  await page.getByRole('button', { name: 'Add a machine' }).click()
  const command = page.getByRole('group', { name: 'Command to add a machine' })
  await until('the command', () => command.innerText(), (text) => text.startsWith('pomona node --join pom1-'))
}
