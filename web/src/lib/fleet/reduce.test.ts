// The rules by which events make the fleet.

import { describe, expect, it } from 'vitest'
import { EMPTY, HISTORY_MAX, reduce, type FleetState } from './reduce'
import { download, node, notice, sample, snapshot, turn } from './testing'
import type { FleetEvent } from './types'

const start = (view = {}): FleetState => reduce(EMPTY, snapshot(10, view))
const run = (state: FleetState, ...events: FleetEvent[]): FleetState => events.reduce(reduce, state)
const at = (number: number) => ({ number, at_unix_ms: number * 1000 })

describe('a snapshot', () => {
  it('is everything, this gateway first and the others by name', () => {
    const state = start({ nodes: [node('n-3', 'mini 10'), node('n-2', 'mini 2'), node('n-1', 'zeus', { is_here: true })] })
    expect(state.nodes.map((one) => one.name)).toEqual(['zeus', 'mini 2', 'mini 10'])
    expect(state.number).toBe(10)
  })

  it('replaces what was known, and keeps samples from before its own', () => {
    const old = start({ nodes: [node('n-1', 'gone')], history: [sample(1000), sample(2000)] })
    const next = reduce(old, snapshot(3, { nodes: [], history: [sample(2000), sample(3000)] }))
    expect(next.nodes).toEqual([])
    expect(next.history.map((one) => one.at_unix_ms)).toEqual([1000, 2000, 3000])
    expect(next.number).toBe(3)
  })

  it('leaves out notices that somebody has seen to', () => {
    const seen = notice('ntc_2', { acknowledged: { at_unix_ms: 1, by: 'key_1' } })
    expect(start({ notices: [notice('ntc_1'), seen] }).notices.map((one) => one.id)).toEqual(['ntc_1'])
  })

  it('of a gateway that knows no downloads says so', () => {
    expect(start().downloads).toBeNull()
    expect(start({ downloads: [] }).downloads).toEqual([])
  })
})

describe('the order of events', () => {
  it('drops what came before', () => {
    const state = run(start(), { ...at(11), type: 'node', node: node('n-1', 'desk') })
    expect(reduce(state, { ...at(11), type: 'node_removed', node: 'n-1' })).toBe(state)
    expect(reduce(state, { ...at(4), type: 'node_removed', node: 'n-1' })).toBe(state)
  })

  it('takes nothing after a gap until a snapshot comes', () => {
    const torn = run(start(), { ...at(13), type: 'node', node: node('n-1', 'desk') })
    expect(torn.isTorn).toBe(true)
    expect(torn.nodes).toEqual([])
    expect(reduce(torn, { ...at(11), type: 'node', node: node('n-1', 'desk') })).toBe(torn)
    expect(reduce(torn, snapshot(14)).isTorn).toBe(false)
  })

  it('takes nothing before the first snapshot', () => {
    expect(reduce(EMPTY, { ...at(1), type: 'rates', rates: sample(1) })).toBe(EMPTY)
  })

  it('a cut changes nothing: the same id brings back what is missing', () => {
    const state = start()
    expect(reduce(state, { ...at(10), type: 'cut', reason: 'slow' })).toBe(state)
  })

  it('an event of a kind that is not known counts, and changes nothing else', () => {
    const odd = { ...at(11), type: 'moon' } as unknown as FleetEvent
    const state = run(start(), odd, { ...at(12), type: 'node', node: node('n-1', 'desk') })
    expect(state.isTorn).toBe(false)
    expect(state.nodes).toHaveLength(1)
  })
})

describe('nodes', () => {
  it('come, change and go; others stay the same objects', () => {
    const state = start({ nodes: [node('n-1', 'a'), node('n-2', 'b')] })
    const next = run(state, { ...at(11), type: 'node', node: node('n-2', 'b', { state: 'offline' }) })
    expect(next.nodes[0]).toBe(state.nodes[0])
    expect(next.nodes[1]?.state).toBe('offline')
    expect(run(next, { ...at(12), type: 'node_removed', node: 'n-1' }).nodes.map((one) => one.node)).toEqual(['n-2'])
  })

  it('are put in order again when one has a new name', () => {
    const state = start({ nodes: [node('n-1', 'a'), node('n-2', 'b')] })
    const next = run(state, { ...at(11), type: 'node', node: node('n-1', 'c') })
    expect(next.nodes.map((one) => one.name)).toEqual(['b', 'c'])
  })
})

