//! The JSON of protocol v3, as gateways write it and clients read it: bodies of `/v3/sessions` and the envelope in which
//! every event reaches a client. Ids are texts here, times are Unix milliseconds.

mod envelope;
mod form;
mod said;
mod transfer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ContextPolicy, Effort, Permission, Usage};

pub use envelope::{Envelope, EnvelopeBody, PresentBody};
pub use form::{ChoiceBody, FormatBody, ToolBody};
pub use said::{ContentBody, MarkBody, MarkKind, MessageBody, PartBody, mark_bodies, marks_of};
pub use transfer::{ExportBody, ExportTurn};

/// The version that every envelope carries.
pub const VERSION: u8 = 3;

/// How tokens are chosen; what is left out is the model's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct SamplingBody {
    /// 0 to 2; 0 takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// 0 (exclusive) to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// 0 or more; 0 means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    /// -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// Tokens of an answer at most, 1 or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// The answer ends before any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

crate::only_from_objects!(both: SamplingBody);

/// What is asked: a text of the user, or messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of messages with `role` and `content`")]
pub enum InputBody {
    /// One message of the user.
    Text(String),
    /// Messages, at least one.
    Messages(Vec<MessageBody>),
}

/// `POST /v3/sessions`. The header `Idempotency-Key` makes a repeated request answer with the same session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewSessionBody {
    /// Made from the first turn when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For finding it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The first one that is served when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Stands before every conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// How tokens are chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingBody>,
    /// The seed of every turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// `refuse` or `drop_oldest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextPolicy>,
}

/// `PATCH /v3/sessions/{id}`: what is left out stays; `null` takes `system` and `seed` away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// All of its tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Which model answers from the next turn on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The system prompt.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    pub system: Option<Option<String>>,
    /// How tokens are chosen, all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingBody>,
    /// The seed of every turn.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    pub seed: Option<Option<u64>>,
    /// `refuse` or `drop_oldest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextPolicy>,
    /// Who may do what, by key id; owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<BTreeMap<String, Permission>>,
    /// Refuse with 409 unless the log ends here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_seq: Option<u64>,
}

/// A value that is there, `null` included.
fn some<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(given: D) -> Result<Option<T>, D::Error> {
    T::deserialize(given).map(Some)
}

/// `POST /v3/sessions/{id}/turns`, `/edit` and `/regenerate`. The header `Idempotency-Key` means the same as the field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AskBody {
    /// What is asked; left out by `/regenerate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<InputBody>,
    /// The turn that `/edit` and `/regenerate` speak of; the last one of the active branch when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    /// The turn that it follows; the end of the active branch when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// A repeated request with the same key asks nothing twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Goes before the session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Goes before the session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Goes before the session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingBody>,
    /// Goes before the session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Tools that the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolBody>,
    /// Whether it may or must; `auto` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ChoiceBody>,
    /// Whether an answer may hold several calls; true when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// What the text of the answer must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<FormatBody>,
    /// Whether the model thinks before it answers; the model's own way when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
    /// How much it thinks, for models that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// Refuse with 409 unless the log ends here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_seq: Option<u64>,
}

/// The answer to a turn that was accepted: 202, or 200 for a repeated request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedBody {
    /// The session.
    pub session: String,
    /// The turn.
    pub turn: String,
    /// Number of its `turn.accepted` event; attach behind the one before to see everything of it.
    pub seq: u64,
    /// Whether this request made it.
    pub is_new: bool,
}

/// `POST /v3/sessions/{id}/cancel`, `/choose` and `/fork`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TurnBody {
    /// Which turn. `cancel`: the running one when left out; `fork`: the end of the active branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    /// `fork`: name of the new session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// The answer to what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneBody {
    /// The session.
    pub session: String,
    /// Where its log ends now.
    pub seq: u64,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionBody {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// Who else may do what.
    pub shared: BTreeMap<String, Permission>,
    /// What people call it.
    pub title: String,
    /// For finding it.
    pub tags: Vec<String>,
    /// Which model answers.
    pub model: String,
    /// The system prompt.
    pub system: Option<String>,
    /// How tokens are chosen.
    pub sampling: SamplingBody,
    /// The seed of every turn.
    pub seed: Option<u64>,
    /// What happens when the context is full.
    pub context: ContextPolicy,
    /// When it was made.
    pub created_at: u64,
    /// Time of its last event.
    pub updated_at: u64,
    /// Where the log ends.
    pub head_seq: u64,
    /// The oldest number that can be read.
    pub oldest_seq: u64,
    /// Every turn, in the order of acceptance.
    pub turns: Vec<SessionTurn>,
    /// Last turn of the active branch.
    pub active: Option<String>,
    /// Session and turn that it continues.
    pub forked_from: Option<ForkBody>,
}

/// Where a fork comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkBody {
    /// The session.
    pub session: String,
    /// The turn.
    pub turn: String,
}

/// A turn of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionTurn {
    /// Its name.
    pub id: String,
    /// The turn that it follows.
    pub parent: Option<String>,
    /// Who asked.
    pub by: String,
    /// Where it comes from.
    pub origin: OriginBody,
    /// `queued`, `running`, `finished` or `failed`.
    pub state: String,
    /// `stop`, `length`, `tool_calls` or `cancelled`, once it finished.
    pub reason: Option<String>,
    /// Why there is no answer.
    pub error: Option<ErrorBody>,
    /// Who asked for its end.
    pub cancelled_by: Option<String>,
    /// Which model answers.
    pub model: String,
    /// What was said.
    pub input: Vec<MessageBody>,
    /// What was answered so far, thoughts and arguments of calls included.
    pub answer: String,
    /// What of it is not plain text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkBody>,
    /// What was used, once it finished.
    pub usage: Usage,
    /// Number of its `turn.accepted` event.
    pub accepted_seq: u64,
    /// When it was accepted.
    pub accepted_at: u64,
    /// When an engine took its prompt; `null` while none has, and of turns that came with their answer.
    #[serde(default)]
    pub started_at: Option<u64>,
    /// When its first token came; `null` as above.
    #[serde(default)]
    pub first_token_at: Option<u64>,
    /// Number of its terminal event.
    pub ended_seq: Option<u64>,
    /// When it ended.
    pub ended_at: Option<u64>,
}

/// Where a turn comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginBody {
    /// `asked`, `edited`, `regenerated` or `imported`.
    pub kind: String,
    /// The turn in whose place it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The stable name.
    pub code: String,
    /// For people.
    pub message: String,
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummaryBody {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// What people call it.
    pub title: String,
    /// Which model answers.
    pub model: String,
    /// For finding it.
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: u64,
    /// Time of its last event.
    pub updated_at: u64,
    /// Turns in all branches.
    pub turns: u32,
    /// Turns that wait or run.
    pub open_turns: u32,
    /// Where the log ends.
    pub head_seq: u64,
}

/// `GET /v3/sessions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageBody {
    /// Those with the newest event first.
    pub sessions: Vec<SummaryBody>,
    /// `cursor` of the next page.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_null_from_nothing() {
        let read = |text: &str| {
            let mut decoder = serde_json::Deserializer::from_str(text);
            ChangeBody::deserialize(&mut decoder).unwrap()
        };
        assert_eq!(read("{}").system, None);
        assert_eq!(read(r#"{"system":null}"#).system, Some(None));
        assert_eq!(read(r#"{"system":"x"}"#).system, Some(Some("x".to_owned())));
    }
}
