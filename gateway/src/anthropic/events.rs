//! Anthropic's stream, as a pure function of the events of a turn: the events of a lasting one have numbers, behind any
//! of which the same bytes follow each time.
//!
//! | number | event |
//! | --- | --- |
//! | 0 to 2 | `message_start`, `content_block_start`, `ping`, once an engine took the prompt |
//! | 3 + i | `content_block_delta` of token i; a token without text keeps its number and is not sent |
//! | 3 + n | the delta behind the last of n tokens, when there is text |
//! | 4 + n to 6 + n | `content_block_stop`, `message_delta`, `message_stop` |
//!
//! An `error` has no number: who comes again hears it again.

use bytes::{BufMut, BytesMut};
use pomona_protocol::{Cause, FinishReason, SessionEvent, SessionEventBody, TurnId, TurnView, Usage};
use serde::Serialize;

use crate::anthropic::error::Refusal;
use crate::anthropic::message::{MessageBody, MessageUsage, TextBlock, stop_reason};
use crate::turnlog::body::{Dialect, put_event, put_json, texts};

/// Number of the first token's delta.
const FIRST_DELTA: u64 = 3;
/// From the number behind the last token to that of the last event.
const LAST_EVENT: u64 = 3;

/// The number of the last event that may have been sent of a turn that is so far.
pub(crate) fn last_number(turn: &TurnView) -> u64 {
    let behind_tokens = FIRST_DELTA + u64::from(turn.tokens);
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
        #[derive(Serialize)]
        struct BlockStart<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            index: u32,
            content_block: TextBlock<'a>,
        }
        if std::mem::replace(&mut self.is_open, true) {
            return;
        }
        if self.begin(0, out) {
            let message = MessageBody::new(self.turn, &self.model, None, None, usage);
            put_event(out, "message_start", &Start { kind: "message_start", message });
        }
        if self.begin(1, out) {
            let start =
                BlockStart { kind: "content_block_start", index: 0, content_block: TextBlock::new("") };
            put_event(out, "content_block_start", &start);
        }
        if self.begin(2, out) {
            out.put_slice(Self::KEEP_ALIVE);
        }
    }

    fn delta(&self, number: u64, text: &str, out: &mut BytesMut) {
        if text.is_empty() || !self.begin(number, out) {
            return;
        }
        out.put_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
              \"delta\":{\"type\":\"text_delta\",\"text\":",
        );
        put_json(out, text);
        out.put_slice(b"}}\n\n");
    }

    fn finish(&mut self, reason: FinishReason, tail: &str, usage: Usage, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct Stop {
            #[serde(rename = "type")]
            kind: &'static str,
            delta: StopDelta,
            usage: MessageUsage,
        }
        #[derive(Serialize)]
        struct StopDelta {
            stop_reason: &'static str,
            stop_sequence: Option<&'static str>,
        }
        self.open(Usage { completion_tokens: 0, ..usage }, out);
        let number = FIRST_DELTA + u64::from(self.tokens);
        self.delta(number, tail, out);
        if self.begin(number + 1, out) {
            out.put_slice(
                b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
            );
        }
        if self.begin(number + 2, out) {
            let delta = StopDelta { stop_reason: stop_reason(reason), stop_sequence: None };
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
                    completion_tokens: 0,
                };
                self.open(usage, out);
            }
            SessionEventBody::Tokens { first, text, ends, .. } => {
                self.open(Usage::default(), out);
                for (index, piece) in texts(*first, text, ends) {
                    self.delta(FIRST_DELTA + u64::from(index), piece, out);
                    self.tokens = index + 1;
                }
            }
            SessionEventBody::Finished { reason: FinishReason::Cancelled, .. } => {
                self.cut(Cause::Cancelled, out);
            }
            SessionEventBody::Finished { reason, text, usage, .. } => self.finish(*reason, text, *usage, out),
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
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::turnlog::testing::{every_cut, failed, finished, log};

    fn said(events: &[SessionEvent], mut wording: Wording) -> String {
        let mut out = BytesMut::new();
        events.iter().for_each(|event| wording.write(event, &mut out));
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn read(said: &str) -> Vec<(Option<u64>, Value)> {
        let events = said.split_terminator("\n\n").map(|event| {
            let (id, event) = match event.strip_prefix("id: ") {
                Some(rest) => rest.split_once('\n').map(|(id, rest)| (id.parse().ok(), rest)).unwrap(),
                None => (None, event),
            };
            let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name, data["type"]);
            (id, data)
        });
        events.collect()
    }

    fn logs() -> Vec<Vec<SessionEvent>> {
        let texts = ["Hel", "", "lo \"é\"\n"];
        vec![
            log(&texts, finished(FinishReason::Stop, "!")),
            log(&texts, finished(FinishReason::Length, "")),
            log(&texts, finished(FinishReason::Cancelled, "")),
            log(&texts, failed()),
        ]
    }

    #[test]
    fn any_cut_of_the_log_and_any_number_give_the_same_bytes() {
        for log in logs() {
            let whole = said(&log, Wording::lasting(None));
            let ids: Vec<_> = read(&whole).into_iter().map(|(id, _)| id).collect();
            for cut in every_cut(&log) {
                assert_eq!(said(&cut, Wording::lasting(None)), whole);
                for after in 0..10 {
                    let expected: String = whole
                        .split_inclusive("\n\n")
                        .zip(&ids)
                        .filter(|(_, id)| id.is_none_or(|id| id > after))
                        .map(|(event, _)| event)
                        .collect();
                    assert_eq!(said(&cut, Wording::lasting(Some(after))), expected, "after {after}");
                }
            }
        }
    }

    #[test]
    fn a_stream_is_what_anthropics_clients_expect() {
        let events: Vec<Value> = read(&said(&logs()[0], Wording::passing()))
            .into_iter()
            .map(|(id, data)| {
                assert_eq!(id, None);
                data
            })
            .collect();
        let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let delta = "content_block_delta";
        assert_eq!(
            names,
            [
                "message_start",
                "content_block_start",
                "ping",
                delta,
                delta,
                delta,
                "content_block_stop",
                "message_delta",
                "message_stop"
            ]
        );
        let message = &events[0]["message"];
        assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &Value::Null));
        let usage = json!({"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 0});
        assert_eq!(message["usage"], usage);
        assert_eq!(events[1]["content_block"], json!({"type": "text", "text": ""}));
        let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(text, "Hello \"é\"\n!");
        assert_eq!(events[7]["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
        assert_eq!(events[7]["usage"]["output_tokens"], 4);
    }

    #[test]
    fn an_answer_that_cannot_go_on_ends_with_an_error_without_number() {
        for (log, kind) in [(&logs()[2], "invalid_request_error"), (&logs()[3], "api_error")] {
            let (id, last) = read(&said(log, Wording::lasting(None))).pop().unwrap();
            assert_eq!((id, &last["type"], &last["error"]["type"]), (None, &json!("error"), &json!(kind)));
        }
        let (_, end) = read(&said(&logs()[1], Wording::lasting(None))).remove(6);
        assert_eq!(end["delta"]["stop_reason"], "max_tokens");
    }
}
