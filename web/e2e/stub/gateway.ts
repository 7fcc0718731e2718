// A gateway that is none: serves the built app and tells it sessions at a fixed pace, so that a bench measures the
// page and not an engine beside it. Its words are those of docs/sessions.md.

import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { accept } from './socket'
import { KEY, Stream, type Pace } from './stream'
import { answer } from './text'

export interface StubOptions extends Pace {
  dist: string
  sessions: number
  /** Turns of the one long session, `ses_` and all `f`. */
  longTurns: number
}

export const sessionId = (number: number): string => `ses_${String(number).padStart(32, '0')}`
export const LONG = `ses_${'f'.repeat(32)}`

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
}

/** That of the gateway: a bench that the policy would stop measures nothing. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
  "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

export async function startStub(options: StubOptions): Promise<{ url: string; start: () => void; stop: () => void }> {
  const streams = new Map<string, Stream>()
  for (let number = 0; number < options.sessions; number++) {
    streams.set(sessionId(number), new Stream(sessionId(number), options))
  }
  const long = longSession(options.longTurns)
  const server: Server = createServer((request, response) => answerHttp(request, response))
  server.on('upgrade', (request: IncomingMessage, stream) => {
    const socket = accept(request, stream)
    const attached = new Set<string>()
    socket.onClose = () => attached.forEach((id) => streams.get(id)?.detach(socket))
    socket.onText = (text) => {
      const said = JSON.parse(text) as { type: string; ref?: number; session?: string; after?: number }
      if (said.type === 'ping') return socket.say({ type: 'pong' })
      const id = said.session ?? ''
      const one = streams.get(id)
      socket.say({ type: 'reply', ref: said.ref, ok: { session: id, head_seq: one?.head ?? 1 } })
      if (said.type !== 'attach') return
      attached.add(id)
      if (one) one.attach(socket, said.after ?? 0)
      else socket.say({ v: 3, session: id, at: Date.now(), type: 'caught_up', head_seq: 1 })
    }
  })

  function answerHttp(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', 'http://stub')
    const json = (value: unknown, status = 200) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    }
    if (pathname === '/v3/me') {
      return json({ key: KEY, name: 'bench', role: 'admin', cluster: 'stub', node: 'n-1', gateway: 'stub', version: '0' })
    }
    if (pathname === '/v1/models') {
      return json({ object: 'list', data: [{ id: 'sprout', pomona: { context_tokens: 32768, modalities: ['text'], loaded: true } }] })
    }
    if (pathname === '/v3/sessions') {
      return json({ sessions: [...Array.from(streams.values(), (one) => one.summary()), long.summary], next: null })
    }
    const [, id] = /^\/v3\/sessions\/(ses_[0-9a-f]{32})$/.exec(pathname) ?? []
    if (id === LONG) return void response.writeHead(200, { 'content-type': 'application/json' }).end(long.json)
    if (id && streams.has(id)) return json(streams.get(id)?.shown())
    if (/^\/(v1|v3|admin)\//.test(pathname)) return json({ error: { code: 'route_not_found', message: 'not here' } }, 404)
    const path = join(options.dist, normalize(pathname))
    const file = existsSync(path) && statSync(path).isFile() ? path : join(options.dist, 'index.html')
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-security-policy': POLICY,
    })
    createReadStream(file).pipe(response)
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    start: () => streams.forEach((one) => one.start()),
    stop: () => {
      streams.forEach((one) => one.stop())
      server.close()
      server.closeAllConnections()
    },
  }
}

function longSession(turns: number) {
  const id = (number: number) => `turn_${String(number).padStart(32, '0')}`
  const all = Array.from({ length: turns }, (_, at) => ({
    id: id(at),
    parent: at === 0 ? null : id(at - 1),
    by: KEY,
    origin: { kind: 'asked' },
    state: 'finished',
    reason: 'stop',
    error: null,
    model: 'sprout',
    input: [{ role: 'user', content: `Question ${at + 1}` }],
    answer: `${answer(60 + (at % 7) * 40)}\n\nAnswer ${at + 1}.`,
    usage: { prompt_tokens: 10, cached_tokens: 0, completion_tokens: 60 },
    accepted_seq: 2 + at * 4,
    accepted_at: 1_700_000_000_000 + at * 1000,
    ended_seq: 5 + at * 4,
    ended_at: 1_700_000_000_500 + at * 1000,
  }))
  const meta = { id: LONG, owner: KEY, title: 'A long one', tags: [], model: 'sprout', created_at: 1, updated_at: 1 }
  const summary = { ...meta, turns, open_turns: 0, head_seq: turns * 4 + 1 }
  const rest = { shared: {}, system: null, context: 'refuse', oldest_seq: 1, forked_from: null }
  return { summary, json: JSON.stringify({ ...summary, ...rest, turns: all, active: all.at(-1)?.id ?? null }) }
}
