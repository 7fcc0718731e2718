// One turn: a question and what became of it. Pure data and the text that grows; which turns form the conversation
// is branches.ts's.

import type { FinishReason, Failure, Mark, Message, Origin, TurnId, Usage } from '../hub/events'
import { splitByMarks } from './marks'

/** A run of the answer that is of one kind. */
export interface Piece {
  kind: 'text' | 'reasoning' | 'call'
  text: string
  /** Of a call: its number in the answer, and the tool. */
  index?: number
  name?: string
  /** When its first and its last token came, by the gateway's clock. */
  since: number
  until: number
}

export interface Resumption {
  at: number
  node: string
  cause: string
  /** Tokens that had been shown. */
  shown: number
}

export type TurnState =
  | 'waiting'
  | 'queued'
  | 'prefill'
  | 'thinking'
  | 'streaming'
  | 'done'
  | 'stopped'
  | 'failed'

export interface Turn {
  id: TurnId
  parent: TurnId | null
  by: string
  origin: Origin
  input: Message[]
  model: string
  pieces: Piece[]
  ended: 'done' | 'stopped' | 'failed' | null
  reason: FinishReason | null
  stop: string | null
  error: Failure | null
  usage: Usage | null
  /** Tokens that have come. */
  tokens: number
  ahead: number | null
  /** Tokens of the prompt that are read, where the gateway says so. */
  prefill: { done: number; total: number } | null
  dropped: number
  cancelAsked: boolean
  resumed: Resumption[]
  acceptedAt: number
  startedAt: number | null
  firstAt: number | null
  firstCount: number
  lastAt: number | null
  endedAt: number | null
  promptTokens: number | null
  cachedTokens: number | null
  /** Known from the session as a whole: events of its answer that are told again change nothing. */
  isSealed: boolean
}

export function newTurn(
  known: Pick<Turn, 'id' | 'parent' | 'by' | 'origin' | 'input' | 'model' | 'acceptedAt'>,
): Turn {
  return {
    ...known,
    pieces: [],
    ended: null,
    reason: null,
    stop: null,
    error: null,
    usage: null,
    tokens: 0,
    ahead: null,
    prefill: null,
    dropped: 0,
    cancelAsked: false,
    resumed: [],
    startedAt: null,
    firstAt: null,
    firstCount: 0,
    lastAt: null,
    endedAt: null,
    promptTokens: null,
    cachedTokens: null,
    isSealed: false,
  }
}

/** Adds text behind what has come; true when a piece began. */
export function addText(turn: Turn, text: string, marks: Mark[] | undefined, at: number): boolean {
  let isNew = false
  for (const run of splitByMarks(text, marks)) {
    const last = turn.pieces.at(-1)
    const same = findSame(turn, last, run.kind, run.index)
    if (same) {
      same.text += run.text
      same.until = at
      same.name ??= run.name
      continue
    }
    // What is between thoughts and answer, or between calls, is often a lone line break.
    turn.pieces.push({ ...run, since: at, until: at })
    isNew = true
  }
  return isNew
}

function findSame(turn: Turn, last: Piece | undefined, kind: Piece['kind'], index?: number): Piece | undefined {
  if (kind === 'call') return turn.pieces.find((piece) => piece.kind === 'call' && piece.index === index)
  return last?.kind === kind ? last : undefined
}

export function stateOf(turn: Turn): TurnState {
  if (turn.ended) return turn.ended
  const last = turn.pieces.at(-1)
  if (last) return last.kind === 'reasoning' ? 'thinking' : 'streaming'
  if (turn.startedAt !== null) return 'prefill'
  return turn.ahead !== null ? 'queued' : 'waiting'
}

export const isOpen = (turn: Turn): boolean => turn.ended === null

/** The answer without thoughts and calls, as people copy it. */
export function answerText(turn: Turn): string {
  return turn.pieces
    .filter((piece) => piece.kind === 'text')
    .map((piece) => piece.text)
    .join('')
    .trim()
}

/** The text of a question. */
export function questionText(input: Message[]): string {
  return input
    .filter((message) => message.role === 'user')
    .map((message) =>
      typeof message.content === 'string'
        ? message.content
        : message.content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
    )
    .join('\n\n')
}
