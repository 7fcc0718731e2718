// What this browser prefers: kept in its storage when there is one, shared between its tabs, and put on the root
// element for the styles. Nothing of it is known to the gateway.
import { storage } from './browser'

export interface Settings {
  theme: 'system' | 'light' | 'dark'
  density: 'comfortable' | 'compact'
  /** Shortcuts of one key. Those with Ctrl or Cmd always work. */
  shortcuts: boolean
  /** Addresses of this cluster, such as `http://192.168.1.7:9999`; empty when there is none. */
  lan: string
  wan: string
  /** Whether the page goes to the better of the two by itself. */
  changeOver: boolean
  /** Whether notices also appear as a toast, and which. */
  notices: 'all' | 'warning' | 'none'
  /** Whether answers that end unseen are counted in the tab's title. */
  titleCount: boolean
}

export const DEFAULTS: Readonly<Settings> = {
  theme: 'system',
  density: 'comfortable',
  shortcuts: true,
  lan: '',
  wan: '',
  changeOver: false,
  notices: 'warning',
  titleCount: true,
}

/** `public/theme.js` reads the same name before the first paint. */
export const KEY = 'pomona.settings'

const CHOICES: { readonly [field in keyof Settings]?: readonly string[] } = {
  theme: ['system', 'light', 'dark'],
  density: ['comfortable', 'compact'],
  notices: ['all', 'warning', 'none'],
}

/** What was kept, with the default for every field that is missing or that no version of ours wrote. */
export function parse(kept: string | null): Settings {
  const known: Record<string, unknown> = { ...DEFAULTS }
  for (const [field, value] of Object.entries(objectOf(kept))) {
    if (typeof value !== typeof known[field]) continue
    const choices = CHOICES[field as keyof Settings]
    if (choices && !choices.includes(value as string)) continue
    known[field] = value
  }
  return known as unknown as Settings
}

function objectOf(kept: string | null): object {
  try {
    const value: unknown = JSON.parse(kept ?? '{}')
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

/** Change a field and it is kept. */
export const settings = $state<Settings>(parse(storage.get(KEY)))

/** Keeps what changes, and shows it. Once per page; returns its end. */
export function followSettings(root: HTMLElement = document.documentElement): () => void {
  const onOtherTab = (event: StorageEvent) => {
    if (event.key === KEY) Object.assign(settings, parse(event.newValue))
  }
  addEventListener('storage', onOtherTab)
  const end = $effect.root(() => {
    $effect(() => {
      const text = JSON.stringify(settings)
      if (text !== storage.get(KEY)) storage.set(KEY, text)
    })
    $effect(() => show(root, settings))
  })
  return () => {
    end()
    removeEventListener('storage', onOtherTab)
  }
}

function show(root: HTMLElement, { theme, density }: Settings): void {
  if (theme === 'system') delete root.dataset.theme
  else root.dataset.theme = theme
  if (density === 'compact') root.dataset.density = 'compact'
  else delete root.dataset.density
}

/** Light, dark, then what the system says. */
export function nextTheme(): void {
  const order = ['light', 'dark', 'system'] as const
  settings.theme = order[(order.indexOf(settings.theme) + 1) % order.length] ?? 'system'
}
