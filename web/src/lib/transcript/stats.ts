// Figures of a turn, out of the gateway's numbers and clock alone: what a browser measures is nonsense after a replay.

import type { Turn } from './turn'

export interface Stats {
  /** Tokens a second between the first and the last token, once that means something. */
  tokensPerSecond: number | null
  /** From acceptance, or from the end of the turn before when this one had to wait for it, to the first token. */
  firstTokenMs: number | null
  tokens: number
  /** Tokens of prompt and answer, which the model's context has to hold. */
  contextTokens: number | null
  durationMs: number | null
}

/** A rate over less than this is an accident of the network. */
const RATE_MS_MIN = 100

export function statsOf(turn: Turn, freeSince = 0): Stats {
  const tokens = turn.usage?.completion_tokens ?? turn.tokens
  const since = Math.max(turn.acceptedAt, freeSince)
  // A log that is told again comes in fewer pieces, so that only the end of a turn is the same for everybody.
  const end = turn.endedAt ?? turn.lastAt
  let tokensPerSecond: number | null = null
  if (turn.firstAt !== null && end !== null && end - turn.firstAt >= RATE_MS_MIN) {
    const counted = turn.endedAt === null ? turn.tokens - turn.firstCount : tokens - 1
    if (counted > 0) tokensPerSecond = (counted * 1000) / (end - turn.firstAt)
  }
  const prompt = turn.usage?.prompt_tokens || turn.promptTokens
  return {
    tokensPerSecond,
    firstTokenMs: turn.firstAt === null ? null : Math.max(0, turn.firstAt - since),
    tokens,
    contextTokens: prompt ? prompt + tokens : null,
    durationMs: turn.endedAt === null ? null : Math.max(0, turn.endedAt - since),
  }
}
