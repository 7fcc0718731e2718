//! The numbered events of a response's stream, as a pure function of the events of its turn: whoever asks again from a
//! number gets the same bytes as the first time, whatever gateway answers and however the log was cut.
//!
//! | number | event |
//! | --- | --- |
//! | 0, 1 | `response.created`, `response.in_progress` |
//! | 2, 3 | `response.output_item.added`, `response.content_part.added`, once an engine took the prompt |
//! | 4 + i | `response.output_text.delta` of token i; a token without text keeps its number and is not sent |
//! | 4 + n | the delta behind the last of n tokens, when there is text |
//! | 5 + n to 7 + n | `response.output_text.done`, `response.content_part.done`, `response.output_item.done` |
//! | 8 + n | `response.completed`, or `response.incomplete` for one that was cut short or cancelled |
//!
//! A failure is `response.failed` with number 8 + n, whatever came before it.

use bytes::{BufMut, BytesMut};
use pomona_protocol::{Cause, FinishReason, SessionEvent, SessionEventBody, SessionId, TurnState, TurnView};
use serde::Serialize;

use crate::errors::ApiError;
use crate::responses::object::{Answer, Head, OutputText, ResponseObject, message_id};
use crate::turnlog::body::{Dialect, put_event, put_json, texts};

/// Number of the first token's delta.
const FIRST_DELTA: u64 = 4;
/// From the number behind the last token to that of the last event.
const LAST_EVENT: u64 = 4;

/// The number of the last event that may have been sent of a turn that is so far.
pub(crate) fn last_number(turn: &TurnView) -> u64 {
    let behind_tokens = FIRST_DELTA + u64::from(turn.tokens);
    if turn.state.is_ended() { behind_tokens + LAST_EVENT } else { behind_tokens - 1 }
}

/// Writes the stream of one response.
pub(crate) struct Sequence {
    session: Option<SessionId>,
    /// The number behind which to write; `None` writes all.
    after: Option<u64>,
    answer: Option<Answer>,
    /// Whether the message was announced.
    is_open: bool,
    /// Tokens so far.
    tokens: u32,
    /// What stands before and behind the number in a delta.
    delta: (Vec<u8>, Vec<u8>),
}

impl Sequence {
    /// `session` is that of a stored response.
    pub(crate) fn new(session: Option<SessionId>, after: Option<u64>) -> Self {
        Self { session, after, answer: None, is_open: false, tokens: 0, delta: (Vec::new(), Vec::new()) }
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
        const NAME: &str = "response.output_text.delta";
        let message = message_id(head.turn);
        self.delta.0 = format!("event: {NAME}\ndata: {{\"type\":\"{NAME}\",\"sequence_number\":").into();
        self.delta.1 = format!(
            ",\"item_id\":\"{message}\",\"output_index\":0,\"content_index\":0,\"logprobs\":[],\"delta\":"
        )
        .into();
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

    /// Announces the message, once.
    fn open(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.is_open, true) {
            return;
        }
        self.item(2, "response.output_item.added", Vec::new(), out);
        self.part(3, "response.content_part.added", Some(OutputText::new("")), None, out);
    }

    /// An event that carries the message.
    fn item(&self, number: u64, name: &'static str, content: Vec<OutputText<'_>>, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct Data<'a> {
            #[serde(rename = "type")]
            name: &'static str,
            sequence_number: u64,
            output_index: u32,
            item: crate::responses::object::OutputMessage<'a>,
        }
        let Some(answer) = self.answer.as_ref().filter(|_| self.is_wanted(number)) else { return };
        let item = crate::responses::object::OutputMessage {
            id: message_id(answer.head.turn),
            kind: "message",
            status: answer.message_status(),
            role: "assistant",
            content,
        };
        put_event(out, name, &Data { name, sequence_number: number, output_index: 0, item });
    }

    /// An event that carries the text, as a part or plain.
    fn part(
        &self,
        number: u64,
        name: &'static str,
        part: Option<OutputText<'_>>,
        text: Option<&str>,
        out: &mut BytesMut,
    ) {
        #[derive(Serialize)]
        struct Data<'a> {
            #[serde(rename = "type")]
            name: &'static str,
            sequence_number: u64,
            item_id: String,
            output_index: u32,
            content_index: u32,
            #[serde(skip_serializing_if = "Option::is_none")]
            part: Option<OutputText<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            text: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            logprobs: Option<[u8; 0]>,
        }
        let Some(answer) = self.answer.as_ref().filter(|_| self.is_wanted(number)) else { return };
        let data = Data {
            name,
            sequence_number: number,
            item_id: message_id(answer.head.turn),
            output_index: 0,
            content_index: 0,
            part,
            text,
            logprobs: text.map(|_| []),
        };
        put_event(out, name, &data);
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

    fn finish(&mut self, reason: FinishReason, tail: &str, out: &mut BytesMut) {
        self.open(out);
        let number = FIRST_DELTA + u64::from(self.tokens);
        self.delta(number, tail, out);
        let Some(answer) = &self.answer else { return };
        let text = &answer.text;
        self.part(number + 1, "response.output_text.done", None, Some(text), out);
        self.part(number + 2, "response.content_part.done", Some(OutputText::new(text)), None, out);
        self.item(number + 3, "response.output_item.done", vec![OutputText::new(text)], out);
        let name = match reason {
            FinishReason::Stop => "response.completed",
            FinishReason::Length | FinishReason::Cancelled => "response.incomplete",
        };
        self.whole(number + LAST_EVENT, name, out);
    }

    /// The number of the newest event.
    fn newest(&self) -> u64 {
        let Some(answer) = &self.answer else { return 0 };
        match (&answer.state, self.is_open) {
            (TurnState::Finished(_) | TurnState::Failed(_), _) => {
                FIRST_DELTA + u64::from(self.tokens) + LAST_EVENT
            }
            (TurnState::Queued | TurnState::Running, true) => FIRST_DELTA + u64::from(self.tokens) - 1,
            (TurnState::Queued | TurnState::Running, false) => 1,
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
            SessionEventBody::Started { .. } => self.open(out),
            SessionEventBody::Tokens { first, text, ends, .. } => {
                self.open(out);
                for (index, piece) in texts(*first, text, ends) {
                    self.delta(FIRST_DELTA + u64::from(index), piece, out);
                    self.tokens = index + 1;
                }
            }
            SessionEventBody::Finished { reason, text, .. } => self.finish(*reason, text, out),
            SessionEventBody::Failed { cause, .. } => {
                let number = FIRST_DELTA + u64::from(self.tokens) + LAST_EVENT;
                let name = match cause {
                    Cause::Cancelled => "response.incomplete",
                    _ => "response.failed",
                };
                self.whole(number, name, out);
            }
            SessionEventBody::Created { .. }
            | SessionEventBody::Updated { .. }
            | SessionEventBody::ContextDropped { .. }
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
