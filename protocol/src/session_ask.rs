//! What is asked of a session, and what it answers at once.

use serde::{Deserialize, Serialize};

use crate::{
    AnswerForm, Mark, Message, ModelId, Principal, Sampling, SessionChange, SessionId, SessionSettings,
    SessionView, TraceContext, TurnId, Usage,
};

/// Something that is asked of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRequest {
    /// Which.
    pub session: SessionId,
    /// Who asks.
    pub by: Principal,
    /// Refuse unless the log ends here; `None` for wherever it ends.
    pub expected_seq: Option<u64>,
    /// What.
    pub command: SessionCommand,
    /// The trace of a turn that this makes, and the span that it is asked in; older gateways ignore it. No part of what
    /// is asked: a repeated request may have another one.
    #[serde(default, deserialize_with = "crate::trace::lenient", skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

impl SessionRequest {
    /// Asks this, wherever the log ends, in no trace.
    pub fn new(session: SessionId, by: Principal, command: SessionCommand) -> Self {
        Self { session, by, expected_seq: None, command, trace: None }
    }
}

/// What can be asked of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionCommand {
    /// Make it; one that exists and is the asker's own is answered as it is. Answered by `View`.
    Create(NewSession),
    /// Show it. Answered by `View`.
    Show,
    /// Change it. Answered by `Done`.
    Update(SessionChange),
    /// Ask something. Answered by `Accepted`.
    Ask(TurnAsk),
    /// Ask something else in place of a turn, on a branch of its own. Answered by `Accepted`.
    Edit {
        /// The turn.
        turn: TurnId,
        /// What is asked instead.
        ask: TurnAsk,
    },
    /// Answer a turn's question once more, on a branch of its own. Answered by `Accepted`.
    Regenerate {
        /// The turn.
        turn: TurnId,
        /// Its input must be empty.
        ask: TurnAsk,
    },
    /// End a turn, or the running one. Answered by `Done`, also when the turn has ended.
    Cancel {
        /// Which; `None` for the one that runs, and those that wait stay.
        turn: Option<TurnId>,
    },
    /// Make the branch that ends with this turn the active one. Answered by `Done`.
    Choose {
        /// Its last turn.
        leaf: TurnId,
    },
    /// Delete it with its log. Owner only. Answered by `Done`.
    Delete,
    /// Tell the others that somebody types. Answered by `Done`; leaves nothing in the log.
    Typing {
        /// What the others call them.
        name: String,
    },
}

/// A session to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewSession {
    /// Empty: made from the first turn.
    pub title: String,
    /// For finding it.
    pub tags: Vec<String>,
    /// What its turns are asked with.
    pub settings: SessionSettings,
    /// Where it comes from, when it is a fork.
    pub forked_from: Option<(SessionId, TurnId)>,
    /// Turns that come with their answers, each following the one before.
    pub turns: Vec<ImportedTurn>,
}

/// A turn that comes with its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportedTurn {
    /// What was said.
    pub input: Vec<Message>,
    /// What was answered.
    pub answer: String,
    /// What of it is not plain text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// Which model answered.
    pub model: ModelId,
    /// What was used.
    pub usage: Usage,
}

/// A turn to be asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TurnAsk {
    /// What is said, in order.
    pub input: Vec<Message>,
    /// The turn that it follows; `None`: the end of the active branch, or of what is queued on it.
    pub parent: Option<TurnId>,
    /// A repeated request with the same key is answered like the first one and asks nothing.
    pub idempotency_key: Option<String>,
    /// Goes before the session's model.
    pub model: Option<ModelId>,
    /// Goes before the session's system prompt.
    pub system: Option<String>,
    /// Goes before the session's sampling; its seed does not count.
    pub sampling: Option<Sampling>,
    /// Goes before the session's seed.
    pub seed: Option<u64>,
    /// What form the answer must have.
    #[serde(skip_serializing_if = "AnswerForm::is_default")]
    pub form: AnswerForm,
    /// Kept with the turn; at most [`crate::limits::TURN_NOTE_BYTES_MAX`] bytes.
    pub note: Option<String>,
}

/// What a session answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionReply {
    /// How it is.
    View(Box<SessionView>),
    /// A turn was accepted, now or by an earlier request with the same key. It is synced to disk.
    Accepted {
        /// Its name.
        turn: TurnId,
        /// Number of its `Accepted` event.
        seq: u64,
        /// Whether this request made it.
        is_new: bool,
    },
    /// It was done.
    Done {
        /// Where the log ends now.
        seq: u64,
    },
}
