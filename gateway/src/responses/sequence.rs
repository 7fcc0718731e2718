//! The numbered events of a response's stream, as a pure function of the events of its turn: whoever asks again from a
//! number gets the same bytes as the first time, whatever gateway answers and however the log was cut.
//!
//! | number | event |
//! | --- | --- |
//! | 0, 1 | `response.created`, `response.in_progress` |
//! | 2, 3 | `response.output_item.added` and `response.content_part.added` of the first item, with its first text |
//! | 4 + i + 6c | the delta of token i, behind c changes from one item to another; a token without text keeps its number and is not sent |
//! | from 5 + i + 6(c - 1) | what ends the item that change c leaves (3) and begins the next one (2) |
//! | 4 + n + 6c | the delta behind the last of n tokens, when there is text |
//! | 5 + n + 6c to 7 + n + 6c | what ends the last item |
//! | 8 + n + 6c | `response.completed`, or `response.incomplete` for one that was cut short or cancelled |
//!
//! Items are messages, thoughts and calls of functions; an answer of text alone changes never. A failure is
//! `response.failed` with number 8 + n + 6c, whatever came before it.

use bytes::{BufMut, BytesMut};
use pomona_protocol::said::pieces;
use pomona_protocol::{Cause, FinishReason, Said, SessionEvent, SessionEventBody, SessionId, TurnView};
use serde::Serialize;

use crate::errors::ApiError;
use crate::responses::object::{Answer, Head, ResponseObject, blocks_of};
use crate::responses::output::{OutputItem, TextPart, item, item_id, text_part};
use crate::turnlog::blocks::{BlockKind, Change, pieces_of_tokens};
use crate::turnlog::body::{Dialect, put_event, put_json};

/// Number of the event that announces the first item.
const FIRST_ITEM: u64 = 2;
/// Number of the first token's delta.
const FIRST_DELTA: u64 = 4;
/// From the number behind the last token to that of the last event.
const LAST_EVENT: u64 = 4;
/// Numbers that a change from one item to another takes.
const CHANGE: u64 = 6;
/// Numbers of what ends an item.
const ITEM_END: u64 = 3;

/// The number of the last event that may have been sent of a turn that is so far.
pub(crate) fn last_number(turn: &TurnView) -> u64 {
    let behind_tokens = FIRST_DELTA + u64::from(turn.tokens) + CHANGE * blocks_of(turn).changes();
    if turn.state.is_ended() { behind_tokens + LAST_EVENT } else { behind_tokens - 1 }
}

/// Writes the stream of one response.
pub(crate) struct Sequence {
    session: Option<SessionId>,
    /// The number behind which to write; `None` writes all.
    after: Option<u64>,
    answer: Option<Answer>,
    /// Tokens so far.
    tokens: u32,
    /// What stands before and behind the number in a delta.
    delta: (Vec<u8>, Vec<u8>),
}

/// An event that speaks of the text of an item.
#[derive(Serialize)]
struct TextEvent<'a> {
    #[serde(rename = "type")]
    name: &'static str,
    sequence_number: u64,
    item_id: String,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<TextPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[u8; 0]>,
    #[serde(rename = "name", skip_serializing_if = "Option::is_none")]
    name_of_function: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
}

impl Sequence {
    /// `session` is that of a stored response.
    pub(crate) fn new(session: Option<SessionId>, after: Option<u64>) -> Self {
        Self { session, after, answer: None, tokens: 0, delta: (Vec::new(), Vec::new()) }
    }

