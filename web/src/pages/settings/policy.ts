// What a gateway says about its own rules, which are set in its configuration and only shown here.
import { ApiError } from '$lib/api/errors'
import { request } from '$lib/api/client'

/** `GET /admin/policy`. Every field may be missing: gateways say what they know. */
export interface Policy {
  restart?: {
    enabled: boolean
    max_attempts: number
    base_ms: number
    multiplier: number
    max_ms: number
    window_ms: number
  }
  hosts?: {
    /** Whether this machine hosts models at all. */
    hosts: boolean
    memory_bytes_max: number
    load_on_demand: boolean
    idle_unload_ms: number
    pinned: string[]
    replicas: string[]
  }
  access?: {
    allowed_hosts: string[]
    allowed_origins: string[]
  }
  /** Other origins under which the cluster is reached; the page may ask whether they answer. */
  addresses?: string[]
}

/** Nothing when this gateway does not tell. */
export async function readPolicy(signal: AbortSignal): Promise<Policy | undefined> {
  try {
    return (await (await request('/admin/policy', { signal })).json()) as Policy
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return undefined
    throw error
  }
}
