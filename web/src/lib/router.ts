// Which page an address means, and how to go to another one. The address bar is the only state: `route` reads it.
// Loading a page's code is the App's.
import { createSubscriber } from 'svelte/reactivity'

export type PageName = 'chat' | 'session' | 'sessions' | 'fleet' | 'models' | 'logs' | 'settings' | 'signin'

export interface Match {
  page: PageName
  params: Record<string, string>
}

const PATTERNS: readonly [string, PageName][] = [
  ['/', 'chat'],
  ['/s/:id', 'session'],
  ['/sessions', 'sessions'],
  ['/fleet', 'fleet'],
  ['/models', 'models'],
  ['/logs', 'logs'],
  ['/settings', 'settings'],
  ['/signin', 'signin'],
]

/** The page of a path, or nothing when there is none. */
export function match(path: string): Match | undefined {
  const parts = partsOf(path)
  for (const [pattern, page] of PATTERNS) {
    const params = matchParts(partsOf(pattern), parts)
    if (params) return { page, params }
  }
  return undefined
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '')
}

function matchParts(pattern: string[], parts: string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined
  const params: Record<string, string> = {}
  for (const [at, want] of pattern.entries()) {
    const part = parts[at] ?? ''
    if (want.startsWith(':')) params[want.slice(1)] = decoded(part)
    else if (want !== part) return undefined
  }
  return params
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Where to go after signing in: a path of this origin, or the main page. Anything else could lead away from it. */
export function safeNext(next: string | null | undefined): string {
  if (!next?.startsWith('/') || /^\/[/\\]/.test(next) || /[\x00-\x1f]/.test(next)) return '/'
  const url = new URL(next, location.origin)
  return url.origin === location.origin && match(url.pathname)?.page !== 'signin' ? url.pathname + url.search : '/'
}

/** A path with a query; what is empty is left out. */
export function href(path: string, query: Record<string, string | null | undefined> = {}): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value) search.set(key, value)
  return search.size ? `${path}?${search}` : path
}

const listeners = new Set<() => void>()

const subscribe = createSubscriber((update) => {
  listeners.add(update)
  addEventListener('popstate', update)
  return () => {
    listeners.delete(update)
    removeEventListener('popstate', update)
  }
})

/** Where the reader is. Reading a field in a component or effect follows it. */
export const route = {
  get path(): string {
    subscribe()
    return location.pathname
  },
  get page(): PageName | undefined {
    return match(route.path)?.page
  },
  get params(): Record<string, string> {
    return match(route.path)?.params ?? {}
  },
  /** A copy: change it with `setQuery`. */
  get query(): URLSearchParams {
    subscribe()
    return new URLSearchParams(location.search)
  },
}

/** Goes to a path of the app, with or without a query. */
export function navigate(path: string, how: { replace?: boolean } = {}): void {
  const url = new URL(path, location.href)
  if (url.origin !== location.origin) throw new Error(`not a path of this app: ${path}`)
  const isSame = url.href === location.href
  const isOtherPage = url.pathname !== location.pathname
  if (how.replace || isSame) history.replaceState(null, '', url)
  else history.pushState(null, '', url)
  if (isOtherPage) scrollTo(0, 0)
  for (const hear of listeners) hear()
}

/** Changes fields of the query in place, for filters: `null` or '' takes one away. No step back per key stroke. */
export function setQuery(changes: Record<string, string | null>): void {
  const query = new URLSearchParams(location.search)
  for (const [key, value] of Object.entries(changes)) {
    if (value) query.set(key, value)
    else query.delete(key)
  }
  const search = query.toString()
  navigate(location.pathname + (search ? `?${search}` : ''), { replace: true })
}

/** Follows plain links of this origin without loading the page anew. New tabs, downloads and other sites stay links. */
export function followLinks(root: Document = document): () => void {
  const onClick = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!link?.href || link.target || link.hasAttribute('download')) return
    const url = new URL(link.href)
    const isAnchor = url.hash !== '' && url.pathname === location.pathname
    if (url.origin !== location.origin || isAnchor || !match(url.pathname)) return
    event.preventDefault()
    navigate(url.pathname + url.search + url.hash)
  }
  root.addEventListener('click', onClick)
  return () => root.removeEventListener('click', onClick)
}
