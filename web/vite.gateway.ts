// While the app is written: passes what is the gateway's on to one at POMONA_URL, with POMONA_KEY added, and answers
// the three routes of signing in where that gateway has none yet. Never part of the built app.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createHash, randomBytes } from 'node:crypto'
import type { Plugin } from 'vite'

const FOR_MEMBERS = ['/v1', '/v3', '/admin']
const PASSED_ON = [...FOR_MEMBERS, '/metrics', '/openapi.json', '/healthz', '/readyz']

/** As the gateway sends it; the built app is tried under the same rules. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
  "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

export function gateway(url = 'http://127.0.0.1:9999', key = ''): Plugin {
  // The gateway lets pages of other origins ask nothing, and this page is served from another port.
  const headers = { origin: new URL(url).origin, ...(key ? { authorization: `Bearer ${key}` } : {}) }
  const proxied = { target: url, changeOrigin: true, ws: true, rewriteWsOrigin: true, headers }
  const proxy = Object.fromEntries(PASSED_ON.map((prefix) => [prefix, proxied]))
  return {
    name: 'pomona-gateway',
    apply: 'serve',
    config: () => ({
      server: { proxy },
      preview: { proxy, headers: { 'content-security-policy': POLICY } },
    }),
    configureServer: (server) => void server.middlewares.use(signIn(url, key, true)),
    configurePreviewServer: (server) => void server.middlewares.use(signIn(url, key, false)),
  }
}

/** While pages are written they open at once, until somebody signs out; the built app is tried as a stranger finds it. */
function signIn(url: string, key: string, isOpen: boolean) {
  const codes = new Set<string>()
  return async (request: IncomingMessage, response: ServerResponse, next: () => void) => {
    const path = (request.url ?? '').split('?')[0]
    const said = /dev_signed=(in|out)/.exec(request.headers.cookie ?? '')?.[1]
    const isOut = said === 'out' || (said === undefined && !isOpen)
    if (path === '/v3/me') {
      if (isOut || !key) return refuse(response, 'invalid_api_key', 'no key was given')
      return send(response, 200, await whoIs(url, key))
    }
    if (path === '/v3/sign-in' && request.method === 'POST') {
      const given = JSON.parse((await body(request)) || '{}') as { key?: string; code?: string }
      if (given.key !== undefined && given.key !== key) return refuse(response, 'invalid_api_key', 'this key is not known')
      if (given.code !== undefined && !codes.delete(given.code)) {
        return refuse(response, 'code_invalid', 'this code was used or has expired')
      }
      response.setHeader('set-cookie', 'dev_signed=in; Path=/; HttpOnly; SameSite=Lax')
      return send(response, 204)
    }
    if (path === '/v3/sign-in/link' && request.method === 'POST' && request.headers.authorization === `Bearer ${key}`) {
      const code = randomBytes(12).toString('hex')
      codes.add(code)
      return send(response, 201, { path: `/signin#code=${code}`, expires_in_s: 600 })
    }
    if (path === '/v3/sign-out' && request.method === 'POST') {
      response.setHeader('set-cookie', 'dev_signed=out; Path=/; HttpOnly; SameSite=Lax')
      return send(response, 204)
    }
    // A signed-out browser gets what the real gateway would say, though the proxy could sign the request.
    if (isOut && FOR_MEMBERS.some((prefix) => path?.startsWith(prefix))) {
      return refuse(response, 'invalid_api_key', 'no key was given')
    }
    next()
  }
}

interface Fleet {
  gateway: string
  nodes: { node: string; name: string; version: string }[]
}

async function whoIs(url: string, key: string) {
  const answer = await fetch(`${url}/admin/fleet`, { headers: { authorization: `Bearer ${key}` } })
  const fleet = (await answer.json()) as Fleet
  const node = fleet.nodes.find((each) => each.node === fleet.gateway) ?? fleet.nodes[0]
  const id = 'key_' + createHash('sha256').update(key).digest('hex').slice(0, 16)
  return {
    key: id,
    name: 'admin',
    role: 'admin',
    cluster: 'orchard',
    node: node?.node ?? fleet.gateway,
    gateway: node?.name ?? 'gateway',
    version: node?.version ?? '0.0.0',
  }
}

function refuse(response: ServerResponse, code: string, message: string) {
  send(response, 401, { error: { code, message, type: 'authentication_error' } })
}

function send(response: ServerResponse, status: number, value?: unknown) {
  response.statusCode = status
  if (value === undefined) return void response.end()
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(value))
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
