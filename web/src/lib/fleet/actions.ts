// What a person may have the fleet do. Each asks the gateway and returns when it has taken the order; that it was done
// is told by the feed. Errors are thrown; `attempt` turns them into a message for buttons that have no place of their own.
import { api, ok, request } from '$lib/api/client'
import { toast } from '$lib/ui/toasts.svelte'
import { sentence } from '$lib/ui/words'
import type { NodeStatus } from './catalogue'
import { fleet } from './fleet.svelte'
import type { Placement } from './placement'
import type { Notice } from './types'

const JSON_BODY = { 'content-type': 'application/json' }

/** Runs it; says `done` when it worked and what went wrong otherwise. True when it worked. */
export async function attempt(run: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await run()
    if (done) toast({ text: done })
    return true
  } catch (error) {
    const text = error instanceof Error ? sentence(error.message, fleet.names) : 'That did not work.'
    toast({ text, tone: 'bad', sticky: true })
    return false
  }
}

const place = (node?: string) => (node === undefined ? {} : { body: { node } })

export const loadModel = (model: string, node?: string) =>
  ok(api.POST('/admin/models/{id}/load', { params: { path: { id: model } }, ...place(node) }))

export const unloadModel = (model: string, node?: string) =>
  ok(api.POST('/admin/models/{id}/unload', { params: { path: { id: model } }, ...place(node) }))

export const pinModel = (model: string, node?: string) =>
  ok(api.POST('/admin/models/{id}/pin', { params: { path: { id: model } }, ...place(node) }))

export const unpinModel = (model: string, node?: string) =>
  ok(api.POST('/admin/models/{id}/unpin', { params: { path: { id: model } }, ...place(node) }))

export const drainNode = (node: string) =>
  ok(api.POST('/admin/nodes/{id}/drain', { params: { path: { id: node } } }))

export const undrainNode = (node: string) =>
  ok(api.POST('/admin/nodes/{id}/undrain', { params: { path: { id: node } } }))

export const renameNode = (node: string, name: string) =>
  ok(api.POST('/admin/nodes/{id}/rename', { params: { path: { id: node } }, body: { name } }))

export const removeNode = (node: string) =>
  ok(api.DELETE('/admin/nodes/{id}', { params: { path: { id: node } } }))

export const cancelTurn = (turn: string) =>
  ok(api.POST('/admin/turns/{id}/cancel', { params: { path: { id: turn } } }))

/** A token with which one machine joins as a node. */
export async function createToken(): Promise<{ token: string; expires_unix_ms: number }> {
  const body = JSON.stringify({ role: 'node', ttl_s: 900, uses: 1 })
  const answer = await request('/admin/tokens', { method: 'POST', headers: JSON_BODY, body })
  return (await answer.json()) as { token: string; expires_unix_ms: number }
}

export async function listNodes(): Promise<NodeStatus[]> {
  const answer = (await (await request('/admin/nodes')).json()) as { nodes: NodeStatus[] }
  return answer.nodes
}

/** The newest notices, those that were seen to as well. */
export async function listNotices(limit = 100): Promise<Notice[]> {
  const answer = await request(`/admin/notifications?limit=${limit}`)
  return ((await answer.json()) as { notifications: Notice[] }).notifications
}

/** Where a model would fit, as the gateway's own placement sees it. */
export async function askPlacement(model: string): Promise<Placement> {
  const answer = await request(`/admin/models/${encodeURIComponent(model)}/placement`)
  return (await answer.json()) as Placement
}

/** Takes a model off the gateway's own disk. */
export const removeModel = (model: string) =>
  request(`/admin/models/${encodeURIComponent(model)}`, { method: 'DELETE' })
