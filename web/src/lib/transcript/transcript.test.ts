// Events become the conversation that people see, in whatever pieces they come and from wherever they are heard.

import { describe, expect, it } from 'vitest'
import type { SessionEvent } from '../hub/events'
import type { ShownSession, ShownTurn } from './snapshot'
import { statsOf } from './stats'
import { Transcript } from './transcript'
import { answerText, questionText, stateOf } from './turn'

const SES = 'ses_00000000000000000000000000000001'
const KEY = 'key_0000000000000001'

/** The log of a small session, numbered as the gateway does. */
class Log {
  readonly events: SessionEvent[] = []
  private seq = 0
  private at = 1000

  add(type: string, fields: Record<string, unknown> = {}, wait = 10): this {
    this.at += wait
    this.seq += typeof fields['count'] === 'number' ? fields['count'] : 1
    const event = { v: 3, session: SES, at: this.at, seq: this.seq, type, ...fields }
    this.events.push(event as unknown as SessionEvent)
    return this
  }
  passing(type: string, fields: Record<string, unknown> = {}): this {
    this.events.push({ v: 3, session: SES, at: this.at, type, ...fields } as unknown as SessionEvent)
    return this
  }
  created(): this {
    return this.add('session.created', { owner: KEY, title: 'T', tags: [], model: 'sprout', system: null })
  }
  asked(turn: string, parent: string | null, text = turn): this {
    return this.add('turn.accepted', {
      turn,
      parent,
      by: KEY,
      origin: { kind: 'asked' },
      input: [{ role: 'user', content: text }],
      model: 'sprout',
    })
  }
  started(turn: string): this {
    return this.add('turn.started', { turn, prompt_tokens: 19, cached_tokens: 3 })
  }
  said(turn: string, index: number, text: string, count = 1, marks?: unknown): this {
    return this.add('turn.tokens', { turn, index, count, text, ...(marks ? { marks } : {}) }, 100)
  }
  finished(turn: string, tokens: number, reason = 'stop'): this {
    const usage = { prompt_tokens: 19, cached_tokens: 3, completion_tokens: tokens }
    return this.add('turn.finished', { turn, reason, text: '', usage })
  }
}

function play(events: SessionEvent[], transcript = new Transcript(SES)): Transcript {
  for (const event of events) transcript.apply(event)
  return transcript
}

const whole = (log: Log) => play(log.events).branches

