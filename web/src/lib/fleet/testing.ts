// Pieces of a fleet for tests: each whole, with the fields that matter to the test replaced.

import type { Download, FleetEvent, FleetNode, FleetReplica, FleetView, Notice, RateSample, RunningTurn } from './types'

export const GIB = 1024 ** 3

export function sample(atUnixMs: number, over: Partial<RateSample> = {}): RateSample {
  const none = { p50: 0, p95: 0, count: 0 }
  return {
    at_unix_ms: atUnixMs,
    tokens_per_s: 0,
    turns_per_s: 0,
    turns_running: 0,
    turns_queued: 0,
    first_token_ms: none,
    turn_ms: none,
    ...over,
  }
}

export function replica(model: string, over: Partial<FleetReplica> = {}): FleetReplica {
  return {
    model,
    state: 'ready',
    restarts: 0,
    memory_bytes: 3 * GIB,
    sequences: 0,
    waiting: 0,
    kv_blocks_used: 0,
    kv_blocks_total: 100,
    tokens_per_s: 0,
    is_pinned: false,
    error: null,
    ...over,
  }
}

export function node(id: string, name: string, over: Partial<FleetNode> = {}): FleetNode {
  return {
    node: id,
    name,
    role: 'node',
    state: 'alive',
    path: 'lan',
    rtt_ms: 0.7,
    version: '0.1.0',
    hosts: true,
    is_here: false,
    machine: {
      memory_bytes: 24 * GIB,
      memory_bytes_available: 20 * GIB,
      disk_bytes: 500 * GIB,
      disk_bytes_free: 100 * GIB,
      cpu_ms: 0,
      resident_bytes: 0,
      open_fds: 10,
      fds_max: 1000,
      temp_files: 0,
      thermal: 'nominal',
    },
    certificate_expires_unix_s: 2_000_000_000,
    certificate_life_s: 2_592_000,
    model_bytes_max: 18 * GIB,
    model_bytes_used: 3 * GIB,
    turns: 0,
    tokens_per_s: 0,
    replicas: [],
    ...over,
  }
}

export function turn(id: string, over: Partial<RunningTurn> = {}): RunningTurn {
  return { id, model: 'sprout', node: null, key: 'key_1', started_unix_ms: 0, age_ms: 0, tokens: 0, ...over }
}

export function notice(id: string, over: Partial<Notice> = {}): Notice {
  return {
    id,
    at_unix_ms: 1000,
    kind: 'node_lost',
    severity: 'error',
    node: null,
    name: '',
    model: null,
    message: 'mini is not reached any more',
    repeats: 0,
    last_unix_ms: 1000,
    seen_by: 'desk',
    acknowledged: null,
    ...over,
  }
}

export function download(id: string, over: Partial<Download> = {}): Download {
  return {
    id,
    repo: 'owner/name',
    revision: 'main',
    file: null,
    model: 'name',
    commit: 'c0ffee',
    node: 'n-1',
    name: 'desk',
    state: 'running',
    files: 8,
    bytes_total: 100,
    bytes_done: 0,
    bytes_per_s: 0,
    eta_s: null,
    retry: null,
    error: null,
    by: 'key_1',
    started_unix_ms: 0,
    changed_unix_ms: 0,
    ...over,
  }
}

export function snapshot(number: number, view: Partial<FleetView> = {}): FleetEvent {
  const fleet: FleetView = {
    at_unix_ms: number * 1000,
    gateway: 'n-1',
    name: 'desk',
    version: '0.1.0',
    nodes: [],
    turns: [],
    turns_left_out: 0,
    rates: sample(0),
    history: [],
    notices: [],
    ...view,
  }
  return { number, at_unix_ms: fleet.at_unix_ms, type: 'snapshot', fleet }
}
