// Which of a cluster's addresses this browser should use: the LAN first, the WAN when the LAN does not answer. Pure;
// asking an address is `reach.ts`'s, going there the shell's.

export type Kind = 'local' | 'lan' | 'wan'

export interface Endpoints {
  lan: string
  wan: string
}

/** Whether a page may ask an address at all. `same`: it is the page's own. */
export type Verdict = 'same' | 'allowed' | 'mixed' | 'policy' | 'invalid'

/** The origin of what somebody typed: `192.168.1.7:9999` is plain HTTP, and a path does not count. */
export function originOf(typed: string): string | undefined {
  const text = typed.trim()
  if (!text) return undefined
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
    return /^https?:$/.test(url.protocol) && url.hostname && !url.username ? url.origin : undefined
  } catch {
    return undefined
  }
}

/** What kind of way the page itself came: as configured, else as its address looks. */
export function kindOf(page: string, endpoints: Endpoints): Kind {
  if (originOf(endpoints.lan) === page) return 'lan'
  if (originOf(endpoints.wan) === page) return 'wan'
  const { hostname } = new URL(page)
  if (isLoopback(hostname)) return 'local'
  return isPrivate(hostname) ? 'lan' : 'wan'
}

/** Those of a gateway's own addresses that look like this kind of way. */
export function fitting(addresses: readonly string[], kind: Kind): string[] {
  return addresses.filter((address) => originOf(address) !== undefined && kindOf(address, { lan: '', wan: '' }) === kind)
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' || /^127\./.test(hostname)
}

/** Addresses and names that do not leave a local network. */
export function isPrivate(hostname: string): boolean {
  const isV4 = /^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)[\d.]+$/.test(hostname)
  const isV6 = /^\[(f[cd]|fe[89ab])[0-9a-f]*:/.test(hostname)
  const isName = /\.(local|lan|home\.arpa|internal)$/.test(hostname) || /^[^.:[\]]+$/.test(hostname)
  return isV4 || isV6 || isName
}

/** The sources that a page's policy lets it ask; `null` when it says nothing about that. */
export function connectSources(policy: string | null): string[] | null {
  const directives = (policy ?? '').split(';').map((part) => part.trim().split(/\s+/))
  const named = (name: string) => directives.find(([first]) => first?.toLowerCase() === name)
  return (named('connect-src') ?? named('default-src'))?.slice(1) ?? null
}

/** Whether a page may ask an address, without trying: a try that is forbidden shows up as an error. */
export function judge(page: string, endpoint: string, sources: string[] | null): Verdict {
  const origin = originOf(endpoint)
  if (!origin) return 'invalid'
  if (origin === page) return 'same'
  const url = new URL(origin)
  // Browsers let a secure page ask loopback in plain HTTP, and nothing else.
  if (page.startsWith('https:') && url.protocol === 'http:' && !isLoopback(url.hostname)) return 'mixed'
  const isListed = sources?.some((source) => source === '*' || source === url.protocol || originOf(source) === origin)
  return sources === null || isListed ? 'allowed' : 'policy'
}

export interface Situation {
  kind: Kind
  /** Whether the gateway of this page answers. */
  isUp: boolean
  /** Whether the other addresses answer, as far as it is known. */
  lanAnswers: boolean
  wanAnswers: boolean
}

/** Where to go on. A connection that works is only left for the LAN. */
export function decide({ kind, isUp, lanAnswers, wanAnswers }: Situation): 'stay' | 'lan' | 'wan' {
  if (isUp && kind !== 'wan') return 'stay'
  if (lanAnswers && kind !== 'lan') return 'lan'
  if (isUp) return 'stay'
  return wanAnswers && kind !== 'wan' ? 'wan' : 'stay'
}

/** Which addresses are worth asking now, in the order of preference. */
export function worthAsking({ kind, isUp }: Pick<Situation, 'kind' | 'isUp'>): ('lan' | 'wan')[] {
  const others = (['lan', 'wan'] as const).filter((each) => each !== kind)
  if (!isUp) return others
  return kind === 'wan' ? ['lan'] : []
}