describe('Transcript', () => {
  it('goes through the states of a turn', () => {
    const transcript = new Transcript(SES)
    const states: string[] = []
    const log = new Log()
      .created()
      .asked('a', null)
      .passing('turn.queued', { turn: 'a', ahead: 2 })
      .started('a')
      .said('a', 0, 'hm', 1, [{ at: 0, kind: 'reasoning' }])
      .said('a', 1, 'hi')
      .finished('a', 2)
    for (const event of log.events) {
      transcript.apply(event)
      const turn = transcript.branches.get('a')
      if (turn) states.push(stateOf(turn))
    }
    expect(states).toEqual(['waiting', 'queued', 'prefill', 'thinking', 'streaming', 'done'])
    expect(transcript.running()).toBeNull()
  })

  it('tells thoughts, answer and calls apart, and goes on with a call that was interrupted', () => {
    const log = new Log()
      .created()
      .asked('a', null)
      .said('a', 0, 'think ', 1, [{ at: 0, kind: 'reasoning' }])
      .said('a', 1, 'more', 1, [{ at: 0, kind: 'reasoning' }])
      .said('a', 2, 'answer')
      .said('a', 3, '{"x":', 1, [{ at: 0, kind: 'call', index: 0, name: 'f' }])
      .said('a', 4, '1}', 1, [{ at: 0, kind: 'call', index: 0 }])
      .finished('a', 5, 'tool_calls')
    const turn = whole(log).get('a')
    expect(turn?.pieces.map(({ kind, text, name }) => [kind, text, name])).toEqual([
      ['reasoning', 'think more', undefined],
      ['text', 'answer', undefined],
      ['call', '{"x":1}', 'f'],
    ])
    expect(turn && answerText(turn)).toBe('answer')
  })

  it('keeps branches: edits and regenerations stand beside each other', () => {
    const log = new Log().created().asked('a', null).finished('a', 1).asked('b', 'a').finished('b', 1)
    log.asked('b2', 'a').finished('b2', 1).asked('c', 'b2').finished('c', 1)
    const branches = whole(log)
    const ids = () => branches.branch().map(({ id }) => id)
    expect(ids()).toEqual(['a', 'b2', 'c'])
    const b = branches.get('b')
    const b2 = branches.get('b2')
    if (!b || !b2) throw new Error('turns are missing')
    expect(branches.beside(b).map(({ id }) => id)).toEqual(['b', 'b2'])
    expect(branches.lastLeafUnder(b2).id).toBe('c')
    branches.choose('b')
    expect(ids()).toEqual(['a', 'b'])
    branches.choose('nobody')
    expect(ids()).toEqual(['a', 'b'])
  })

  it('says who stopped, what failed, what was left out and where it went on', () => {
    const log = new Log().created().asked('a', null).add('turn.cancel_asked', { turn: 'a', by: KEY })
    log.finished('a', 0, 'cancelled').asked('b', 'a')
    log.passing('turn.resumed', { turn: 'b', shown: 3, cause: 'link_lost', node: 'n-1' })
    log.add('turn.context_dropped', { turn: 'b', dropped: ['a'] })
    log.add('turn.failed', { turn: 'b', error: { code: 'model_not_found', message: 'm' } })
    const branches = whole(log)
    expect(branches.get('a')).toMatchObject({ ended: 'stopped', cancelAsked: true })
    expect(branches.get('b')).toMatchObject({ ended: 'failed', dropped: 1, error: { code: 'model_not_found' } })
    expect(branches.get('b')?.resumed).toEqual([{ at: expect.any(Number), node: 'n-1', cause: 'link_lost', shown: 3 }])
  })

  it('follows titles, tags and who is here', () => {
    const log = new Log().created().add('session.updated', { by: KEY, change: { title: 'New', tags: ['x'] } })
    log.passing('presence', { clients: [{ client: 1, by: KEY, name: 'Safari on Mac' }] })
    log.passing('typing', { by: KEY, name: 'Safari on Mac' }).passing('typing', { by: KEY, name: 'Safari on Mac' })
    const transcript = play(log.events)
    expect(transcript.meta).toMatchObject({ title: 'New', tags: ['x'], model: 'sprout' })
    expect(transcript.present).toHaveLength(1)
    expect(transcript.typing).toHaveLength(1)
  })

  it('passes over what it does not know', () => {
    const log = new Log().created().add('turn.sung', { turn: 'a' }).asked('a', null)
    log.add('turn.sung', { turn: 'a' })
    expect(whole(log).branch()).toHaveLength(1)
  })

  it('computes figures from the numbers and the clock of the gateway', () => {
    const log = new Log().created().asked('a', null).started('a')
    log.said('a', 0, 'a').said('a', 1, 'bcd', 3).said('a', 4, 'e').finished('a', 5)
    const turn = whole(log).get('a')
    if (!turn) throw new Error('the turn is missing')
    // First token 110 ms after acceptance; 4 more tokens in the 210 ms up to the end.
    expect(statsOf(turn)).toEqual({
      firstTokenMs: 110,
      tokensPerSecond: 4000 / 210,
      tokens: 5,
      contextTokens: 24,
      durationMs: 320,
    })
    // A turn that had to wait for the one before is not blamed for that.
    expect(statsOf(turn, turn.acceptedAt + 60).firstTokenMs).toBe(50)
  })

  it('reads the text of a question out of parts', () => {
    const image = { type: 'image' as const, media_type: 'image/png', data: 'AA==' }
    expect(questionText([{ role: 'user', content: [image, { type: 'text', text: 'What is it?' }] }])).toBe('What is it?')
  })
})

