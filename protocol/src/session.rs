//! Sessions: the events of their logs, and what their turns are asked with.
//!
//! A session is a log. Each of its events covers the numbers `first_seq..=seq`; all cover one, except tokens, which
//! cover one per token, so that a cursor means the same however events are cut. The state of a session follows from
//! its events alone (`cluster::session`), and every client reads the same events in the same order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AnswerForm, Cause, FinishReason, Mark, Message, ModelId, Sampling, SessionId, TurnId, Usage};

/// Who acts: the number of a client's key. Shown as `key_` and 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal(pub u64);

/// One entry of a session's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// The first number that it covers, from 1.
    pub first_seq: u64,
    /// The last number that it covers; its place in the log and the cursor of whoever has seen it.
    pub seq: u64,
    /// When it was decided, in Unix milliseconds.
    pub at_ms: u64,
    /// What happened.
    pub body: SessionEventBody,
}

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEventBody {
    /// It was made; the first event of every log.
    Created {
        /// Whose it is.
        owner: Principal,
        /// Given, or empty until the first turn.
        title: String,
        /// For finding it.
        tags: Vec<String>,
        /// What its turns are asked with.
        settings: SessionSettings,
        /// The session and the turn that it continues, when it is a fork.
        forked_from: Option<(SessionId, TurnId)>,
    },
    /// Its name, tags, settings or readers changed.
    Updated {
        /// Who changed it.
        by: Principal,
        /// What is different.
        change: SessionChange,
    },
    /// A turn was accepted: it will be answered, in the order of acceptance.
    Accepted {
        /// Its name.
        turn: TurnId,
        /// The turn that it follows; `None` for a first one. Turns with one parent are branches.
        parent: Option<TurnId>,
        /// Who asks.
        by: Principal,
        /// The client's own name for this request.
        idempotency_key: Option<String>,
        /// Tells a repeated request from another one with the same key.
        digest: u64,
        /// Where it comes from.
        origin: TurnOrigin,
        /// What is said, in order.
        input: Vec<Message>,
        /// Which model is to answer.
        model: ModelId,
        /// Goes before the session's system prompt when given.
        system: Option<String>,
        /// How tokens are chosen, seed included.
        sampling: Sampling,
        /// What form the answer must have.
        #[serde(default, skip_serializing_if = "AnswerForm::is_default")]
        form: AnswerForm,
        /// What whoever took the request wants to find again with the turn; means nothing to the session.
        #[serde(default)]
        note: Option<String>,
    },
    /// A running turn left out old turns, since the context of its model cannot hold them all.
    ContextDropped {
        /// The turn that runs.
        turn: TurnId,
        /// Turns left out so far, oldest first.
        dropped: Vec<TurnId>,
    },
    /// The prompt of a turn was accepted by an engine.
    Started {
        /// The turn.
        turn: TurnId,
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Of these, tokens that needed no prefill.
        cached_tokens: u32,
    },
    /// The next tokens of an answer.
    Tokens {
        /// The turn.
        turn: TurnId,
        /// Index in the answer of the first id.
        first: u32,
        /// The ids; as many as numbers are covered.
        ids: Vec<u32>,
        /// Text that became certain with them.
        text: String,
        /// What the text is, where it is not plain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<Mark>,
        /// For each id, the byte of `text` at which what it made certain ends.
        ends: Vec<u32>,
    },
    /// Somebody wants the end of a turn.
    CancelAsked {
        /// The turn.
        turn: TurnId,
        /// Who.
        by: Principal,
    },
    /// A turn's answer is complete; nothing of it follows.
    Finished {
        /// The turn.
        turn: TurnId,
        /// Why it ended.
        reason: FinishReason,
        /// Text behind the last token's; the whole answer of an imported turn.
        text: String,
        /// What that text is, where it is not plain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<Mark>,
        /// What was used.
        usage: Usage,
        /// The stop string that was met.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop: Option<String>,
    },
    /// A turn's answer cannot be completed; what was shown stands, nothing of it follows.
    Failed {
        /// The turn.
        turn: TurnId,
        /// Why.
        cause: Cause,
    },
    /// Another branch is the active one.
    BranchChosen {
        /// Who chose it.
        by: Principal,
        /// Its last turn.
        leaf: TurnId,
    },
    /// The session is gone; nothing follows.
    Deleted {
        /// Who deleted it.
        by: Principal,
    },
}

/// Where a turn comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOrigin {
    /// It was asked.
    Asked,
    /// It asks something else in place of another turn.
    Edited {
        /// Which.
        of: TurnId,
    },
    /// It asks for another answer to the question of another turn.
    Regenerated {
        /// Which.
        of: TurnId,
    },
    /// It came with its answer, from a file or another session.
    Imported,
}

/// What the turns of a session are asked with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionSettings {
    /// Which model answers.
    pub model: ModelId,
    /// Stands before every conversation.
    pub system: Option<String>,
    /// How tokens are chosen; its seed does not count.
    pub sampling: Sampling,
    /// The seed of every turn; without it each turn draws its own.
    pub seed: Option<u64>,
    /// What happens when a conversation outgrows the context of its model.
    pub context: ContextPolicy,
}

/// What happens when a conversation outgrows the context of its model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextPolicy {
    /// The turn fails and says by how much.
    #[default]
    Refuse,
    /// The oldest turns are left out, which the log says.
    DropOldest,
}

/// Changes to a session; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionChange {
    /// Its name.
    pub title: Option<String>,
    /// All of its tags.
    pub tags: Option<Vec<String>>,
    /// Which model answers from the next turn on.
    pub model: Option<ModelId>,
    /// `Some(None)` takes the system prompt away.
    pub system: Option<Option<String>>,
    /// How tokens are chosen.
    pub sampling: Option<Sampling>,
    /// `Some(None)`: each turn draws its own.
    pub seed: Option<Option<u64>>,
    /// What happens when the context is full.
    pub context: Option<ContextPolicy>,
    /// Who may do what besides the owner; only the owner may change it.
    pub shared: Option<BTreeMap<Principal, Permission>>,
}

/// What somebody may do with a session that is not theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Read it and see who is there.
    Read,
    /// Also ask, cancel, edit, choose branches and rename.
    Write,
}
