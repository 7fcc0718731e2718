// A session as `GET /v3/sessions/{id}` shows it, and how much of the log has to be heard besides.

import type { Failure, FinishReason, Mark, Message, Origin, SessionId, TurnId, Usage } from '../hub/events'
import { addText, newTurn, type Turn } from './turn'

export interface ShownTurn {
  id: TurnId
  parent: TurnId | null
  by: string
  origin: Origin
  state: 'queued' | 'running' | 'finished' | 'failed' | 'imported'
  reason: FinishReason | null
  error: Failure | null
  model: string
  input: Message[]
  answer: string
  marks?: Mark[]
  usage: Usage
  accepted_seq: number
  accepted_at: number
  ended_seq: number | null
  ended_at: number | null
  /** When its prompt was taken and when its first token came; older gateways do not say it. */
  started_at?: number | null
  first_token_at?: number | null
}

export interface ShownSession {
  id: SessionId
  owner: string
  shared: Record<string, 'read' | 'write'>
  title: string
  tags: string[]
  model: string
  system: string | null
  context: 'refuse' | 'drop_oldest'
  created_at: number
  updated_at: number
  head_seq: number
  oldest_seq: number
  turns: ShownTurn[]
  active: TurnId | null
  forked_from: { session: SessionId; turn: TurnId } | null
}

/**
 * From which number on the log is heard: turns that are under way come whole, and the last one is heard again where its
 * times are not shown, since the log has them. Everything else is taken from the session as it is shown.
 */
export function tailStart(shown: ShownSession): number {
  const last = shown.turns.at(-1)
  let from = last && typeof last.first_token_at !== 'number' ? last.accepted_seq : shown.head_seq + 1
  for (const turn of shown.turns) if (turn.ended_seq === null) from = Math.min(from, turn.accepted_seq)
  return Math.max(shown.oldest_seq - 1, Math.min(shown.head_seq, from - 1), 0)
}

/** A turn that had ended when the session was shown. */
export function sealedTurn(shown: ShownTurn): Turn {
  const turn = newTurn({
    id: shown.id,
    parent: shown.parent,
    by: shown.by,
    origin: shown.origin,
    input: shown.input,
    model: shown.model,
    acceptedAt: shown.accepted_at,
  })
  turn.isSealed = true
  addText(turn, shown.answer, shown.marks, shown.ended_at ?? shown.accepted_at)
  turn.reason = shown.reason
  turn.error = shown.error
  turn.ended = shown.error ? 'failed' : shown.reason === 'cancelled' ? 'stopped' : 'done'
  turn.endedAt = shown.ended_at
  turn.startedAt = shown.started_at ?? null
  turn.firstAt = shown.first_token_at ?? null
  turn.usage = shown.usage
  turn.tokens = shown.usage.completion_tokens
  turn.promptTokens = shown.usage.prompt_tokens
  turn.cachedTokens = shown.usage.cached_tokens
  return turn
}