describe('a session that is read whole and then followed', () => {
  const shownTurn = (id: string, parent: string | null, seq: number, ended: number | null, answer: string): ShownTurn => ({
    id,
    parent,
    by: KEY,
    origin: { kind: 'asked' },
    state: ended ? 'finished' : 'running',
    reason: ended ? 'stop' : null,
    error: null,
    model: 'sprout',
    input: [{ role: 'user', content: id }],
    answer,
    usage: { prompt_tokens: 19, cached_tokens: 3, completion_tokens: answer.length },
    accepted_seq: seq,
    accepted_at: 1,
    ended_seq: ended,
    ended_at: ended && 2,
  })

  const log = new Log().created().asked('a', null).started('a').said('a', 0, 'xy', 2)
  log.asked('b', 'a').said('a', 2, 'z').finished('a', 3).started('b').said('b', 0, 'pq', 2).said('b', 2, 'r')
  const seqs = log.events.map((event) => ('seq' in event ? event.seq : 0))

  /** What `GET` shows after these many events, as far as the test needs it. */
  function shownAfter(count: number): ShownSession {
    const head = seqs[count - 1] ?? 0
    const text = (turn: string) =>
      log.events
        .slice(0, count)
        .map((event) => (event.type === 'turn.tokens' && event.turn === turn ? event.text : ''))
        .join('')
    const turns = [shownTurn('a', null, 2, head >= 8 ? 8 : null, text('a'))]
    if (head >= 6) turns.push(shownTurn('b', 'a', 6, null, text('b')))
    return {
      id: SES,
      owner: KEY,
      shared: {},
      title: 'T',
      tags: [],
      model: 'sprout',
      system: null,
      context: 'refuse',
      created_at: 0,
      updated_at: 0,
      head_seq: head,
      oldest_seq: 1,
      turns,
      active: turns.at(-1)?.id ?? null,
      forked_from: null,
    }
  }

  it.each(log.events.map((_, at) => at + 1).filter((count) => count > 1))(
    'is the same as one that was heard from the beginning, from event %i on',
    (count) => {
      const { transcript, after } = Transcript.from(shownAfter(count))
      play(log.events.filter((event) => 'seq' in event && event.seq > after), transcript)
      const texts = transcript.branches.branch().map((turn) => [turn.id, answerText(turn), turn.ended])
      expect(texts).toEqual([
        ['a', 'xyz', 'done'],
        ['b', 'pqr', null],
      ])
    },
  )

  it('shows a turn that has ended before anything is heard, and learns its times then', () => {
    const shown = { ...shownAfter(8), turns: [shownTurn('a', null, 2, 8, 'xyz')], active: 'a' }
    const { transcript, after } = Transcript.from(shown)
    const turn = transcript.branches.branch()[0]
    expect(turn && [answerText(turn), turn.firstAt]).toEqual(['xyz', null])
    play(log.events.filter((event) => 'seq' in event && event.seq > after), transcript)
    expect(turn && [answerText(turn), turn.firstAt]).toEqual(['xyz', expect.any(Number)])
  })

  it('hears nothing again of a turn whose times are shown, and has its figures at once', () => {
    const times = { started_at: 1100, first_token_at: 1500, ended_at: 2500 }
    const shown = { ...shownAfter(8), turns: [{ ...shownTurn('a', null, 2, 8, 'xyz'), ...times }], active: 'a' }
    const { transcript, after } = Transcript.from(shown)
    expect(after).toBe(shown.head_seq)
    const turn = transcript.branches.branch()[0]
    expect(turn && statsOf(turn)).toMatchObject({ tokensPerSecond: 2, firstTokenMs: 1499, durationMs: 2499 })
  })

  it('reads only the end of a long log', () => {
    const shown = shownAfter(log.events.length)
    expect(Transcript.from(shown).after).toBe(5)
    expect(Transcript.from({ ...shown, turns: [] }).after).toBe(shown.head_seq)
  })
})
