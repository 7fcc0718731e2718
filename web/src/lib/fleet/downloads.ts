// Models that come from a hub to this gateway's disk: finding them, and ruling those under way. How far they are is
// told by the feed.
import { request } from '$lib/api/client'
import type { Download } from './types'

export interface HubModel {
  repo: string
  downloads: number
  likes: number
  updated_unix_ms: number
  is_gated: boolean
  tags: string[]
}

export interface HubAnswer {
  hub: string
  models: HubModel[]
  /** A plain mirror has files and no search. */
  has_search?: boolean
}

/** One thing that a repository offers, of which one is taken. */
export interface HubChoice {
  file: string | null
  model: string
  format: string
  quantisation: string
  files: number
  bytes: number
  is_here: boolean
}

export interface HubRepo {
  repo: string
  revision: string
  commit: string
  choices: HubChoice[]
  default: number | null
  disk_bytes_free: number
}

export interface Order {
  repo: string
  file?: string
  name?: string
}

export async function searchHub(q: string, signal: AbortSignal): Promise<HubAnswer> {
  const answer = await request(`/admin/hub/models?${new URLSearchParams({ q, limit: '20' })}`, { signal })
  return (await answer.json()) as HubAnswer
}

export async function lookAtRepo(repo: string, signal: AbortSignal): Promise<HubRepo> {
  const answer = await request(`/admin/hub/model?${new URLSearchParams({ repo })}`, { signal })
  return (await answer.json()) as HubRepo
}

export async function startDownload(order: Order): Promise<Download> {
  const answer = await request('/admin/downloads', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  })
  return (await answer.json()) as Download
}

const at = (id: string) => `/admin/downloads/${encodeURIComponent(id)}`

export const pauseDownload = (id: string) => request(`${at(id)}/pause`, { method: 'POST' })
export const resumeDownload = (id: string) => request(`${at(id)}/resume`, { method: 'POST' })
/** Ends one that is under way; takes one that ended off the list. */
export const cancelDownload = (id: string) => request(at(id), { method: 'DELETE' })

/** `owner/name`, `owner/name@revision`: what can be taken without a search. */
export function looksLikeRepo(text: string): boolean {
  return /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9_][\w.-]*(@[\w./+-]+)?$/.test(text.trim())
}
