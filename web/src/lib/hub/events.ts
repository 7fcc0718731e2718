// The words of protocol v3 as TypeScript: events of a session and what a socket says besides.
// Shapes alone; what they mean for a conversation is decided in lib/transcript.

export type SessionId = string
export type TurnId = string

export type Part =
  | { type: 'text' | 'reasoning'; text: string }
  | { type: 'image'; media_type: string; data: string }
  | { type: 'tool_call'; id: string; name: string; arguments: string }
  | { type: 'answers'; call: string }

export interface Message {
  role: 'system' | 'user' | 'assistant' | 'tool'
  content: string | Part[]
}

export interface Mark {
  /** A byte of the text in UTF-8. */
  at: number
  kind: 'text' | 'reasoning' | 'call'
  index?: number
  name?: string
}

export interface Usage {
  prompt_tokens: number
  cached_tokens: number
  completion_tokens: number
  reasoning_tokens?: number
  accepted_tokens?: number
}

export interface Origin {
  kind: 'asked' | 'edited' | 'regenerated' | 'imported'
  of?: TurnId
}

export interface Failure {
  code: string
  message: string
}

export interface Present {
  client: number
  by: string
  name: string
}

export interface Change {
  title?: string
  tags?: string[]
  model?: string
  system?: string | null
  context?: 'refuse' | 'drop_oldest'
  shared?: Record<string, 'read' | 'write'>
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'cancelled'
export type CutReason = 'slow' | 'moved' | 'deleted' | 'shutting_down' | 'store'

interface Any {
  v: 3
  session: SessionId
  at: number
}

/** An entry of the log; its number is dense. */
interface Logged extends Any {
  seq: number
}

export type Logs =
  | (Logged & {
      type: 'session.created'
      owner: string
      title: string
      tags: string[]
      model: string
      system: string | null
      forked_from?: { session: SessionId; turn: TurnId }
    })
  | (Logged & { type: 'session.updated'; by: string; change: Change })
  | (Logged & {
      type: 'turn.accepted'
      turn: TurnId
      parent: TurnId | null
      by: string
      origin: Origin
      input: Message[]
      model: string
      idempotency_key?: string
    })
  | (Logged & { type: 'turn.started'; turn: TurnId; prompt_tokens: number; cached_tokens: number })
  | (Logged & { type: 'turn.context_dropped'; turn: TurnId; dropped: TurnId[] })
  | (Logged & {
      type: 'turn.tokens'
      turn: TurnId
      first_seq?: number
      index: number
      count: number
      text: string
      marks?: Mark[]
    })
  | (Logged & { type: 'turn.cancel_asked'; turn: TurnId; by: string })
  | (Logged & {
      type: 'turn.finished'
      turn: TurnId
      reason: FinishReason
      text: string
      marks?: Mark[]
      stop?: string
      usage: Usage
    })
  | (Logged & { type: 'turn.failed'; turn: TurnId; error: Failure })
  | (Logged & { type: 'branch.chosen'; by: string; leaf: TurnId })

/** What passes and is in no log. */
export type Passing =
  | (Any & { type: 'caught_up'; head_seq: number })
  | (Any & { type: 'turn.queued'; turn: TurnId; ahead: number })
  // Of long prompts, where they are computed: tokens that are read, of all. Some may be left out.
  | (Any & { type: 'turn.prefill'; turn: TurnId; done: number; total: number })
  | (Any & { type: 'turn.resumed'; turn: TurnId; shown: number; cause: string; node: string })
  | (Any & { type: 'presence'; clients: Present[] })
  | (Any & { type: 'typing'; by: string; name: string })

export type SessionEvent = Logs | Passing

export type Cut = Any & { type: 'cut'; reason: CutReason; cursor: number }
export type Heartbeat = Any & { type: 'heartbeat' }

export type Ref = string | number

/** Everything that a socket may say. */
export type Said =
  | SessionEvent
  | Cut
  | Heartbeat
  | { type: 'reply'; ref?: Ref; ok: Record<string, unknown> }
  | { type: 'error'; ref?: Ref; session?: SessionId; error: Failure }
  | { type: 'pong' }
