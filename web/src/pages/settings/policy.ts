// What a gateway says about its own rules, which are set in its configuration and only shown here.
import { request } from '$lib/api/client'

/** `GET /admin/policy`. */
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

export async function readPolicy(signal: AbortSignal): Promise<Policy> {
  return (await (await request('/admin/policy', { signal })).json()) as Policy
}
