//! Anthropic's stream, as a pure function of the events of a turn: the events of a lasting one have numbers, behind any
//! of which the same bytes follow each time.
//!
//! | number | event |
//! | --- | --- |
//! | 0, 1 | `message_start`, `ping`, once an engine took the prompt |
//! | 2 | `content_block_start` of the first block, with its first text |
//! | 3 + i + 3c | `content_block_delta` of token i, behind c changes from one block to another; a token without text keeps its number and is not sent |
//! | 4 + i + 3(c - 1), 5 + i + 3(c - 1) | `content_block_stop` and `content_block_start` of change c |
//! | 3 + n + 3c | the delta behind the last of n tokens, when there is text |
//! | 4 + n + 3c to 6 + n + 3c | `content_block_stop`, `message_delta`, `message_stop` |
//!
//! An `error` has no number: who comes again hears it again.

use bytes::{BufMut, BytesMut};
use pomona_protocol::said::pieces;
use pomona_protocol::{
    Cause, FinishReason, Said, SessionEvent, SessionEventBody, TurnId, TurnState, TurnView, Usage,
};
use serde::Serialize;

use crate::anthropic::error::Refusal;
use crate::anthropic::message::{ContentBlock, MessageBody, MessageUsage, stop_reason};
use crate::turnlog::blocks::{BlockKind, Blocks, Change, pieces_of_tokens};
use crate::turnlog::body::{Dialect, put_event, put_json};

/// Number of the event that announces the first block.
const FIRST_BLOCK: u64 = 2;
/// Number of the first token's delta.
const FIRST_DELTA: u64 = 3;
/// From the number behind the last token to that of the last event.
const LAST_EVENT: u64 = 3;
/// Numbers that a change from one block to another takes.
const CHANGE: u64 = 3;

/// The number of the last event that may have been sent of a turn that is so far.
pub(crate) fn last_number(turn: &TurnView) -> u64 {
    let has_finished = matches!(turn.state, TurnState::Finished(_));
    let changes = Blocks::of(&turn.answer, &turn.marks, has_finished).changes();
    let behind_tokens = FIRST_DELTA + u64::from(turn.tokens) + CHANGE * changes;
    if turn.state.is_ended() { behind_tokens + LAST_EVENT } else { behind_tokens - 1 }
}

/// Writes the stream of one message.
pub(crate) struct Wording {
    /// Whether events carry their numbers.
    is_numbered: bool,
    /// The number behind which to write; `None` writes all.
    after: Option<u64>,
    turn: TurnId,
    model: String,
    is_open: bool,
    blocks: Blocks,
    /// Tokens so far.
    tokens: u32,
}

impl Wording {
    /// The whole stream of a turn by itself.
    pub(crate) fn passing() -> Self {
        Self {
            is_numbered: false,
            after: None,
            turn: TurnId(0),
            model: String::new(),
            is_open: false,
            blocks: Blocks::default(),
            tokens: 0,
        }
    }

    /// The stream of a turn of a session, behind a number.
    pub(crate) fn lasting(after: Option<u64>) -> Self {
        Self { is_numbered: true, after, ..Self::passing() }
    }

    /// Begins an event; whether it is wanted.
    fn begin(&self, number: u64, out: &mut BytesMut) -> bool {
        let is_wanted = self.after.is_none_or(|after| number > after);
        if is_wanted && self.is_numbered {
            out.put_slice(b"id: ");
            put_json(out, &number);
            out.put_slice(b"\n");
        }
        is_wanted
    }

