// The page of models: filters that stand in the address, what a model is, loading, unloading, downloading.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { getJson, haveModel } from './asking'
import { checkEverywhere, until, type Case } from './fixtures'

const list = (page: Page) => page.getByRole('list', { name: 'Models', exact: true })
const search = (page: Page) => page.getByRole('searchbox', { name: 'Search models' })

export const models_are_accessible: Case = (stage) =>
  checkEverywhere(stage, '/models', async (page) => {
    await list(page).locator('summary').first().click()
    await page.getByText('Vocabulary').first().waitFor()
  })

export const their_dialogs_are_accessible: Case = async (stage) => {
  await checkEverywhere(stage, '/models', async (page) => {
    await page.getByRole('button', { name: 'Download a model' }).click()
    await page.getByRole('dialog', { name: 'Download a model' }).waitFor()
  })
  await checkEverywhere(stage, '/models', async (page) => {
    await list(page).getByRole('button', { name: /^(Load|Add a replica)$/ }).first().click()
    await page.getByRole('dialog', { name: 'Load a model' }).getByRole('radio').first().waitFor()
  })
}

export const a_search_stands_in_the_address_and_keeps_the_caret: Case = async ({ page, url, open }) => {
  await open('/models')
  await list(page).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('nothing like this')
  await page.getByText('No model passes these filters').waitFor()
  assert.equal(new URL(page.url()).searchParams.get('q'), 'nothing like this')
  await page.keyboard.press('Home')
  await page.keyboard.type('x')
  assert.equal(await search(page).inputValue(), 'xnothing like this')
  assert.equal(await search(page).evaluate((input) => (input as HTMLInputElement).selectionStart), 1)
  assert.match((await page.locator('.found').innerText()), /^0 of \d+ models?$/)
  await page.reload()
  await page.getByText('No model passes these filters').waitFor()
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await list(page).getByRole('heading').first().waitFor()
  assert.equal(page.url(), `${url}/models`)
}

export const filters_narrow_and_say_how_many: Case = async ({ page, open }) => {
  await open('/models')
  const first = await list(page).getByRole('heading').first().innerText()
  await page.getByLabel('Ability').selectOption('embeddings')
  await until('the address', () => Promise.resolve(page.url()), (at) => at.includes('can=embeddings'))
  await page.getByLabel('Ability').selectOption('')
  await page.getByRole('checkbox', { name: 'Fits now' }).check()
  await list(page).getByRole('heading', { name: first }).waitFor()
  assert.ok(page.url().endsWith('?fit=1'))
}

export const a_model_says_what_it_is: Case = async ({ page, open }) => {
  await open('/models')
  const row = list(page).getByRole('listitem').first()
  for (const badge of [/context$/, /parameters?$/, /^Text/]) await row.getByText(badge).first().waitFor()
  await row.locator('summary').click()
  for (const fact of ['Architecture', 'Vocabulary', 'Context memory per token', 'On the disk of']) await row.getByText(fact, { exact: true }).waitFor()
}

export const a_model_is_unloaded_and_loaded: Case = async (stage) => {
  const { page, open } = stage
  await haveModel(stage)
  await open('/models')
  const row = list(page).locator('> li').first()
  const name = await row.getByRole('heading').innerText()
  await row.getByRole('button', { name: 'Unload' }).click()
  await page.getByRole('dialog', { name: `Unload ${name}?` }).getByRole('button', { name: 'Unload' }).click()
  await row.getByText('On disk').waitFor({ timeout: 20_000 })
  await row.getByRole('button', { name: 'Load' }).click()
  const dialog = page.getByRole('dialog', { name: 'Load a model' })
  await dialog.getByRole('switch', { name: 'Keep it once it is loaded' }).check()
  await dialog.getByRole('button', { name: 'Load', exact: true }).click()
  await row.getByText('In memory').waitFor({ timeout: 30_000 })
}

