// What is pictured: each page, and what has to be opened on it. `tour` is one of those that docs/tour.md shows.
import type { Page } from 'playwright-core'

export interface Shot {
  name: string
  path: (ids: string[]) => string
  prepare?: (page: Page) => Promise<unknown>
  isSignedOut?: boolean
  tour?: boolean
}

const dialog = (page: Page) => page.getByRole('dialog').waitFor()
const fleetIsDrawn = (page: Page) => page.locator('.plot canvas').first().waitFor()
const modelsAreListed = (page: Page) => page.getByRole('list', { name: 'Models', exact: true }).getByRole('heading').first().waitFor()

export const SHOTS: Shot[] = [
  { name: 'signin', path: () => '/signin', isSignedOut: true },
  { name: 'chat', path: () => '/', prepare: (page) => page.locator('[data-card] .answer .md > *').first().waitFor(), tour: true },
  { name: 'session', path: ([, , newest]) => `/s/${newest}`, prepare: (page) => page.locator('.turn').first().waitFor(), tour: true },
  { name: 'session-code', path: ([, , , second]) => `/s/${second}`, prepare: (page) => page.locator('.turn pre').first().waitFor() },
  { name: 'session-story', path: ([newest]) => `/s/${newest}`, prepare: (page) => page.locator('.turn').first().waitFor() },
  {
    name: 'session-thoughts',
    path: (ids) => `/s/${ids[4]}`,
    prepare: async (page) => {
      await page.locator('.turn').first().waitFor()
      await page.getByText(/^Thought/).first().click()
    },
  },
  { name: 'sessions', path: () => '/sessions', prepare: (page) => page.locator('main li').first().waitFor() },
  { name: 'fleet', path: () => '/fleet', prepare: fleetIsDrawn, tour: true },
  {
    name: 'fleet-add',
    path: () => '/fleet',
    prepare: async (page) => {
      await fleetIsDrawn(page)
      await page.getByRole('button', { name: 'Add a machine' }).click()
      await page.getByRole('group', { name: 'Command to add a machine' }).waitFor()
    },
    tour: true,
  },
  {
    name: 'fleet-drain',
    path: () => '/fleet',
    prepare: async (page) => {
      await fleetIsDrawn(page)
      await page.getByRole('article').getByRole('button', { name: /^Actions for [^]*$/ }).first().click()
      await page.getByRole('menuitem', { name: 'Drain' }).click()
      await dialog(page)
    },
  },
  { name: 'models', path: () => '/models', prepare: modelsAreListed, tour: true },
  {
    name: 'models-details',
    path: () => '/models',
    prepare: async (page) => {
      await modelsAreListed(page)
      await page.getByRole('list', { name: 'Models', exact: true }).locator('summary').first().click()
    },
  },
  {
    name: 'models-load',
    path: () => '/models',
    prepare: async (page) => {
      await modelsAreListed(page)
      await page.getByRole('button', { name: /^(Load|Add a replica)$/ }).first().click()
      await page.getByRole('radio').first().waitFor()
    },
  },
  {
    name: 'models-download',
    path: () => '/models',
    prepare: async (page) => {
      await page.getByRole('button', { name: 'Download a model' }).click()
      await dialog(page)
    },
  },
  { name: 'logs', path: () => '/logs', prepare: (page) => page.getByRole('log').getByRole('button').first().waitFor() },
  {
    name: 'logs-found',
    path: () => '/logs?q=replica',
    prepare: (page) => page.getByRole('log').getByRole('button').first().waitFor(),
    tour: true,
  },
  {
    name: 'logs-line',
    path: () => '/logs',
    prepare: async (page) => {
      await page.getByRole('log').getByRole('button').last().click()
      await dialog(page)
    },
  },
  { name: 'settings', path: () => '/settings' },
  {
    name: 'palette',
    path: () => '/fleet',
    prepare: async (page) => {
      await fleetIsDrawn(page)
      await page.keyboard.press('ControlOrMeta+k')
      await page.getByRole('combobox', { name: 'Search commands' }).fill('mo')
    },
  },
  {
    name: 'shortcuts',
    path: () => '/settings',
    prepare: async (page) => {
      await page.keyboard.press('?')
      await dialog(page)
    },
  },
  {
    name: 'notices',
    path: () => '/fleet',
    prepare: async (page) => {
      await fleetIsDrawn(page)
      await page.getByRole('button', { name: /^Notices/ }).first().click()
    },
  },
]
