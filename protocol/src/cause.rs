//! Every way to fail, named once.
//!
//! A cause has a stable code (metric label and API code), says whether another try can help, and what to
//! tell a person. It knows no HTTP: the gateway maps it.

use serde::{Deserialize, Serialize};

/// Why a turn, a model or a replica failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nobody serves this model.
    #[error("model `{model}` is not served here; known: {}", known.join(", "))]
    UnknownModel {
        /// What was asked for.
        model: String,
        /// What could be asked for.
        known: Vec<String>,
    },
    /// A parameter of the request is wrong.
    #[error("{parameter}: {message}")]
    InvalidRequest {
        /// The field, as the client wrote it.
        parameter: String,
        /// Names the value and the allowed range.
        message: String,
    },
    /// The prompt leaves no room for an answer.
    #[error(
        "the prompt has {prompt_tokens} tokens and the context of this model holds {context_tokens}, answer included"
    )]
    ContextExceeded {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens of the context.
        context_tokens: u32,
    },
    /// The chat template refused the conversation, or did not end.
    #[error("the chat template of this model failed: {message}")]
    Template {
        /// What the template engine said.
        message: String,
    },
    /// Every place and every waiting place is taken.
    #[error(
        "all replicas are busy and {waiting} turns wait already (limit {limit}); retry after {retry_after_s} s"
    )]
    Overloaded {
        /// Turns that wait.
        waiting: u32,
        /// How many may.
        limit: u32,
        /// When a retry makes sense, in seconds.
        retry_after_s: u32,
    },
    /// The turn took longer than it may.
    #[error("the turn exceeded its limit of {limit_ms} ms while {phase}")]
    DeadlineExceeded {
        /// The limit, in milliseconds.
        limit_ms: u64,
        /// What it was doing: `queued`, `prefilling` or `generating`.
        phase: String,
    },
    /// The model could not be loaded, or its replica gave up restarting.
    #[error("model `{model}` cannot be served: {message}")]
    ModelUnavailable {
        /// The model.
        model: String,
        /// Why.
        message: String,
    },
    /// The engine process ended or its stream broke.
    #[error("the engine was lost: {message}")]
    EngineLost {
        /// What was seen.
        message: String,
    },
    /// The engine made no progress within its budget.
    #[error("the engine made no step for {waited_ms} ms (limit {limit_ms} ms)")]
    EngineStalled {
        /// How long it stood still.
        waited_ms: u64,
        /// How long it may.
        limit_ms: u64,
    },
    /// The way to the node broke.
    #[error("the link to `{node}` was lost: {message}")]
    LinkLost {
        /// The node.
        node: String,
        /// What was seen.
        message: String,
    },
    /// The node, or its engine, has been silent for so long that the turn does not wait for it.
    #[error("`{node}` is silent")]
    NodeSuspect {
        /// The node.
        node: String,
    },
    /// The node is about to leave.
    #[error("`{node}` is draining")]
    NodeDraining {
        /// The node.
        node: String,
    },
    /// The node does not hold this turn (any more).
    #[error("the turn is not held here")]
    TurnNotHeld,
    /// No member has this id or name.
    #[error("there is no node `{node}`; known: {}", known.join(", "))]
    UnknownNode {
        /// What was asked for.
        node: String,
        /// What could be asked for.
        known: Vec<String>,
    },
    /// Its policy forbids a machine to host models.
    #[error("`{node}` hosts no models (its role is client)")]
    NotAHost {
        /// The machine.
        node: String,
    },
    /// This gateway cannot sign members.
    #[error("this gateway does not hold the cluster's authority; ask `{holder}`")]
    NotTheAuthority {
        /// Who does.
        holder: String,
    },
    /// The engine said something that breaks the protocol.
    #[error("the engine broke the protocol: {message}")]
    Protocol {
        /// What it was.
        message: String,
    },
    /// All tries were used up.
    #[error("gave up after {attempts} attempts; the last one: {last}")]
    AttemptsExhausted {
        /// How many tries there were.
        attempts: u32,
        /// How the last one ended.
        last: Box<Cause>,
    },
    /// The KV memory cannot hold this turn.
    #[error("the turn needs {needed} KV blocks and the engine has {total}")]
    KvExhausted {
        /// Blocks that the turn needs.
        needed: u32,
        /// Blocks in all.
        total: u32,
    },
    /// There is no such session, or it is not the asker's to see.
    #[error("there is no session `{session}`")]
    UnknownSession {
        /// What was asked for.
        session: String,
    },
    /// The session may be read and not changed by whoever asked, or changed only by its owner.
    #[error("session `{session}` can only be {may} with this key; {wanted} needs {needed}")]
    SessionForbidden {
        /// Which.
        session: String,
        /// What they may do.
        may: String,
        /// What they wanted.
        wanted: String,
        /// What that takes.
        needed: String,
    },
    /// The log does not end where the writer thinks.
    #[error("the log ends at {head}, not at {expected}; read on from there")]
    SessionConflict {
        /// Where the writer thinks it ends.
        expected: u64,
        /// Where it ends.
        head: u64,
    },
    /// The session has no such turn.
    #[error("the session has no turn `{turn}`")]
    UnknownTurn {
        /// What was asked for.
        turn: String,
    },
    /// Too many turns of this session wait.
    #[error("{waiting} turns of this session wait already (session.queue_max {limit})")]
    SessionQueueFull {
        /// Turns that wait.
        waiting: u32,
        /// How many may.
        limit: u32,
    },
    /// A limit of sessions is reached.
    #[error("{message}")]
    SessionLimit {
        /// Names the thing, the value and the limit.
        message: String,
    },
    /// The idempotency key was used for something else.
    #[error("the idempotency key `{key}` was used for another request; use a new one")]
    IdempotencyMismatch {
        /// The key.
        key: String,
    },
    /// A cursor points behind the end of the log.
    #[error("the cursor {cursor} lies behind the end of the log, which is {head}")]
    CursorAhead {
        /// The cursor.
        cursor: u64,
        /// Where the log ends.
        head: u64,
    },
    /// A cursor points before what is kept.
    #[error("events before {oldest} are not kept any more; read the session and go on from its head_seq")]
    CursorGone {
        /// The oldest number that can still be read.
        oldest: u64,
    },
    /// Another activation of the session writes now.
    #[error("the session has moved to another gateway; ask again")]
    SessionMoved,
    /// The store has no room.
    #[error("the store is full: {message}")]
    StoreFull {
        /// What it said, and the remedy.
        message: String,
    },
    /// The store does not work.
    #[error("the store failed: {message}")]
    StoreFailed {
        /// What it said.
        message: String,
    },
    /// Somebody cancelled the turn.
    #[error("the turn was cancelled")]
    Cancelled,
    /// The process is going down.
    #[error("this gateway is shutting down")]
    ShuttingDown,
    /// A defect of ours.
    #[error("internal error: {message}")]
    Internal {
        /// What was seen; never a prompt or an answer.
        message: String,
    },
}

