//! Sessions and turns as they are: in full, and in lists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Cause, FinishReason, Mark, Message, ModelId, Permission, Principal, SessionId, SessionSettings, TurnId,
    TurnOrigin, Usage,
};

/// A session as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub owner: Principal,
    /// Who else may do what.
    pub shared: BTreeMap<Principal, Permission>,
    /// What people call it.
    pub title: String,
    /// For finding it.
    pub tags: Vec<String>,
    /// What its turns are asked with.
    pub settings: SessionSettings,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Time of its last event.
    pub updated_ms: u64,
    /// Where the log ends.
    pub head_seq: u64,
    /// The oldest number that can still be read.
    pub oldest_seq: u64,
    /// Every turn, in the order of acceptance.
    pub turns: Vec<TurnView>,
    /// Last turn of the active branch.
    pub active: Option<TurnId>,
    /// Where it comes from, when it is a fork.
    pub forked_from: Option<(SessionId, TurnId)>,
}

/// A turn as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnView {
    /// Its name.
    pub turn: TurnId,
    /// The turn that it follows.
    pub parent: Option<TurnId>,
    /// Who asked.
    pub by: Principal,
    /// Where it comes from.
    pub origin: TurnOrigin,
    /// Whether it waits, runs or has ended.
    pub state: TurnState,
    /// Which model answers.
    pub model: ModelId,
    /// What was said.
    pub input: Vec<Message>,
    /// What was answered so far.
    pub answer: String,
    /// What of it is not plain text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// Tokens of the answer so far.
    pub tokens: u32,
    /// What was used, once it finished.
    pub usage: Usage,
    /// Who asked for its end.
    pub cancelled_by: Option<Principal>,
    /// Number of its `Accepted` event.
    pub accepted_seq: u64,
    /// When it was accepted, in Unix milliseconds.
    pub accepted_ms: u64,
    /// When an engine took its prompt; 0 while none has, and where nobody knows.
    #[serde(default)]
    pub started_ms: u64,
    /// When its first token was said; 0 as above.
    #[serde(default)]
    pub first_token_ms: u64,
    /// When it ended; 0 while it has not.
    pub ended_ms: u64,
    /// Number of its terminal event; 0 while it has none.
    pub ended_seq: u64,
}

/// How far a turn is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Turns before it run.
    Queued,
    /// It is being answered.
    Running,
    /// It has its answer.
    Finished(FinishReason),
    /// It has none, or a part of one.
    Failed(Cause),
}

impl TurnState {
    /// Whether nothing may follow.
    pub fn is_ended(&self) -> bool {
        matches!(self, TurnState::Finished(_) | TurnState::Failed(_))
    }
}

/// What a session looks like in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub owner: Principal,
    /// Who else may do what.
    pub shared: BTreeMap<Principal, Permission>,
    /// What people call it.
    pub title: String,
    /// Which model answers.
    pub model: ModelId,
    /// For finding it.
    pub tags: Vec<String>,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Time of its last event.
    pub updated_ms: u64,
    /// Turns in all branches.
    pub turns: u32,
    /// Turns that wait or run.
    pub open_turns: u32,
    /// Where the log ends.
    pub head_seq: u64,
}

/// Which sessions to list; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionQuery {
    /// Only those that they may read; `None` lists all.
    pub readable_by: Option<Principal>,
    /// Words that all stand somewhere in the title, the questions or the answers.
    pub text: Option<String>,
    /// A part of the title, in any case.
    pub title: Option<String>,
    /// The model, exactly.
    pub model: Option<ModelId>,
    /// A tag, exactly.
    pub tag: Option<String>,
    /// As `next` of the page before.
    pub cursor: Option<String>,
    /// Sessions on a page, 1 to [`crate::limits::SESSIONS_PAGE_MAX`].
    pub limit: u32,
}

/// A page of sessions, those with the newest event first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionSummary>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}