/** Told by a feed of our own: a real download is over before one has looked at it. */
export const a_download_says_how_far_it_is_and_is_paused: Case = async (stage) => {
  const { page } = stage
  stage.allow(/ERR_FAILED at \S+\/admin\/events$/)
  const fleet = await getJson<{ at_unix_ms: number; gateway: string; name: string }>(stage, '/admin/fleet')
  const common = {
    revision: 'main', file: null, commit: 'c0ffee', node: fleet.gateway, name: fleet.name, files: 8, by: 'key_1', retry: null,
    started_unix_ms: fleet.at_unix_ms, changed_unix_ms: fleet.at_unix_ms, bytes_total: 999_292_928, bytes_per_s: 0, eta_s: null, error: null,
  }
  const downloads = [
    { ...common, id: 'dl_0000000000000001', repo: 'Qwen/Qwen2.5-0.5B-Instruct', model: 'Qwen2.5-0.5B-Instruct', state: 'running', bytes_done: 419_430_400, bytes_per_s: 18_874_368, eta_s: 31 },
    { ...common, id: 'dl_0000000000000002', repo: 'owner/paused', model: 'paused', state: 'paused', bytes_done: 104_857_600 },
    { ...common, id: 'dl_0000000000000003', repo: 'owner/gated', model: null, state: 'failed', bytes_done: 0, bytes_total: 0, error: { code: 'hub_denied', message: 'the hub does not give owner/gated (HTTP 403)' } },
    { ...common, id: 'dl_0000000000000004', repo: 'owner/whole', model: 'whole', state: 'done', bytes_done: 999_292_928 },
  ]
  const snapshot = JSON.stringify({ number: 1, at_unix_ms: fleet.at_unix_ms, type: 'snapshot', fleet: { ...fleet, downloads } })
  const body = `retry: 500\n\nid: 1-1\nevent: snapshot\ndata: ${snapshot}\n\n`
  await page.route('**/admin/events', (route) => route.fulfill({ contentType: 'text/event-stream', body }))
  await page.route('**/admin/downloads/*/pause', (route) => route.fulfill({ json: { ...downloads[0], state: 'paused' } }))
  await checkEverywhere(stage, '/models', async (on) => {
    await on.getByText('18.0 MiB/s · 31').waitFor()
    await on.getByRole('progressbar', { name: 'Download of Qwen2.5-0.5B-Instruct' }).waitFor()
    await on.getByText('The hub does not give owner/gated (HTTP 403)').waitFor()
  })
  const paused = page.waitForRequest(/\/admin\/downloads\/dl_0000000000000001\/pause$/)
  await page.getByRole('button', { name: 'Pause Qwen2.5-0.5B-Instruct' }).click()
  await paused
  await page.getByRole('button', { name: 'Cancel paused' }).click()
  await page.getByRole('dialog', { name: 'Cancel this download?' }).getByRole('button', { name: 'Cancel', exact: true }).click()
}

/** The hub is one of our own: a public one says something else every day. */
export const a_model_is_found_at_the_hub_and_ordered: Case = async (stage) => {
  const { page, open } = stage
  const found = { repo: 'garden/quince', downloads: 7, likes: 1, updated_unix_ms: 1, is_gated: true, tags: [] }
  const choice = { model: 'quince-Q8_0', format: 'gguf', quantisation: 'Q8_0', files: 3, bytes: 4096, is_here: false, file: 'quince-Q8_0.gguf' }
  const repo = { repo: found.repo, revision: 'main', commit: 'c0ffee', choices: [choice], default: 0, disk_bytes_free: 1e12 }
  await page.route('**/admin/hub/models?*', (route) => route.fulfill({ json: { hub: 'https://hub.example', models: [found], has_search: true } }))
  await page.route('**/admin/hub/model?*', (route) => route.fulfill({ json: repo }))
  await page.route('**/admin/downloads', (route) => route.fulfill({ status: 202, json: {} }))
  await open('/models')
  await page.getByRole('button', { name: 'Download a model' }).click()
  const dialog = page.getByRole('dialog', { name: 'Download a model' })
  await dialog.getByRole('searchbox').fill('quince')
  await dialog.getByRole('button', { name: /garden\/quince/ }).click()
  await dialog.getByRole('radio', { name: /quince-Q8_0/ }).check()
  const ordered = page.waitForRequest(/\/admin\/downloads$/)
  await dialog.getByRole('button', { name: 'Download', exact: true }).click()
  assert.deepEqual((await ordered).postDataJSON(), { repo: 'garden/quince', file: 'quince-Q8_0.gguf' })
}

export const a_model_is_downloaded_with_a_pause: Case = async ({ page, open }) => {
  // Another one each time: what is here already is not downloaded.
  const name = `quince-${Date.now() % 100_000}`
  const repo = 'garden/quince'
  await open('/models')
  await page.getByRole('button', { name: 'Download a model' }).click()
  const dialog = page.getByRole('dialog', { name: 'Download a model' })
  await dialog.getByRole('searchbox').fill(repo)
  await dialog.getByRole('button', { name: `Look at ${repo}` }).click()
  const order = dialog.getByRole('button', { name: 'Download', exact: true })
  await dialog.getByRole('textbox', { name: 'Name' }).fill(name)
  await order.click()

  const progress = page.getByRole('progressbar', { name: `Download of ${name}` })
  const share = async () => Number(await progress.getAttribute('aria-valuenow'))
  await until('some of it', share, (percent) => percent > 0, 20_000)
  await page.getByRole('button', { name: `Pause ${name}` }).click()
  const row = page.locator('details').filter({ hasText: 'Downloads' }).locator('li').filter({ hasText: name })
  await row.getByText('Paused').waitFor()
  const kept = await share()
  await page.reload()
  await row.getByText('Paused').waitFor()
  assert.ok((await share()) >= kept, 'a reload lost some of it')
  await page.getByRole('button', { name: `Resume ${name}` }).click()
  await row.getByText('Done').waitFor({ state: 'attached', timeout: 60_000 })
  const model = list(page).locator('> li').filter({ has: page.getByRole('heading', { name }) })
  await model.getByText('On disk').waitFor()
  await model.getByRole('button', { name: 'Load' }).click()
  const load = page.getByRole('dialog', { name: 'Load a model' })
  await load.getByRole('button', { name: 'Load', exact: true }).click()
  await model.getByText('In memory').waitFor({ timeout: 30_000 })
}
a_model_is_downloaded_with_a_pause.at = 'hub'