impl Cause {
    /// The stable name: API code and metric label.
    pub fn code(&self) -> &'static str {
        match self {
            Cause::UnknownModel { .. } => "model_not_found",
            Cause::InvalidRequest { .. } => "invalid_request",
            Cause::ContextExceeded { .. } => "context_length_exceeded",
            Cause::Template { .. } => "chat_template_failed",
            Cause::Overloaded { .. } => "overloaded",
            Cause::DeadlineExceeded { .. } => "deadline_exceeded",
            Cause::ModelUnavailable { .. } => "model_unavailable",
            Cause::EngineLost { .. } => "engine_lost",
            Cause::EngineStalled { .. } => "engine_stalled",
            Cause::LinkLost { .. } => "link_lost",
            Cause::NodeSuspect { .. } => "node_suspect",
            Cause::NodeDraining { .. } => "node_draining",
            Cause::TurnNotHeld => "turn_not_held",
            Cause::UnknownNode { .. } => "node_not_found",
            Cause::NotAHost { .. } => "not_a_host",
            Cause::NotTheAuthority { .. } => "not_the_authority",
            Cause::Protocol { .. } => "protocol_error",
            Cause::AttemptsExhausted { .. } => "attempts_exhausted",
            Cause::KvExhausted { .. } => "kv_exhausted",
            Cause::UnknownSession { .. } => "session_not_found",
            Cause::SessionForbidden { .. } => "session_forbidden",
            Cause::SessionConflict { .. } => "session_conflict",
            Cause::UnknownTurn { .. } => "turn_not_found",
            Cause::SessionQueueFull { .. } => "session_queue_full",
            Cause::SessionLimit { .. } => "session_limit",
            Cause::IdempotencyMismatch { .. } => "idempotency_mismatch",
            Cause::CursorAhead { .. } => "cursor_ahead",
            Cause::CursorGone { .. } => "cursor_gone",
            Cause::SessionMoved => "session_moved",
            Cause::StoreFull { .. } => "store_full",
            Cause::StoreFailed { .. } => "store_failed",
            Cause::Cancelled => "cancelled",
            Cause::ShuttingDown => "shutting_down",
            Cause::Internal { .. } => "internal_error",
        }
    }

    /// Whether the same turn may succeed on another try or elsewhere.
    pub fn is_retryable(&self) -> bool {
        match self {
            Cause::EngineLost { .. }
            | Cause::EngineStalled { .. }
            | Cause::LinkLost { .. }
            | Cause::NodeSuspect { .. }
            | Cause::NodeDraining { .. }
            | Cause::TurnNotHeld
            | Cause::Protocol { .. } => true,
            Cause::UnknownModel { .. }
            | Cause::InvalidRequest { .. }
            | Cause::ContextExceeded { .. }
            | Cause::Template { .. }
            | Cause::Overloaded { .. }
            | Cause::DeadlineExceeded { .. }
            | Cause::ModelUnavailable { .. }
            | Cause::AttemptsExhausted { .. }
            | Cause::KvExhausted { .. }
            | Cause::UnknownNode { .. }
            | Cause::NotAHost { .. }
            | Cause::NotTheAuthority { .. }
            | Cause::UnknownSession { .. }
            | Cause::SessionForbidden { .. }
            | Cause::SessionConflict { .. }
            | Cause::UnknownTurn { .. }
            | Cause::SessionQueueFull { .. }
            | Cause::SessionLimit { .. }
            | Cause::IdempotencyMismatch { .. }
            | Cause::CursorAhead { .. }
            | Cause::CursorGone { .. }
            | Cause::SessionMoved
            | Cause::StoreFull { .. }
            | Cause::StoreFailed { .. }
            | Cause::Cancelled
            | Cause::ShuttingDown
            | Cause::Internal { .. } => false,
        }
    }
}
