// What is asked of sessions over HTTP. Streams are lib/hub's; what answers mean is lib/transcript's.

import { api, ok, request } from '../api/client'
import { randomId } from '../browser'
import type { Message, SessionId, TurnId } from '../hub'
import type { ShownSession } from '../transcript'

export interface Summary {
  id: SessionId
  owner: string
  title: string
  model: string
  tags: string[]
  created_at: number
  updated_at: number
  turns: number
  open_turns: number
  head_seq: number
}

export interface Filters {
  text?: string
  title?: string
  model?: string
  tag?: string
}

export interface Found {
  sessions: Summary[]
  next: string | null
}

const at = (id: SessionId) => ({ path: { id } })
const once = () => ({ 'idempotency-key': randomId() })

export async function listSessions(filters: Filters = {}, limit = 50, cursor?: string): Promise<Found> {
  const query = new URLSearchParams({ limit: String(limit), ...(cursor && { cursor }) })
  for (const [key, value] of Object.entries(filters)) if (value) query.set(key, value)
  return (await (await request(`/v3/sessions?${query}`)).json()) as Found
}

export async function readSession(id: SessionId): Promise<ShownSession> {
  return (await ok(api.GET('/v3/sessions/{id}', { params: at(id) }))) as ShownSession
}

/** Makes a session; the key makes a repeated try harmless. */
export async function createSession(given: { model?: string; title?: string }): Promise<ShownSession> {
  const answer = api.POST('/v3/sessions', { params: { header: once() }, body: given })
  return (await ok(answer)) as ShownSession
}

export interface Changes {
  title?: string
  tags?: string[]
  model?: string
  system?: string | null
}

export async function changeSession(id: SessionId, changes: Changes): Promise<void> {
  await ok(api.PATCH('/v3/sessions/{id}', { params: at(id), body: changes }))
}

export async function editTurn(id: SessionId, turn: TurnId, input: Message[], model?: string): Promise<void> {
  const body = { turn, input, ...(model && { model }) }
  await ok(api.POST('/v3/sessions/{id}/edit', { params: { ...at(id), header: once() }, body: body as never }))
}

export async function regenerate(id: SessionId, turn: TurnId, model?: string): Promise<void> {
  const body = { turn, ...(model && { model }) }
  await ok(api.POST('/v3/sessions/{id}/regenerate', { params: { ...at(id), header: once() }, body: body as never }))
}

export async function chooseLeaf(id: SessionId, turn: TurnId): Promise<void> {
  await ok(api.POST('/v3/sessions/{id}/choose', { params: at(id), body: { turn } }))
}

export async function forkSession(id: SessionId, turn?: TurnId): Promise<ShownSession> {
  const body = turn ? { turn } : {}
  const answer = api.POST('/v3/sessions/{id}/fork', { params: { ...at(id), header: once() }, body })
  return (await ok(answer)) as ShownSession
}

export async function exportSession(id: SessionId, format: 'json' | 'md'): Promise<string> {
  return (await request(`/v3/sessions/${id}/export?format=${format}`)).text()
}

export async function importSession(json: string): Promise<ShownSession> {
  const answer = await request('/v3/sessions/import', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...once() },
    body: json,
  })
  return (await answer.json()) as ShownSession
}

/** `keepalive` lets the request live on when the page is left. */
export async function deleteSession(id: SessionId, how: { keepalive?: boolean } = {}): Promise<void> {
  await request(`/v3/sessions/${id}`, { method: 'DELETE', ...how })
}