    /// The response so far.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    fn is_wanted(&self, number: u64) -> bool {
        self.after.is_none_or(|after| number > after)
    }

    fn begin(&mut self, event: &SessionEvent, out: &mut BytesMut) {
        let Some(head) = Head::of(self.session, event) else { return };
        self.answer = Some(Answer::new(head));
        self.whole(0, "response.created", out);
        self.whole(1, "response.in_progress", out);
    }

    /// An event that carries the response.
    fn whole(&self, number: u64, name: &'static str, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct Data<'a> {
            #[serde(rename = "type")]
            name: &'static str,
            sequence_number: u64,
            response: ResponseObject<'a>,
        }
        if let Some(answer) = self.answer.as_ref().filter(|_| self.is_wanted(number)) {
            put_event(out, name, &Data { name, sequence_number: number, response: answer.object() });
        }
    }

    /// Number of the delta of a token, or of what is behind the last one.
    fn number_of(&self, token: u32) -> u64 {
        let changes = self.answer.as_ref().map_or(0, |answer| answer.blocks.changes());
        FIRST_DELTA + u64::from(token) + CHANGE * changes
    }

    /// A piece of what is said, which token `token` made certain.
    fn say(&mut self, token: u32, kind: &Said, piece: &str, out: &mut BytesMut) {
        let Some(answer) = &mut self.answer else { return };
        let changes = answer.blocks.take(kind, piece);
        self.change(token, &changes, out);
        self.delta(self.number_of(token), piece, out);
    }

    /// The answer goes on in other items.
    fn change(&mut self, token: u32, changes: &[Change], out: &mut BytesMut) {
        for change in changes {
            let before = FIRST_DELTA + u64::from(token) + CHANGE * change.number.saturating_sub(1);
            if let Some(left) = change.left {
                self.close(left, before + 1, "completed", out);
            }
            let first = if change.number == 0 { FIRST_ITEM } else { before + 1 + ITEM_END };
            if let Some(begun) = change.begun {
                self.item(begun, first, "response.output_item.added", "in_progress", true, out);
                self.content(begun, first + 1, "response.content_part.added", "", out);
            }
        }
        if !changes.is_empty() {
            self.prepare_deltas();
        }
    }

    /// Writes once what every delta of the current item says.
    fn prepare_deltas(&mut self) {
        let Some(answer) = &self.answer else { return };
        let blocks = answer.blocks.all();
        let Some((at, block)) = answer.blocks.current().and_then(|at| Some((at, blocks.get(at)?))) else {
            return;
        };
        let (name, part) = match block.kind {
            BlockKind::Text => ("response.output_text.delta", ",\"content_index\":0,\"logprobs\":[]"),
            BlockKind::Reasoning => ("response.reasoning_text.delta", ",\"content_index\":0"),
            BlockKind::Call { .. } => ("response.function_call_arguments.delta", ""),
        };
        let id = item_id(answer.head.turn, blocks, at);
        self.delta.0 = format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":").into();
        self.delta.1 = format!(",\"item_id\":\"{id}\",\"output_index\":{at}{part},\"delta\":").into();
    }

    fn delta(&self, number: u64, text: &str, out: &mut BytesMut) {
        if text.is_empty() || !self.is_wanted(number) {
            return;
        }
        out.reserve(self.delta.0.len() + self.delta.1.len() + text.len() + 32);
        out.put_slice(&self.delta.0);
        put_json(out, &number);
        out.put_slice(&self.delta.1);
        put_json(out, text);
        out.put_slice(b"}\n\n");
    }

    /// What ends an item, from this number on.
    fn close(&self, at: usize, number: u64, status: &'static str, out: &mut BytesMut) {
        let Some(answer) = &self.answer else { return };
        let Some(block) = answer.blocks.all().get(at) else { return };
        let text = block.text.as_str();
        let base = |name, number| TextEvent {
            name,
            sequence_number: number,
            item_id: item_id(answer.head.turn, answer.blocks.all(), at),
            output_index: at,
            content_index: Some(0),
            part: None,
            text: None,
            logprobs: None,
            name_of_function: None,
            arguments: None,
        };
        let done = match &block.kind {
            BlockKind::Text => {
                let base = base("response.output_text.done", number);
                TextEvent { text: Some(text), logprobs: Some([]), ..base }
            }
            BlockKind::Reasoning => {
                TextEvent { text: Some(text), ..base("response.reasoning_text.done", number) }
            }
            BlockKind::Call { name, .. } => TextEvent {
                content_index: None,
                name_of_function: Some(name),
                arguments: Some(text),
                ..base("response.function_call_arguments.done", number)
            },
        };
        if self.is_wanted(number) {
            put_event(out, done.name, &done);
        }
        self.content(at, number + 1, "response.content_part.done", text, out);
        self.item(at, number + 2, "response.output_item.done", status, false, out);
    }

    /// An event that carries an item.
    fn item(
        &self,
        at: usize,
        number: u64,
        name: &'static str,
        status: &'static str,
        is_new: bool,
        out: &mut BytesMut,
    ) {
        #[derive(Serialize)]
        struct Data<'a> {
            #[serde(rename = "type")]
            name: &'static str,
            sequence_number: u64,
            output_index: usize,
            item: OutputItem<'a>,
        }
        let Some(answer) = self.answer.as_ref().filter(|_| self.is_wanted(number)) else { return };
        if let Some(item) = item(answer.head.turn, answer.blocks.all(), at, status, is_new) {
            put_event(out, name, &Data { name, sequence_number: number, output_index: at, item });
        }
    }

    /// An event that carries the content of an item; calls have none.
    fn content(&self, at: usize, number: u64, name: &'static str, text: &str, out: &mut BytesMut) {
        let Some(answer) = self.answer.as_ref().filter(|_| self.is_wanted(number)) else { return };
        let blocks = answer.blocks.all();
        let part = blocks.get(at).and_then(|block| text_part(&block.kind, text));
        if part.is_some() {
            let data = TextEvent {
                name,
                sequence_number: number,
                item_id: item_id(answer.head.turn, blocks, at),
                output_index: at,
                content_index: Some(0),
                part,
                text: None,
                logprobs: None,
                name_of_function: None,
                arguments: None,
            };
            put_event(out, name, &data);
        }
    }

    fn finish(&mut self, reason: FinishReason, out: &mut BytesMut) {
        let Some(answer) = &mut self.answer else { return };
        let changes = answer.blocks.end();
        self.change(self.tokens, &changes, out);
        let number = self.number_of(self.tokens);
        let last = self.answer.as_ref().and_then(|answer| {
            let at = answer.blocks.current()?;
            Some((at, answer.item_status(at)))
        });
        if let Some((at, status)) = last {
            self.close(at, number + 1, status, out);
        }
        let name = match reason {
            FinishReason::Stop | FinishReason::ToolCalls => "response.completed",
            FinishReason::Length | FinishReason::Cancelled => "response.incomplete",
        };
        self.whole(number + LAST_EVENT, name, out);
    }

    /// The number of the newest event.
    fn newest(&self) -> u64 {
        let Some(answer) = &self.answer else { return 0 };
        let behind_tokens = self.number_of(self.tokens);
        match answer.blocks.current() {
            _ if answer.state.is_ended() => behind_tokens + LAST_EVENT,
            Some(_) => behind_tokens - 1,
            None => 1,
        }
    }
}

