// A session as its events tell it. One exhaustive `apply`, no clock and no network: two browsers that heard the same
// numbers hold the same conversation.

import type { Present, SessionEvent, SessionId, TurnId } from '../hub/events'
import { Branches } from './branches'
import { sealedTurn, tailStart, type ShownSession } from './snapshot'
import { addText, isOpen, newTurn, type Turn } from './turn'

export interface Meta {
  id: SessionId
  owner: string
  title: string
  tags: string[]
  model: string
  system: string | null
  shared: Record<string, 'read' | 'write'>
  forkedFrom: { session: SessionId; turn: TurnId } | null
}

/** What changed: `text` only grew what is there, `turn` is a change of one turn's state, `all` may be anything. */
export type Changed =
  | { what: 'text' | 'turn'; turn: Turn }
  | { what: 'all'; ended?: Turn }
  | { what: 'people' | 'nothing' }

export interface Typing {
  by: string
  name: string
  at: number
}

const NOTHING: Changed = { what: 'nothing' }
const ALL: Changed = { what: 'all' }

export class Transcript {
  readonly branches = new Branches()
  readonly meta: Meta
  present: Present[] = []
  typing: Typing[] = []
  isCaughtUp = false

  constructor(id: SessionId) {
    this.meta = { id, owner: '', title: '', tags: [], model: '', system: null, shared: {}, forkedFrom: null }
  }

  /** A transcript of what has ended, and the number behind which the log is heard. */
  static from(shown: ShownSession): { transcript: Transcript; after: number } {
    const transcript = new Transcript(shown.id)
    const { owner, title, tags, model, system, shared } = shown
    Object.assign(transcript.meta, { owner, title, tags, model, system, shared, forkedFrom: shown.forked_from })
    const after = tailStart(shown)
    // Behind the first turn that is under way everything comes in the order in which it was accepted.
    for (const turn of shown.turns) {
      if (turn.ended_seq === null) break
      transcript.branches.add(sealedTurn(turn))
    }
    if (shown.active !== null) transcript.branches.choose(shown.active)
    return { transcript, after }
  }

  /** The turn that is being answered, else the first that waits. */
  running(): Turn | null {
    let first: Turn | null = null
    for (const turn of this.branches.all()) {
      if (!isOpen(turn)) continue
      if (turn.startedAt !== null) return turn
      first ??= turn
    }
    return first
  }

  apply(event: SessionEvent): Changed {
    switch (event.type) {
      case 'session.created': {
        const { owner, title, tags, model, system } = event
        Object.assign(this.meta, { owner, title, tags, model, system, forkedFrom: event.forked_from ?? null })
        return ALL
      }
      case 'session.updated': {
        const { title, tags, model, system, shared } = event.change
        if (title !== undefined) this.meta.title = title
        if (tags !== undefined) this.meta.tags = tags
        if (model !== undefined) this.meta.model = model
        if (system !== undefined) this.meta.system = system
        if (shared !== undefined) this.meta.shared = shared
        return ALL
      }
      case 'turn.accepted': {
        if (this.branches.get(event.turn)) {
          this.branches.choose(event.turn)
          return NOTHING
        }
        const { turn: id, parent, by, origin, input, model } = event
        this.branches.add(newTurn({ id, parent, by, origin, input, model, acceptedAt: event.at }))
        return ALL
      }
      case 'branch.chosen':
        this.branches.choose(event.leaf)
        return ALL
      case 'caught_up':
        this.isCaughtUp = true
        return ALL
      case 'presence':
        this.present = event.clients
        return { what: 'people' }
      case 'typing':
        this.typing = this.typing.filter(({ by, name }) => by !== event.by || name !== event.name)
        this.typing.push({ by: event.by, name: event.name, at: event.at })
        return { what: 'people' }
      default:
        return this.applyToTurn(event)
    }
  }

  private applyToTurn(event: SessionEvent & { turn: TurnId }): Changed {
    const turn = this.branches.get(event.turn)
    if (turn?.isSealed) return learnTimes(turn, event)
    if (!turn || turn.ended) return NOTHING
    const changed: Changed = { what: 'turn', turn }
    switch (event.type) {
      case 'turn.queued':
        turn.ahead = event.ahead
        return changed
      case 'turn.prefill':
        turn.prefill = { done: event.done, total: event.total }
        return changed
      case 'turn.started':
        turn.ahead = null
        turn.startedAt = event.at
        turn.promptTokens = event.prompt_tokens
        turn.cachedTokens = event.cached_tokens
        return changed
      case 'turn.context_dropped':
        turn.dropped = event.dropped.length
        return changed
      case 'turn.resumed':
        turn.resumed.push({ at: event.at, node: event.node, cause: event.cause, shown: event.shown })
        return changed
      case 'turn.cancel_asked':
        turn.cancelAsked = true
        return changed
      case 'turn.tokens': {
        if (turn.firstAt === null) {
          turn.firstAt = event.at
          turn.firstCount = event.count
        }
        turn.lastAt = event.at
        turn.tokens = event.index + event.count
        return { what: addText(turn, event.text, event.marks, event.at) ? 'turn' : 'text', turn }
      }
      case 'turn.finished':
        addText(turn, event.text, event.marks, event.at)
        turn.ended = event.reason === 'cancelled' ? 'stopped' : 'done'
        turn.reason = event.reason
        turn.stop = event.stop ?? null
        turn.usage = event.usage
        turn.endedAt = event.at
        return { what: 'all', ended: turn }
      case 'turn.failed':
        turn.ended = 'failed'
        turn.error = event.error
        turn.endedAt = event.at
        return { what: 'all', ended: turn }
      default:
        return NOTHING
    }
  }
}

/** A turn that was read whole is only told again because its times stand in the log alone. */
function learnTimes(turn: Turn, event: SessionEvent): Changed {
  if (event.type === 'turn.started') turn.startedAt = event.at
  else if (event.type === 'turn.tokens') turn.firstAt ??= event.at
  else if (event.type === 'turn.finished') return ALL
  return NOTHING
}