    fn open(&mut self, usage: Usage, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct Start<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            message: MessageBody<'a>,
        }
        if std::mem::replace(&mut self.is_open, true) {
            return;
        }
        if self.begin(0, out) {
            let message = MessageBody::new(self.turn, &self.model, &[], None, usage);
            put_event(out, "message_start", &Start { kind: "message_start", message });
        }
        if self.begin(1, out) {
            out.put_slice(Self::KEEP_ALIVE);
        }
    }

    /// A piece of what is said, which token `token` made certain.
    fn say(&mut self, token: u32, kind: &Said, piece: &str, out: &mut BytesMut) {
        let changes = self.blocks.take(kind, piece);
        self.change(token, &changes, out);
        self.delta(self.number_of(token), piece, out);
    }

    /// Number of the delta of a token, or of what is behind the last one.
    fn number_of(&self, token: u32) -> u64 {
        FIRST_DELTA + u64::from(token) + CHANGE * self.blocks.changes()
    }

    /// The answer goes on in other blocks.
    fn change(&mut self, token: u32, changes: &[Change], out: &mut BytesMut) {
        #[derive(Serialize)]
        struct BlockStart<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            index: usize,
            content_block: ContentBlock<'a>,
        }
        for change in changes {
            let before = FIRST_DELTA + u64::from(token) + CHANGE * change.number.saturating_sub(1);
            if let Some(left) = change.left {
                self.stop_block(left, before + 1, out);
            }
            let number = if change.number == 0 { FIRST_BLOCK } else { before + 2 };
            let begun = change.begun.and_then(|at| Some((at, self.blocks.all().get(at)?)));
            if let Some((index, block)) = begun.filter(|_| self.begin(number, out)) {
                let content_block = ContentBlock::begun(self.turn, &block.kind);
                let start = BlockStart { kind: "content_block_start", index, content_block };
                put_event(out, start.kind, &start);
            }
        }
    }

    fn stop_block(&self, at: usize, number: u64, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct BlockStop {
            #[serde(rename = "type")]
            kind: &'static str,
            index: usize,
        }
        if self.begin(number, out) {
            put_event(out, "content_block_stop", &BlockStop { kind: "content_block_stop", index: at });
        }
    }

    fn delta(&self, number: u64, text: &str, out: &mut BytesMut) {
        let Some((at, block)) = self.blocks.current().and_then(|at| Some((at, self.blocks.all().get(at)?)))
        else {
            return;
        };
        if text.is_empty() || !self.begin(number, out) {
            return;
        }
        let head = match block.kind {
            BlockKind::Text => "\"text_delta\",\"text\":",
            BlockKind::Reasoning => "\"thinking_delta\",\"thinking\":",
            BlockKind::Call { .. } => "\"input_json_delta\",\"partial_json\":",
        };
        out.put_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        put_json(out, &at);
        out.put_slice(b",\"delta\":{\"type\":");
        out.put_slice(head.as_bytes());
        put_json(out, text);
        out.put_slice(b"}}\n\n");
    }

    fn finish(&mut self, reason: FinishReason, stop: Option<&str>, usage: Usage, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct Stop<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            delta: StopDelta<'a>,
            usage: MessageUsage,
        }
        #[derive(Serialize)]
        struct StopDelta<'a> {
            stop_reason: &'static str,
            stop_sequence: Option<&'a str>,
        }
        let changes = self.blocks.end();
        self.change(self.tokens, &changes, out);
        let number = self.number_of(self.tokens);
        if let Some(current) = self.blocks.current() {
            self.stop_block(current, number + 1, out);
        }
        if self.begin(number + 2, out) {
            let delta = StopDelta { stop_reason: stop_reason(reason, stop), stop_sequence: stop };
            put_event(out, "message_delta", &Stop { kind: "message_delta", delta, usage: usage.into() });
        }
        if self.begin(number + LAST_EVENT, out) {
            out.put_slice(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        }
    }
}

impl Dialect for Wording {
    const KEEP_ALIVE: &'static [u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

    fn write(&mut self, event: &SessionEvent, out: &mut BytesMut) {
        match &event.body {
            SessionEventBody::Accepted { turn, model, .. } => {
                self.turn = *turn;
                self.model.clone_from(&model.0);
            }
            SessionEventBody::Started { prompt_tokens, cached_tokens, .. } => {
                let usage = Usage {
                    prompt_tokens: *prompt_tokens,
                    cached_tokens: *cached_tokens,
                    ..Usage::default()
                };
                self.open(usage, out);
            }
            SessionEventBody::Tokens { first, ids, text, marks, ends, .. } => {
                self.open(Usage::default(), out);
                for (token, kind, piece) in pieces_of_tokens(*first, text, marks, ends) {
                    self.say(token, kind, piece, out);
                }
                self.tokens = first + ids.len() as u32;
            }
            SessionEventBody::Finished { reason: FinishReason::Cancelled, .. } => {
                self.cut(Cause::Cancelled, out);
            }
            SessionEventBody::Finished { reason, text, marks, usage, stop, .. } => {
                self.open(Usage { completion_tokens: 0, ..*usage }, out);
                for (kind, piece) in pieces(text, marks) {
                    self.say(self.tokens, kind, piece, out);
                }
                self.finish(*reason, stop.as_deref(), *usage, out);
            }
            SessionEventBody::Failed { cause, .. } => self.cut(cause.clone(), out),
            SessionEventBody::Created { .. }
            | SessionEventBody::Updated { .. }
            | SessionEventBody::ContextDropped { .. }
            | SessionEventBody::CancelAsked { .. }
            | SessionEventBody::BranchChosen { .. }
            | SessionEventBody::Deleted { .. } => {}
        }
    }

    fn cut(&mut self, cause: Cause, out: &mut BytesMut) {
        put_event(out, "error", &Refusal::from(cause).body());
    }
}

#[cfg(test)]
mod tests;