impl Dialect for Sequence {
    const KEEP_ALIVE: &'static [u8] = b": keep-alive\n\n";

    fn write(&mut self, event: &SessionEvent, out: &mut BytesMut) {
        if let Some(answer) = &mut self.answer {
            answer.apply(event);
        }
        match &event.body {
            SessionEventBody::Accepted { .. } => self.begin(event, out),
            SessionEventBody::Tokens { first, ids, text, marks, ends, .. } => {
                for (token, kind, piece) in pieces_of_tokens(*first, text, marks, ends) {
                    self.say(token, kind, piece, out);
                }
                self.tokens = first + ids.len() as u32;
            }
            SessionEventBody::Finished { reason, text, marks, .. } => {
                for (kind, piece) in pieces(text, marks) {
                    self.say(self.tokens, kind, piece, out);
                }
                self.finish(*reason, out);
            }
            SessionEventBody::Failed { cause, .. } => {
                let name = match cause {
                    Cause::Cancelled => "response.incomplete",
                    _ => "response.failed",
                };
                self.whole(self.number_of(self.tokens) + LAST_EVENT, name, out);
            }
            SessionEventBody::Created { .. }
            | SessionEventBody::Updated { .. }
            | SessionEventBody::ContextDropped { .. }
            | SessionEventBody::Started { .. }
            | SessionEventBody::CancelAsked { .. }
            | SessionEventBody::BranchChosen { .. }
            | SessionEventBody::Deleted { .. } => {}
        }
    }

    fn cut(&mut self, cause: Cause, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct Data<'a> {
            #[serde(rename = "type")]
            name: &'static str,
            sequence_number: u64,
            code: &'a str,
            message: &'a str,
            param: Option<&'a str>,
        }
        let error = ApiError::from(cause);
        let data = Data {
            name: "error",
            sequence_number: self.newest(),
            code: error.code(),
            message: error.message(),
            param: None,
        };
        put_event(out, "error", &data);
    }
}

#[cfg(test)]
mod tests;
