// What can be done from everywhere: the places, the theme, the search of a page. Pages add their own while they are
// open.
import { navigate, route } from '$lib/router'
import { nextTheme } from '$lib/settings.svelte'
import { register, type Command } from '$lib/shortcuts'

const PLACES: readonly [string, string, string][] = [
  ['/', 'Chat', 'g c'],
  ['/sessions', 'Sessions', 'g s'],
  ['/fleet', 'Fleet', 'g f'],
  ['/models', 'Models', 'g m'],
  ['/logs', 'Logs', 'g l'],
  ['/settings', 'Settings', 'g ,'],
]

/** A page marks its search field with `data-page-search`. */
const searchField = () => document.querySelector<HTMLElement>('main [data-page-search]')

export function registerEverywhere(open: { palette: () => void; sheet: () => void; signOut: () => void }): () => void {
  const commands: Command[] = [
    ...PLACES.map(([path, title, keys]) => ({
      id: `go:${path}`,
      keys,
      title,
      group: 'Go to',
      run: () => {
        if (route.path !== path) navigate(path)
      },
    })),
    { id: 'palette', keys: 'Mod+K', title: 'Commands', group: 'Everywhere', run: open.palette, palette: false },
    { id: 'sheet', keys: '?', title: 'Keyboard shortcuts', group: 'Everywhere', run: open.sheet },
    {
      id: 'search',
      keys: '/',
      title: 'Search on this page',
      group: 'Everywhere',
      run: () => searchField()?.focus(),
      when: () => searchField() !== null,
      palette: false,
    },
    { id: 'theme', keys: 't', title: 'Change theme', group: 'Everywhere', run: nextTheme },
    { id: 'sign-out', title: 'Sign out', group: 'Everywhere', run: open.signOut },
  ]
  const ends = commands.map(register)
  return () => ends.forEach((end) => end())
}
