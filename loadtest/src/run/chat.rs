//! Reads the events of a streamed chat completion, of our gateway or any other that speaks OpenAI's dialect.
//!
//! Within one answer, chunks differ in their text alone. So the first chunk with text is read as JSON and remembered as a
//! [`Pattern`], and those that follow are compared with it: two comparisons of bytes and a search for a quotation mark, a
//! tenth of the work of reading them. A chunk that differs anywhere else is read as JSON again.

use std::borrow::Cow;

use serde::Deserialize;

use super::broken::Broken;
use super::lines::{Line, Lines};
use super::tally::Tally;
use super::target::code_of;

/// A chunk, as far as it is looked at.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Cow<'a, str>>,
}

/// What a gateway counted.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    /// As sessions have it.
    #[serde(default)]
    cached_tokens: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: u32,
}

impl Usage {
    /// Tells a tally what was counted.
    pub(super) fn tell(self, tally: &mut Tally) {
        let cached = self.prompt_tokens_details.map_or(self.cached_tokens, |details| details.cached_tokens);
        tally.prompt(self.prompt_tokens, cached);
        tally.usage(self.completion_tokens);
    }
}

/// Why an answer over a socket or in a session ended without its end.
#[derive(Deserialize)]
pub(super) struct ErrorSaid {
    pub(super) code: String,
}

/// A chunk around its text.
struct Pattern {
    before: Vec<u8>,
    behind: Vec<u8>,
}

/// Reads one stream.
#[derive(Default)]
pub(super) struct ChatStream {
    lines: Lines,
    reader: Reader,
}

#[derive(Default)]
struct Reader {
    pattern: Option<Pattern>,
    /// For text with escapes.
    scratch: String,
    is_done: bool,
    garbled: bool,
}

impl ChatStream {
    /// Takes the next bytes of the stream.
    pub(super) fn feed(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), Broken> {
        let Self { lines, reader } = self;
        lines.feed(bytes, |line| reader.read(&line, tally))?;
        if reader.garbled { Err(Broken::Garbled("a chunk of the answer")) } else { Ok(()) }
    }
}

impl Reader {
    fn read(&mut self, line: &Line<'_>, tally: &mut Tally) {
        match line {
            Line::Data(b"", data) => self.data(data, tally),
            Line::Data(b"pomona.resumed", data) => {
                #[derive(Deserialize)]
                struct Resumed {
                    node: String,
                }
                if let Ok(resumed) = serde_json::from_slice::<Resumed>(data) {
                    tally.moved(&resumed.node);
                }
            }
            Line::Comment(comment) if comment.starts_with(b"queued") => tally.queued(),
            Line::Comment(comment) if comment.starts_with(b"prefill") => tally.started(),
            Line::Data(..) | Line::Comment(_) => {}
        }
    }

    fn data(&mut self, data: &[u8], tally: &mut Tally) {
        if let Some(raw) = self.pattern.as_ref().and_then(|pattern| pattern.text(data)) {
            match unescaped(raw, &mut self.scratch) {
                Some(text) if !text.is_empty() => tally.tokens(None, 1, text),
                Some(_) => {}
                None => self.garbled = true,
            }
            return;
        }
        if data == b"[DONE]" {
            if std::mem::replace(&mut self.is_done, true) {
                tally.extra_end();
            }
            return;
        }
        match serde_json::from_slice::<Chunk<'_>>(data) {
            Ok(chunk) => self.chunk(&chunk, data, tally),
            Err(_) => self.garbled = true,
        }
    }

    fn chunk(&mut self, chunk: &Chunk<'_>, data: &[u8], tally: &mut Tally) {
        if chunk.error.is_some() {
            tally.failed(code_of(data).unwrap_or_else(|| "error".to_owned()));
        }
        for choice in &chunk.choices {
            let nothing = Delta::default();
            let Delta { content, reasoning_content } = choice.delta.as_ref().unwrap_or(&nothing);
            let pieces =
                [(&b"\"content\":"[..], content), (&b"\"reasoning_content\":"[..], reasoning_content)];
            for (field, text) in pieces {
                let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { continue };
                tally.tokens(None, 1, text.as_bytes());
                if chunk.choices.len() == 1 && choice.finish_reason.is_none() && chunk.usage.is_none() {
                    self.pattern = Pattern::of(data, field, text, &mut self.scratch);
                }
            }
            if let Some(reason) = &choice.finish_reason {
                tally.finished(reason);
            }
        }
        if let Some(usage) = chunk.usage {
            usage.tell(tally);
        }
    }
}

impl Pattern {
    /// The pattern of a chunk in which `field` has this text.
    fn of(data: &[u8], field: &[u8], text: &str, scratch: &mut String) -> Option<Self> {
        let at = memchr::memmem::find(data, field)? + field.len();
        let start = at + data[at..].iter().position(|byte| *byte != b' ')? + 1;
        if data.get(start - 1) != Some(&b'"') {
            return None;
        }
        let end = start + string_end(&data[start..])?;
        let is_it = unescaped(&data[start..end], scratch) == Some(text.as_bytes());
        is_it.then(|| Self { before: data[..start].to_vec(), behind: data[end..].to_vec() })
    }

    /// The text of another chunk as it stands there, when the chunk differs in nothing else.
    fn text<'d>(&self, data: &'d [u8]) -> Option<&'d [u8]> {
        let rest = data.strip_prefix(self.before.as_slice())?;
        let end = string_end(rest)?;
        (rest[end..] == self.behind).then(|| &rest[..end])
    }
}

/// Where a JSON string ends, from behind its first quotation mark.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &bytes[from..])?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
        if from > bytes.len() {
            return None;
        }
    }
}

/// What a JSON string says; `None` when it says nothing.
fn unescaped<'a>(raw: &'a [u8], scratch: &'a mut String) -> Option<&'a [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Some(raw);
    }
    // Rare enough (line feeds, quotation marks) for the way of the library.
    let quoted = [b"\"", raw, b"\""].concat();
    *scratch = serde_json::from_slice(&quoted).ok()?;
    Some(scratch.as_bytes())
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
