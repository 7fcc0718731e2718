// The code of each page, loaded when it is first opened. Which address means which page is the router's.
import type { Component } from 'svelte'
import type { PageName } from './lib/router'

/** A page gets the parts of its address, such as `id` of `/s/:id`, and may leave them alone. */
export type Page = Component<{ params: Record<string, string> }>

// Whether a page takes them is its own business; Svelte's types would have every page say so.
const page = (load: () => Promise<{ default: (...args: never[]) => unknown }>) =>
  load as unknown as () => Promise<{ default: Page }>

export const pages: Record<PageName, () => Promise<{ default: Page }>> = {
  chat: page(() => import('./pages/chat/ChatPage.svelte')),
  session: page(() => import('./pages/session/SessionPage.svelte')),
  sessions: page(() => import('./pages/sessions/SessionsPage.svelte')),
  fleet: page(() => import('./pages/fleet/FleetPage.svelte')),
  models: page(() => import('./pages/models/ModelsPage.svelte')),
  logs: page(() => import('./pages/logs/LogsPage.svelte')),
  settings: page(() => import('./pages/settings/SettingsPage.svelte')),
  signin: page(() => import('./pages/signin/SignInPage.svelte')),
}
