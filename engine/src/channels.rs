//! What of an answer is said to the reader, what is thought aloud, and what calls a tool.
//!
//! Models write all three into one stream, each family with marks of its own. A [`Channels`] per answer takes the
//! text in order, and special tokens that are marks by their name, and tells the kinds apart; `generation` feeds it
//! from the detokeniser and passes on what comes out. Pure, and fed by character, so that what has come out after
//! some text does not depend on how the text was cut: an answer that is resumed goes on exactly. Text that may still
//! become a mark is held back. What looks like a call and is none comes out as plain text; nothing is lost but
//! marks and the space around them.
//!
//! Forms of calls that are understood: `<tool_call>` with JSON (Hermes, Qwen) or with `<function=..>` (Qwen coder),
//! `[TOOL_CALLS]` with a list or `name[ARGS]{..}` (Mistral), `<|tool_call|>` with a list (Phi, Granite), bare JSON
//! with or without `<|python_tag|>` (Llama), and the channels of gpt-oss. Calls written as Python (some tunings of
//! Gemma) are left as text: their models come without a template for tools.

mod arguments;
mod envelope;
mod format;
mod harmony;
mod json_calls;
mod named;
mod spoken;
mod tagged;
mod xml;

use std::sync::Arc;

use pomona_protocol::Tool;

pub use format::{AnswerFormat, CallStyle, Tags};
pub use spoken::{Pieces, Spoken};

use harmony::Harmony;
use tagged::Tagged;

/// Text of a call that is held back before it is certain to be one; more comes out as plain text. An event with it
/// still fits its frame.
const HELD_BYTES_MAX: usize = 16 * 1024;

/// Tells the kinds of one answer apart.
#[derive(Clone, Debug)]
pub struct Channels(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Plain,
    Tagged(Box<Tagged>),
    Harmony(Box<Harmony>),
}

/// What became of a piece of a call.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// It goes on.
    On,
    /// The call, or the list of them, is over; this text stands behind it.
    Over(String),
    /// It is no call: this is plain text, and this stands behind it.
    Broken(String, String),
}

impl Channels {
    /// For a text without marks.
    pub fn plain() -> Self {
        Self(Inner::Plain)
    }

    /// For the answer of a chat. Calls are heard of when there are `tools`; with `in_thought` the prompt has begun a
    /// thought already.
    pub fn new(format: &AnswerFormat, tools: &[Tool], in_thought: bool) -> Self {
        let tools: Arc<[Tool]> = tools.into();
        match format {
            AnswerFormat::Tagged { thoughts: None, .. } if tools.is_empty() => Self::plain(),
            AnswerFormat::Tagged { thoughts, calls } => {
                Self(Inner::Tagged(Box::new(Tagged::new(*thoughts, *calls, tools, in_thought))))
            }
            AnswerFormat::Harmony => Self(Inner::Harmony(Box::new(Harmony::new(!tools.is_empty())))),
        }
    }

    /// Whether a special token of this name is a mark; others have no meaning here and no text.
    pub fn is_marker(&self, special: &str) -> bool {
        match &self.0 {
            Inner::Plain => false,
            Inner::Tagged(tagged) => tagged.is_marker(special),
            Inner::Harmony(_) => harmony::is_marker(special),
        }
    }

    /// Takes the next text.
    pub fn text(&mut self, text: &str, pieces: &mut Pieces) {
        match &mut self.0 {
            Inner::Plain => pieces.text(text),
            Inner::Tagged(tagged) => text.chars().for_each(|letter| tagged.letter(letter, pieces)),
            Inner::Harmony(harmony) => harmony.text(text, pieces),
        }
    }

    /// Takes a special token for which [`Channels::is_marker`] holds.
    pub fn marker(&mut self, special: &str, pieces: &mut Pieces) {
        match &mut self.0 {
            Inner::Plain => {}
            Inner::Tagged(tagged) => special.chars().for_each(|letter| tagged.letter(letter, pieces)),
            Inner::Harmony(harmony) => harmony.marker(special, pieces),
        }
    }

    /// The answer is over: what was held back comes out.
    pub fn end(&mut self, pieces: &mut Pieces) {
        match &mut self.0 {
            Inner::Plain => {}
            Inner::Tagged(tagged) => tagged.end(pieces),
            Inner::Harmony(harmony) => harmony.end(pieces),
        }
    }

    /// Whether the model is thinking.
    pub fn is_thinking(&self) -> bool {
        match &self.0 {
            Inner::Plain => false,
            Inner::Tagged(tagged) => tagged.is_thinking(),
            Inner::Harmony(harmony) => harmony.is_thinking(),
        }
    }

    /// Calls that have begun.
    pub fn calls(&self) -> u32 {
        match &self.0 {
            Inner::Plain => 0,
            Inner::Tagged(tagged) => tagged.calls(),
            Inner::Harmony(harmony) => harmony.calls(),
        }
    }

    /// Calls whose arguments are complete.
    pub fn calls_complete(&self) -> u32 {
        match &self.0 {
            Inner::Plain => 0,
            Inner::Tagged(tagged) => tagged.calls_complete(),
            Inner::Harmony(harmony) => harmony.calls_complete(),
        }
    }
}

/// Whether `text` is the beginning of `marker` and not all of it.
fn may_become(text: &str, marker: &str) -> bool {
    text.len() < marker.len() && marker.starts_with(text)
}

/// Whether a tool may have this name, whichever tools there are.
pub(crate) fn is_tool_name(name: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    !name.is_empty()
        && name.len() <= pomona_protocol::limits::TOOL_NAME_BYTES_MAX
        && name.chars().all(letters)
}

#[cfg(test)]
mod channel_tests;