describe('turns', () => {
  const event = (number: number, parts: Partial<Extract<FleetEvent, { type: 'turns' }>>): FleetEvent => ({
    ...at(number), type: 'turns', started: [], moved: [], ended: [], ...parts,
  })

  it('begin, move and end', () => {
    let state = run(start(), event(11, { started: [turn('t1'), turn('t2')] }))
    state = run(state, event(12, { moved: [{ id: 't1', node: 'n-2', tokens: 7 }] }))
    expect(state.turns[0]).toMatchObject({ id: 't1', node: 'n-2', tokens: 7 })
    state = run(state, event(13, { ended: [{ id: 't1', outcome: 'stop', tokens: 9 }] }))
    expect(state.turns.map((one) => one.id)).toEqual(['t2'])
  })

  it('that began and ended within one event are not listed', () => {
    const state = run(start({ turns_left_out: 1 }), event(11, { started: [turn('t1')], ended: [{ id: 't1', outcome: 'stop', tokens: 1 }] }))
    expect(state.turns).toEqual([])
    expect(state.turnsLeftOut).toBe(1)
  })

  it('that were left out are counted down as they end', () => {
    const state = run(start({ turns_left_out: 1 }), event(11, { ended: [{ id: 'x', outcome: 'stop', tokens: 1 }] }))
    expect(state.turnsLeftOut).toBe(0)
    expect(run(state, event(12, { ended: [{ id: 'y', outcome: 'stop', tokens: 1 }] })).turnsLeftOut).toBe(0)
  })

  it('are listed once however often they are said to begin', () => {
    expect(run(start({ turns: [turn('t1')] }), event(11, { started: [turn('t1')] })).turns).toHaveLength(1)
  })
})

describe('rates', () => {
  it('are the newest sample and the end of the history', () => {
    const state = run(start({ history: [sample(1000)] }), { ...at(11), type: 'rates', rates: sample(2000, { tokens_per_s: 31 }) })
    expect(state.rates?.tokens_per_s).toBe(31)
    expect(state.history).toHaveLength(2)
  })

  it('of one moment are one sample, and there are no more than an hour of them', () => {
    const history = Array.from({ length: HISTORY_MAX }, (_, second) => sample(second * 1000))
    const full = start({ history })
    const again = run(full, { ...at(11), type: 'rates', rates: sample((HISTORY_MAX - 1) * 1000) })
    expect(again.history).toHaveLength(HISTORY_MAX)
    const next = run(again, { ...at(12), type: 'rates', rates: sample(HISTORY_MAX * 1000) })
    expect(next.history).toHaveLength(HISTORY_MAX)
    expect(next.history[0]?.at_unix_ms).toBe(1000)
  })
})

describe('notices', () => {
  const event = (number: number, one = notice('ntc_1')): FleetEvent => ({ ...at(number), type: 'notice', notice: one })

  it('are new, are counted, and leave when they are acknowledged', () => {
    let state = run(start({ notices: [notice('ntc_0')] }), event(11))
    expect(state.notices.map((one) => one.id)).toEqual(['ntc_1', 'ntc_0'])
    state = run(state, event(12, notice('ntc_1', { repeats: 3 })))
    expect(state.notices[0]?.repeats).toBe(3)
    state = run(state, event(13, notice('ntc_1', { acknowledged: { at_unix_ms: 5, by: 'key_1' } })))
    expect(state.notices.map((one) => one.id)).toEqual(['ntc_0'])
  })
})

describe('downloads', () => {
  it('come, go on and leave', () => {
    let state = run(start({ downloads: [] }), { ...at(11), type: 'download', download: download('dl_1') })
    state = run(state, { ...at(12), type: 'download', download: download('dl_1', { bytes_done: 5 }) })
    expect(state.downloads).toHaveLength(1)
    expect(state.downloads?.[0]?.bytes_done).toBe(5)
    expect(run(state, { ...at(13), type: 'download_removed', id: 'dl_1' }).downloads).toEqual([])
  })
})
