//! Writes the events of a streamed answer. This is the path of every token, so what does not change within an
//! answer is written once, and a token costs one escape of its text and a few copies into a reused buffer.

use bytes::{BufMut, BytesMut};
use pomona_protocol::said::{call_id, pieces};
use pomona_protocol::{FinishReason, Mark, Said, TokenLogprob, TurnId, Usage};
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
        FinishReason::ToolCalls => "tool_calls",
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
    turn: TurnId,
    has_begun: bool,
    /// Calls of tools that were told to have begun.
    calls: Vec<u32>,
    /// Characters said so far; the older shape counts them.
    offset: usize,
}

impl ChunkWriter {
    pub(crate) fn new(
        shape: Shape,
        answer: &AnswerHead,
        fingerprint: &str,
        choices: &[TurnId],
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
        let choice = |(index, turn): (usize, &TurnId)| {
            let index = format!("{{\"index\":{index},");
            let head = [&head, index.as_bytes()].concat();
            Choice { head, turn: *turn, has_begun: false, calls: Vec::new(), offset: 0 }
        };
        let choices = choices.iter().enumerate().map(choice).collect();
        let tail: &[u8] = if include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" };
        Self { shape, head, tail, choices }
    }

    /// Text, and the tokens behind it when they were asked for.
    pub(crate) fn text(
        &mut self,
        index: usize,
        text: &str,
        marks: &[Mark],
        logprobs: &[TokenLogprob],
        out: &mut BytesMut,
    ) {
        if self.shape == Shape::Completion || marks.is_empty() {
            return self.plain(index, text, logprobs, out);
        }
        let mut logprobs = Some(logprobs);
        for (kind, piece) in pieces(text, marks) {
            // They belong to the tokens of the whole event; its first chunk carries them.
            self.piece(index, kind, piece, logprobs.take().unwrap_or_default(), out);
        }
        self.plain(index, "", logprobs.take().unwrap_or_default(), out);
    }

    /// A piece of one kind.
    fn piece(
        &mut self,
        index: usize,
        kind: &Said,
        piece: &str,
        logprobs: &[TokenLogprob],
        out: &mut BytesMut,
    ) {
        let Said::Call { index: call, name } = kind else {
            let field: &[u8] = if *kind == Said::Reasoning { b"reasoning_content" } else { b"content" };
            return self.delta(index, field, piece, logprobs, out);
        };
        self.begin(index, out);
        let choice = &mut self.choices[index];
        let begins = !choice.calls.contains(call);
        if begins {
            choice.calls.push(*call);
        }
        let delta = CallDelta {
            index: *call,
            id: begins.then(|| call_id(choice.turn, *call)),
            kind: begins.then_some("function"),
            function: FunctionDelta {
                name: begins.then(|| name.as_deref().unwrap_or_default()),
                arguments: piece,
            },
        };
        out.put_slice(&choice.head);
        out.put_slice(b"\"delta\":{\"tool_calls\":[");
        write_json(out.writer(), &delta);
        out.put_slice(b"]},\"logprobs\":");
        self.end_of_delta(index, logprobs, out);
    }

    /// Text of the answer itself.
    fn plain(&mut self, index: usize, text: &str, logprobs: &[TokenLogprob], out: &mut BytesMut) {
        if !text.is_empty() || !logprobs.is_empty() {
            self.delta(index, b"content", text, logprobs, out);
        }
    }

    fn delta(
        &mut self,
        index: usize,
        field: &[u8],
        text: &str,
        logprobs: &[TokenLogprob],
        out: &mut BytesMut,
    ) {
        self.begin(index, out);
        let choice = &self.choices[index];
        out.reserve(choice.head.len() + text.len() + 128);
        out.put_slice(&choice.head);
        match self.shape {
            Shape::Chat => {
                out.put_slice(b"\"delta\":{\"");
                out.put_slice(field);
                out.put_slice(b"\":");
                write_json(out.writer(), text);
                out.put_slice(b"},\"logprobs\":");
            }
            Shape::Completion => {
                out.put_slice(b"\"text\":");
                write_json(out.writer(), text);
                out.put_slice(b",\"logprobs\":");
            }
        }
        self.end_of_delta(index, logprobs, out);
    }

    fn end_of_delta(&mut self, index: usize, logprobs: &[TokenLogprob], out: &mut BytesMut) {
        let choice = &mut self.choices[index];
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

    /// The last chunk of a choice. The stop string that was met is not OpenAI's to tell.
    pub(crate) fn end(&mut self, index: usize, reason: FinishReason, stop: Option<&str>, out: &mut BytesMut) {
        self.begin(index, out);
        out.put_slice(&self.choices[index].head);
        out.put_slice(match self.shape {
            Shape::Chat => b"\"delta\":{},\"logprobs\":null,\"finish_reason\":\"",
            Shape::Completion => b"\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"",
        });
        out.put_slice(finish_word(reason).as_bytes());
        out.put_slice(b"\"");
        if let Some(stop) = stop {
            out.put_slice(b",\"stop_reason\":");
            write_json(out.writer(), stop);
        }
        out.put_slice(b"}");
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

/// More of a call of a tool; the first one of a call says whose it is.
#[derive(Serialize)]
struct CallDelta<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// Plain values into memory: neither can fail.
fn write_json<T: Serialize + ?Sized>(out: impl std::io::Write, value: &T) {
    if let Err(error) = serde_json::to_writer(out, value) {
        tracing::error!(%error, "a chunk does not serialise");
    }
}

#[cfg(test)]
mod tests;
