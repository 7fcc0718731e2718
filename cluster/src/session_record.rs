//! A turn as the events of a log tell it. [`crate::session::SessionState`] keeps one record per turn and alone changes
//! them; prompts, views and decisions read them.

use pomona_protocol::said::join_marks;
use pomona_protocol::{
    AnswerForm, Cause, FinishReason, Mark, Message, ModelId, Part, Principal, Role, Sampling,
    SessionEventBody, TurnId, TurnOrigin, Usage,
};
use serde::{Deserialize, Serialize};

/// What is known of a turn. Part of a snapshot: a field that is added later needs a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Its name.
    pub turn: TurnId,
    /// The turn that it follows.
    pub parent: Option<TurnId>,
    /// Place of the parent among the records.
    pub(crate) parent_at: Option<u32>,
    /// Who asked.
    pub by: Principal,
    /// The client's own name for the request.
    pub idempotency_key: Option<String>,
    /// Tells a repeated request from another one with the same key.
    pub digest: u64,
    /// Where it comes from.
    pub origin: TurnOrigin,
    /// What was said.
    pub input: Vec<Message>,
    /// Which model answers.
    pub model: ModelId,
    /// Its own system prompt.
    pub system: Option<String>,
    /// Without one of its own: place of the session's among those that [`crate::session::SessionState`] keeps.
    #[serde(default)]
    pub(crate) system_at: Option<u32>,
    /// How tokens are chosen, seed included.
    pub sampling: Sampling,
    /// What form the answer must have.
    #[serde(default)]
    pub form: AnswerForm,
    /// Tokens of the prompt and how many of them were cached, once an engine took it.
    #[serde(default)]
    pub started: Option<(u32, u32)>,
    /// What was answered so far.
    #[serde(default)]
    pub answer: String,
    /// What of it is not plain text.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// Tokens of the answer so far.
    #[serde(default)]
    pub tokens: u32,
    /// Their ids, while the turn is open.
    #[serde(default)]
    pub ids: Vec<u32>,
    /// For each id, the byte of the answer at which what it made certain ends; while the turn is open.
    #[serde(default)]
    pub(crate) ends: Vec<u32>,
    /// Old turns that its prompt leaves out, oldest first; while the turn is open.
    #[serde(default)]
    pub dropped: Vec<TurnId>,
    /// Who asked for its end.
    #[serde(default)]
    pub cancelled_by: Option<Principal>,
    /// How it ended.
    #[serde(default)]
    pub end: Option<Result<FinishReason, Cause>>,
    /// What was used, once it finished.
    #[serde(default)]
    pub usage: Usage,
    /// Number of its `Accepted` event.
    pub accepted_seq: u64,
    /// When it was accepted, in Unix milliseconds.
    pub accepted_ms: u64,
    /// When an engine took its prompt, in Unix milliseconds; 0 while none has, and in snapshots that did not note it.
    #[serde(default)]
    pub started_ms: u64,
    /// When its first token was said; 0 as above.
    #[serde(default)]
    pub first_token_ms: u64,
    /// When it ended; 0 while it has not.
    #[serde(default)]
    pub ended_ms: u64,
    /// Number of its terminal event; 0 while it has none.
    #[serde(default)]
    pub ended_seq: u64,
}

impl TurnRecord {
    /// Whether it waits or runs.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// What was used by a turn that ends here without saying so itself.
    pub(crate) fn usage_so_far(&self) -> Usage {
        let (prompt_tokens, cached_tokens) = self.started.unwrap_or_default();
        Usage { prompt_tokens, cached_tokens, completion_tokens: self.tokens, ..Usage::default() }
    }

    /// The event that ends it because somebody wanted that.
    pub(crate) fn cancelled(&self) -> SessionEventBody {
        SessionEventBody::Finished {
            turn: self.turn,
            reason: FinishReason::Cancelled,
            text: String::new(),
            marks: Vec::new(),
            usage: self.usage_so_far(),
            stop: None,
        }
    }

    pub(crate) fn take_tokens(&mut self, ids: &[u32], text: &str, marks: &[Mark], ends: &[u32], at_ms: u64) {
        if self.ids.is_empty() {
            self.first_token_ms = at_ms;
        }
        let base = self.answer.len() as u32;
        self.ids.extend_from_slice(ids);
        self.ends.extend(ends.iter().map(|end| base + end));
        self.take_text(text, marks);
        self.tokens = self.ids.len() as u32;
    }

    /// Text behind what is there.
    pub(crate) fn take_text(&mut self, text: &str, marks: &[Mark]) {
        if !self.marks.is_empty() || !marks.is_empty() {
            join_marks(&mut self.marks, self.answer.len() as u32, marks);
        }
        self.answer.push_str(text);
    }

    pub(crate) fn take_end(&mut self, end: Result<FinishReason, Cause>, at_ms: u64, seq: u64) {
        self.end = Some(end);
        (self.ended_ms, self.ended_seq) = (at_ms, seq);
        // Nobody continues it any more; the text stays.
        (self.ids, self.ends, self.dropped) = (Vec::new(), Vec::new(), Vec::new());
        self.answer.shrink_to_fit();
    }
}

/// All text of these messages, one line each at least.
pub(crate) fn text_of(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        for part in message.parts.iter().filter_map(Part::as_text) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(part);
        }
    }
    text
}

/// Longest title that is made from a question, in characters; it fits a narrow list.
const MADE_TITLE_CHARS_MAX: usize = 60;

/// The title that the first turn gives to its session; empty when nobody says a word in it.
pub(crate) fn title_of(messages: &[Message]) -> String {
    let said = messages.iter().filter(|message| message.role == Role::User);
    let mut lines = said.flat_map(|message| &message.parts).filter_map(Part::as_text).flat_map(str::lines);
    let line = lines.find_map(|line| Some(line.trim()).filter(|line| !line.is_empty())).unwrap_or_default();
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let head: Vec<char> = line.chars().map(plain).take(MADE_TITLE_CHARS_MAX + 1).collect();
    if head.len() <= MADE_TITLE_CHARS_MAX {
        return head.into_iter().collect();
    }
    // One character is kept for the ellipsis; a word that ends right there is whole.
    let room = MADE_TITLE_CHARS_MAX - 1;
    let cut = (1..=room).rev().find(|at| head[*at].is_whitespace()).unwrap_or(room);
    let words: String = head[..cut].iter().collect();
    format!("{}…", words.trim_end())
}
