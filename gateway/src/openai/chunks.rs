//! Writes the events of a streamed answer. This is the path of every token, so what does not change within an
//! answer is written once, and a token costs one escape of its text and a few copies into a reused buffer.

use bytes::{BufMut, BytesMut};
use pomona_protocol::{FinishReason, TokenLogprob, Usage};
use serde::Serialize;

use crate::errors::ApiError;
use crate::openai::answer::UsageBody;
use crate::openai::logprobs::{ChatLogprobs, CompletionLogprobs};
use crate::openai::plan::AnswerHead;

/// Which of OpenAI's two shapes an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completion,
}

impl Shape {
    /// The id of an answer in this shape.
    pub(crate) fn answer_id(self, head: &AnswerHead) -> String {
        let prefix = match self {
            Shape::Chat => "chatcmpl",
            Shape::Completion => "cmpl",
        };
        format!("{prefix}-{:032x}", head.turn.0)
    }
}

/// The word that clients know for a reason.
pub(crate) fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::Cancelled => "cancelled",
    }
}

/// Turns events into server-sent events.
pub(crate) struct ChunkWriter {
    shape: Shape,
    /// `data: {…,"choices":[` of every chunk.
    head: Vec<u8>,
    /// What stands behind the choices: an empty usage when usage was asked for, and the end.
    tail: &'static [u8],
    choices: Vec<Choice>,
}

struct Choice {
    /// `head` and the index of this choice.
    head: Vec<u8>,
    has_begun: bool,
    /// Characters said so far; the older shape counts them.
    offset: usize,
}

impl ChunkWriter {
    pub(crate) fn new(
        shape: Shape,
        answer: &AnswerHead,
        fingerprint: &str,
        choices: usize,
        include_usage: bool,
    ) -> Self {
        #[derive(Serialize)]
        struct Head<'a> {
            id: &'a str,
            object: &'a str,
            created: u64,
            model: &'a str,
            system_fingerprint: &'a str,
        }
        let object = match shape {
            Shape::Chat => "chat.completion.chunk",
            Shape::Completion => "text_completion",
        };
        let id = shape.answer_id(answer);
        let fields = Head {
            id: &id,
            object,
            created: answer.created,
            model: &answer.model,
            system_fingerprint: fingerprint,
        };
        let mut head = b"data: ".to_vec();
        write_json(&mut head, &fields);
        head.pop();
        head.extend_from_slice(b",\"choices\":[");
        let choice = |index: usize| {
            let index = format!("{{\"index\":{index},");
            Choice { head: [&head, index.as_bytes()].concat(), has_begun: false, offset: 0 }
        };
        let choices = (0..choices).map(choice).collect();
        let tail: &[u8] = if include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" };
        Self { shape, head, tail, choices }
    }

    /// Text, and the tokens behind it when they were asked for.
    pub(crate) fn text(&mut self, index: usize, text: &str, logprobs: &[TokenLogprob], out: &mut BytesMut) {
        if text.is_empty() && logprobs.is_empty() {
            return;
        }
        self.begin(index, out);
        let choice = &mut self.choices[index];
        out.reserve(choice.head.len() + text.len() + 128);
        out.put_slice(&choice.head);
        match self.shape {
            Shape::Chat => {
                out.put_slice(b"\"delta\":{\"content\":");
                write_json(out.writer(), text);
                out.put_slice(b"},\"logprobs\":");
            }
            Shape::Completion => {
                out.put_slice(b"\"text\":");
                write_json(out.writer(), text);
                out.put_slice(b",\"logprobs\":");
            }
        }
        match self.shape {
            _ if logprobs.is_empty() => out.put_slice(b"null"),
            Shape::Chat => write_json(out.writer(), &ChatLogprobs(logprobs)),
            Shape::Completion => {
                let tokens = CompletionLogprobs { tokens: logprobs, offset: choice.offset };
                write_json(out.writer(), &tokens);
                choice.offset = tokens.end();
            }
        }
        out.put_slice(b",\"finish_reason\":null}");
        out.put_slice(self.tail);
    }

    /// The last chunk of a choice.
    pub(crate) fn end(&mut self, index: usize, reason: FinishReason, out: &mut BytesMut) {
        self.begin(index, out);
        out.put_slice(&self.choices[index].head);
        out.put_slice(match self.shape {
            Shape::Chat => b"\"delta\":{},\"logprobs\":null,\"finish_reason\":\"",
            Shape::Completion => b"\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"",
        });
        out.put_slice(finish_word(reason).as_bytes());
        out.put_slice(b"\"}");
        out.put_slice(self.tail);
    }

    /// The chunk behind all choices, for who asked for it.
    pub(crate) fn usage(&self, usage: Usage, out: &mut BytesMut) {
        out.put_slice(&self.head);
        out.put_slice(b"],\"usage\":");
        write_json(out.writer(), &UsageBody::from(usage));
        out.put_slice(b"}\n\n");
    }

    /// The end of an answer that cannot go on; nothing follows it.
    pub(crate) fn failure(error: &ApiError, out: &mut BytesMut) {
        out.put_slice(b"data: ");
        out.put_slice(&error.to_json());
        out.put_slice(b"\n\n");
    }

    /// A chat answer says first who speaks. It comes with the first text, so that a client's clock for the
    /// first token is not stopped before there is one.
    fn begin(&mut self, index: usize, out: &mut BytesMut) {
        let choice = &mut self.choices[index];
        if self.shape == Shape::Chat && !choice.has_begun {
            choice.has_begun = true;
            out.put_slice(&choice.head);
            out.put_slice(b"\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}");
            out.put_slice(self.tail);
        }
    }
}

