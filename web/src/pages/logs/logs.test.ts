// Filters as address and as question, and lines as they come.
import { describe, expect, it } from 'vitest'
import { fromQuery, isOver, NO_FILTER, toApi, toQuery, type Filter } from './filter'
import { actorOf, appended, asText, LINES_MAX, parseAnswer, parseLine, prepended, turnOf, type Line } from './lines'

function address(filter: Filter): URLSearchParams {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(toQuery(filter))) if (value) query.set(key, value)
  return query
}

describe('the address', () => {
  it('reads back as it was written', () => {
    const full: Filter = {
      level: 'warn', node: "Anna's Mac", actor: 'fleet', turn: 'turn_4f', text: 'a&b=ü', span: '1h',
      from: '2026-01-31T10:00', to: '2026-01-31T11:00',
    }
    for (const filter of [NO_FILTER, full]) expect(fromQuery(address(filter))).toEqual(filter)
    expect(address(NO_FILTER).toString()).toBe('')
  })

  it('means nothing where it makes no sense', () => {
    expect(fromQuery(new URLSearchParams('level=loud&since=forever&from=later&to='))).toEqual(NO_FILTER)
  })
})

describe('the question', () => {
  it('counts back from now, or has its moments', () => {
    expect(toApi({ ...NO_FILTER, span: '10m', level: 'warn' }, 1_000_000).toString()).toBe('level=warn&since=400000')
    const written = toApi({ ...NO_FILTER, span: '10m', from: '2026-01-31T10:00', to: '2026-01-31T11:00' }, 0)
    expect(written.get('since')).toBe(String(Date.parse('2026-01-31T10:00')))
    expect(written.get('until')).toBe(String(Date.parse('2026-01-31T11:00')))
  })

  it('has a text of at most 256 bytes', () => {
    const text = toApi({ ...NO_FILTER, text: 'ü'.repeat(200) }, 0).get('text') ?? ''
    expect(new TextEncoder().encode(text).length).toBe(256)
  })

  it('is over when its end is', () => {
    expect(isOver(NO_FILTER, 5)).toBe(false)
    expect(isOver({ ...NO_FILTER, to: '2026-01-31T11:00' }, Date.parse('2026-01-31T11:01'))).toBe(true)
  })
})

const line = (atUs: number, over: Partial<Line> = {}): Line => ({
  at_us: atUs, time: '2026-01-31T10:00:00.000001Z', level: 'info', node: 'desk', target: 'pomona_actors::fleet', message: `m${atUs}`, ...over,
})

describe('an answer', () => {
  it('has lines, machines that did not answer, and whether there is more', () => {
    const body = [
      JSON.stringify({ type: 'line', ...line(1) }),
      JSON.stringify({ type: 'missing', node: 'mini', message: 'no answer' }),
      JSON.stringify({ type: 'end', next: 1, is_cut: true }),
      '',
    ].join('\n')
    const answer = parseAnswer(body)
    expect(answer.lines).toHaveLength(1)
    expect(answer.missing).toEqual([{ node: 'mini', message: 'no answer' }])
    expect(answer.isCut).toBe(true)
  })

  it('passes over what is no line', () => {
    expect(parseAnswer('{"type":"line"}\n{"type":"li\nnull\n7\n')).toEqual({ lines: [], missing: [], isCut: false })
    expect(parseLine('{"type":"line","at_us":"soon"}')).toBeNull()
  })
})

describe('lines', () => {
  it('come behind those that are there, each once', () => {
    const old = [line(1), line(2)]
    expect(appended(old, [line(2), line(3)]).map((one) => one.at_us)).toEqual([1, 2, 3])
    expect(appended(old, [line(2)])).toBe(old)
    expect(appended(old, [line(2, { message: 'another' })])).toHaveLength(3)
  })

  it('of a machine whose answer came late are put in order', () => {
    expect(appended([line(1), line(5)], [line(3, { node: 'mini' })]).map((one) => one.at_us)).toEqual([1, 3, 5])
  })

  it('are no more than are kept', () => {
    const old = Array.from({ length: LINES_MAX }, (_, at) => line(at))
    const all = appended(old, [line(LINES_MAX)])
    expect(all).toHaveLength(LINES_MAX)
    expect(all[0]?.at_us).toBe(1)
  })

  it('of before come before, each once', () => {
    const old = [line(5000), line(6000)]
    expect(prepended(old, [line(1000), line(5000)]).map((one) => one.at_us)).toEqual([1000, 5000, 6000])
    expect(prepended([], [line(1)])).toHaveLength(1)
  })

  it('say who wrote them and what about', () => {
    const one = line(1, { target: 'pomona_actors::watch::feed', fields: { turn: 'turn_1', took_us: 7, odd: { a: 1 } } })
    expect(actorOf(one)).toBe('watch')
    expect(turnOf(one)).toBe('turn_1')
    expect(asText(one)).toBe('2026-01-31T10:00:00.000001Z INFO  desk pomona_actors::watch::feed: m1 turn=turn_1 took_us=7 odd={"a":1}')
  })
})
