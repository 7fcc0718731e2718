//! The channels of gpt-oss: messages with a header that says for whom they are, told apart by special tokens.
//!
//! `<|channel|>analysis` is thought, `final` is the answer, `commentary` with `to=functions.name` a call and without
//! it something said between calls. The marks are special tokens, so text is never mistaken for one.

use super::{HELD_BYTES_MAX, Pieces, is_tool_name};

const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
const START: &str = "<|start|>";
const CONSTRAIN: &str = "<|constrain|>";
const ENDS: [&str; 3] = ["<|end|>", "<|return|>", "<|call|>"];
/// What tools of the request are addressed as.
const TOOLS: &str = "functions.";
/// Letters of a header; more is text without one.
const HEADER_BYTES_MAX: usize = 256;

pub(super) fn is_marker(special: &str) -> bool {
    [CHANNEL, MESSAGE, START, CONSTRAIN].contains(&special) || ENDS.contains(&special)
}

/// Progress of one answer.
#[derive(Clone, Debug)]
pub(super) struct Harmony {
    hears_calls: bool,
    at: At,
    calls: u32,
    complete: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    /// The prompt ends with `<|start|>assistant`, so an answer begins in a header. `is_sure` once a mark came.
    Header {
        role: String,
        channel: Option<String>,
        is_sure: bool,
    },
    Body(Kind),
    Between,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    Call,
}

impl Harmony {
    pub(super) fn new(hears_calls: bool) -> Self {
        let at = At::Header { role: String::new(), channel: None, is_sure: false };
        Self { hears_calls, at, calls: 0, complete: 0 }
    }

    pub(super) fn is_thinking(&self) -> bool {
        self.at == At::Body(Kind::Thought)
    }

    pub(super) fn calls(&self) -> u32 {
        self.calls
    }

    pub(super) fn calls_complete(&self) -> u32 {
        self.complete
    }

    pub(super) fn text(&mut self, text: &str, out: &mut Pieces) {
        match &mut self.at {
            At::Header { role, channel, .. } => {
                // Letter by letter, so that the limit falls in the same place however text is cut.
                for (at, letter) in text.char_indices() {
                    if role.len() + channel.as_ref().map_or(0, String::len) >= HEADER_BYTES_MAX {
                        let header = std::mem::take(role) + channel.as_deref().unwrap_or_default();
                        self.at = At::Body(Kind::Text);
                        out.text(&header);
                        out.text(&text[at..]);
                        return;
                    }
                    channel.as_mut().unwrap_or(role).push(letter);
                }
            }
            At::Body(Kind::Text) => out.text(text),
            At::Body(Kind::Thought) => out.thought(text),
            At::Body(Kind::Call) => out.arguments(self.calls - 1, text),
            // Text where a message should begin: shown rather than lost.
            At::Between => {
                self.at = At::Body(Kind::Text);
                out.text(text);
            }
        }
    }

    pub(super) fn marker(&mut self, special: &str, out: &mut Pieces) {
        match (&mut self.at, special) {
            (At::Header { role, channel, is_sure }, CHANNEL) => {
                // A recipient may stand before the channel.
                if let Some(before) = channel.take() {
                    role.push(' ');
                    role.push_str(&before);
                }
                (*channel, *is_sure) = (Some(String::new()), true);
            }
            (At::Header { role, channel, .. }, CONSTRAIN) => channel.as_mut().unwrap_or(role).push(' '),
            (At::Header { role, channel, .. }, MESSAGE) => {
                let (role, channel) = (std::mem::take(role), channel.take());
                self.begin(&role, channel.as_deref().unwrap_or_default(), out);
            }
            (_, START) => {
                self.close(out);
                self.at = At::Header { role: String::new(), channel: None, is_sure: true };
            }
            (_, CHANNEL) => {
                self.close(out);
                self.at = At::Header { role: String::new(), channel: Some(String::new()), is_sure: true };
            }
            (_, mark) if ENDS.contains(&mark) => {
                self.close(out);
                self.at = At::Between;
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, out: &mut Pieces) {
        self.close(out);
        self.at = At::Between;
    }

    fn begin(&mut self, role: &str, channel: &str, out: &mut Pieces) {
        let words = || role.split_ascii_whitespace().chain(channel.split_ascii_whitespace());
        let recipient = words().find_map(|word| word.strip_prefix("to="));
        let name = channel.split_ascii_whitespace().next().unwrap_or_default();
        let tool =
            recipient.and_then(|recipient| recipient.strip_prefix(TOOLS)).filter(|name| is_tool_name(name));
        let kind = match (name, recipient, tool) {
            (_, _, Some(tool)) if self.hears_calls => {
                out.call(self.calls, tool);
                self.calls += 1;
                Kind::Call
            }
            // Something for a tool that nobody offered.
            ("analysis", ..) | (_, Some(_), _) => Kind::Thought,
            _ => Kind::Text,
        };
        self.at = At::Body(kind);
    }

    /// Ends what is open. A header without a message is text after all, unless marks made sure that it is one.
    fn close(&mut self, out: &mut Pieces) {
        match &self.at {
            At::Header { role, is_sure: false, .. } => out.text(role),
            At::Body(Kind::Call) => self.complete = self.calls,
            _ => {}
        }
    }
}

const _: () = assert!(HEADER_BYTES_MAX <= HELD_BYTES_MAX, "a header fits an event");
