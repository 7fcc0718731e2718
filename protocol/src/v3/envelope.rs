//! The envelope in which every event reaches a client.

use serde::{Deserialize, Serialize};

use super::{ChangeBody, ErrorBody, ForkBody, MarkBody, MessageBody, OriginBody};
use crate::Usage;

/// One event on its way to a client. Those with a `seq` are entries of the log; those without pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// 3.
    pub v: u8,
    /// The session; empty for what concerns the connection.
    pub session: String,
    /// The last number that it covers: the cursor behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The first number that it covers, when it covers several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// When.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub body: EnvelopeBody,
}

/// What an envelope says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum EnvelopeBody {
    /// The session was made.
    #[serde(rename = "session.created")]
    SessionCreated {
        /// Whose it is.
        owner: String,
        /// Its title, maybe empty.
        title: String,
        /// Its tags.
        tags: Vec<String>,
        /// Which model answers.
        model: String,
        /// The system prompt.
        system: Option<String>,
        /// Where it comes from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forked_from: Option<ForkBody>,
    },
    /// The session was changed.
    #[serde(rename = "session.updated")]
    SessionUpdated {
        /// Who.
        by: String,
        /// What.
        change: ChangeBody,
    },
    /// A turn was accepted.
    #[serde(rename = "turn.accepted")]
    TurnAccepted {
        /// The turn.
        turn: String,
        /// The turn that it follows.
        parent: Option<String>,
        /// Who asks.
        by: String,
        /// Where it comes from.
        origin: OriginBody,
        /// What is said.
        input: Vec<MessageBody>,
        /// Which model is to answer.
        model: String,
        /// The client's own name for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
    },
    /// Old turns were left out of the prompt.
    #[serde(rename = "turn.context_dropped")]
    TurnContextDropped {
        /// The turn that runs.
        turn: String,
        /// The turns left out so far.
        dropped: Vec<String>,
    },
    /// An engine took the prompt.
    #[serde(rename = "turn.started")]
    TurnStarted {
        /// The turn.
        turn: String,
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Of these, tokens that needed no prefill.
        cached_tokens: u32,
    },
    /// The next tokens.
    #[serde(rename = "turn.tokens")]
    TurnTokens {
        /// The turn.
        turn: String,
        /// Index in the answer of the first one.
        index: u32,
        /// How many.
        count: u32,
        /// Their text; may be empty.
        text: String,
        /// What of it is not plain text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<MarkBody>,
    },
    /// Somebody wants the end of a turn.
    #[serde(rename = "turn.cancel_asked")]
    TurnCancelAsked {
        /// The turn.
        turn: String,
        /// Who.
        by: String,
    },
    /// The answer is complete.
    #[serde(rename = "turn.finished")]
    TurnFinished {
        /// The turn.
        turn: String,
        /// `stop`, `length`, `tool_calls` or `cancelled`.
        reason: String,
        /// Text behind the last token's.
        text: String,
        /// What of it is not plain text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<MarkBody>,
        /// The stop string that was met.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop: Option<String>,
        /// What was used.
        usage: Usage,
    },
    /// There will be no (further) answer.
    #[serde(rename = "turn.failed")]
    TurnFailed {
        /// The turn.
        turn: String,
        /// Why.
        error: ErrorBody,
    },
    /// Another branch is the active one.
    #[serde(rename = "branch.chosen")]
    BranchChosen {
        /// Who chose.
        by: String,
        /// Its last turn.
        leaf: String,
    },
    /// The session is gone.
    #[serde(rename = "session.deleted")]
    SessionDeleted {
        /// Who.
        by: String,
    },
    /// The past is over; what follows happens now.
    #[serde(rename = "caught_up")]
    CaughtUp {
        /// Where the log ended.
        head_seq: u64,
    },
    /// A turn waits for a replica.
    #[serde(rename = "turn.queued")]
    TurnQueued {
        /// The turn.
        turn: String,
        /// Turns before it.
        ahead: u32,
    },
    /// How far the prompt of a turn is read.
    #[serde(rename = "turn.prefill")]
    TurnPrefill {
        /// The turn.
        turn: String,
        /// Tokens of the prompt that are read, cached ones included.
        done: u32,
        /// Tokens of the prompt.
        total: u32,
    },
    /// A turn goes on elsewhere.
    #[serde(rename = "turn.resumed")]
    TurnResumed {
        /// The turn.
        turn: String,
        /// Tokens shown before.
        shown: u32,
        /// Code of the cause.
        cause: String,
        /// Where it goes on.
        node: String,
    },
    /// Who is here.
    #[serde(rename = "presence")]
    Presence {
        /// Everybody.
        clients: Vec<PresentBody>,
    },
    /// Somebody types.
    #[serde(rename = "typing")]
    Typing {
        /// Whose key.
        by: String,
        /// What they call themselves.
        name: String,
    },
    /// The client is cut off from this session and may attach again.
    #[serde(rename = "cut")]
    Cut {
        /// `slow`, `moved`, `deleted`, `shutting_down` or `store`.
        reason: String,
        /// The last number that was sent.
        cursor: u64,
    },
    /// Nothing happened for a while.
    #[serde(rename = "heartbeat")]
    Heartbeat {},
}

/// Somebody who is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentBody {
    /// Tells two clients of one key apart.
    pub client: u64,
    /// Whose key.
    pub by: String,
    /// What they call themselves.
    pub name: String,
}