/// Plain values into memory: neither can fail.
fn write_json<T: Serialize + ?Sized>(out: impl std::io::Write, value: &T) {
    if let Err(error) = serde_json::to_writer(out, value) {
        tracing::error!(%error, "a chunk does not serialise");
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::TurnId;
    use serde_json::{Value, json};

    use super::*;

    fn writer(shape: Shape, include_usage: bool) -> ChunkWriter {
        let head = AnswerHead { turn: TurnId(255), model: "a\"b".into(), created: 7 };
        ChunkWriter::new(shape, &head, "pomona-0", 2, include_usage)
    }

    fn events(out: &BytesMut) -> Vec<Value> {
        let text = std::str::from_utf8(out).unwrap();
        assert!(text.ends_with("\n\n"));
        let events = text.split_terminator("\n\n");
        events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }

    #[test]
    fn a_chat_stream_is_role_text_end_usage() {
        let mut out = BytesMut::new();
        let mut writer = writer(Shape::Chat, true);
        writer.text(1, "", &[], &mut out);
        assert!(out.is_empty(), "nothing certain yet, nothing said");
        writer.text(1, "a \"q\"\n\u{1}é", &[], &mut out);
        writer.end(1, FinishReason::Length, &mut out);
        writer.usage(Usage { prompt_tokens: 5, cached_tokens: 2, completion_tokens: 3 }, &mut out);
        let events = events(&out);
        assert_eq!(events.len(), 4);
        for event in &events {
            assert_eq!(event["id"], "chatcmpl-000000000000000000000000000000ff");
            assert_eq!(
                (&event["object"], &event["model"]),
                (&json!("chat.completion.chunk"), &json!("a\"b"))
            );
            assert_eq!((&event["created"], &event["system_fingerprint"]), (&json!(7), &json!("pomona-0")));
        }
        assert_eq!(
            events[0]["choices"],
            json!([{"index": 1, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}])
        );
        assert_eq!(events[1]["choices"][0]["delta"], json!({"content": "a \"q\"\n\u{1}é"}));
        assert_eq!(events[1]["usage"], Value::Null);
        assert_eq!(
            events[2]["choices"],
            json!([{"index": 1, "delta": {}, "logprobs": null, "finish_reason": "length"}])
        );
        assert_eq!(events[3]["choices"], json!([]));
        assert_eq!(events[3]["usage"]["total_tokens"], 8);
        assert_eq!(events[3]["usage"]["prompt_tokens_details"]["cached_tokens"], 2);
    }

    #[test]
    fn a_completion_stream_is_text_and_end() {
        let mut out = BytesMut::new();
        let mut writer = writer(Shape::Completion, false);
        writer.text(0, "hi", &[], &mut out);
        writer.end(0, FinishReason::Stop, &mut out);
        let events = events(&out);
        assert_eq!(
            events[0]["choices"],
            json!([{"index": 0, "text": "hi", "logprobs": null, "finish_reason": null}])
        );
        assert_eq!(
            events[1]["choices"],
            json!([{"index": 0, "text": "", "logprobs": null, "finish_reason": "stop"}])
        );
        assert!(events[0].get("usage").is_none());
    }
}
