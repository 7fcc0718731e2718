//! Answers with marks around thoughts and calls.

use std::sync::Arc;

use pomona_protocol::Tool;

use super::format::PYTHON_TAG;
use super::json_calls::JsonCalls;
use super::named::NamedCalls;
use super::xml::XmlCall;
use super::{CallStyle, Heard, Pieces, Tags, may_become};

/// Space before a mark that is held back; more is text.
const SPACE_BYTES_MAX: usize = 64;

/// Progress of one answer.
#[derive(Clone, Debug)]
pub(super) struct Tagged {
    thoughts: Option<Tags>,
    calls: CallStyle,
    tools: Arc<[Tool]>,
    mode: Mode,
    /// Text that may still become a mark.
    held: String,
    calls_begun: u32,
    calls_complete: u32,
}

#[derive(Clone, Debug)]
enum Mode {
    Text(Gap),
    Thought {
        is_empty: bool,
    },
    /// Behind a mark that begins a call, before it is known how it is written.
    Opening(String),
    Json(JsonCalls),
    Named(NamedCalls),
    Xml(Box<XmlCall>),
}

/// What came just before, which decides what space and marks mean here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// Nothing.
    Start,
    /// A thought; space behind it is no part of the answer.
    Thought,
    /// A call; space behind it counts if text follows.
    Call,
    /// Text.
    None,
}

impl Tagged {
    pub(super) fn new(
        thoughts: Option<Tags>,
        calls: CallStyle,
        tools: Arc<[Tool]>,
        in_thought: bool,
    ) -> Self {
        let thinks = in_thought && thoughts.is_some();
        let mode = if thinks { Mode::Thought { is_empty: true } } else { Mode::Text(Gap::Start) };
        Self { thoughts, calls, tools, mode, held: String::new(), calls_begun: 0, calls_complete: 0 }
    }

    pub(super) fn is_marker(&self, special: &str) -> bool {
        let thoughts = self.thoughts.is_some_and(|tags| special == tags.open || special == tags.close);
        let calls = [self.calls.open(), self.calls.close()].contains(&Some(special))
            || (self.calls == CallStyle::Bare && special == PYTHON_TAG)
            || matches!(special, "[ARGS]" | "[CALL_ID]");
        thoughts || (calls && !self.tools.is_empty())
    }

    pub(super) fn is_thinking(&self) -> bool {
        matches!(self.mode, Mode::Thought { .. })
    }

    pub(super) fn calls(&self) -> u32 {
        match &self.mode {
            Mode::Json(json) => json.calls(),
            Mode::Named(named) => named.calls(),
            Mode::Xml(xml) => xml.calls(),
            _ => self.calls_begun,
        }
    }

    pub(super) fn calls_complete(&self) -> u32 {
        match &self.mode {
            Mode::Json(json) => json.complete(),
            Mode::Named(named) => named.complete(),
            Mode::Xml(xml) => xml.complete(),
            _ => self.calls_complete,
        }
    }

    pub(super) fn letter(&mut self, letter: char, out: &mut Pieces) {
        let tools = Arc::clone(&self.tools);
        // Without a mark around it, JSON is a call only when it names a tool.
        let is_bare = self.calls == CallStyle::Bare;
        let is_known = move |name: &str| !is_bare || tools.iter().any(|tool| tool.name == name);
        let heard = match &mut self.mode {
            Mode::Text(gap) => {
                let gap = *gap;
                return self.text(gap, letter, out);
            }
            Mode::Thought { is_empty } => {
                let is_empty = *is_empty;
                return self.thought(is_empty, letter, out);
            }
            Mode::Opening(_) => return self.opening(letter, out),
            Mode::Json(json) => json.letter(letter, &is_known, out),
            Mode::Named(named) => named.letter(letter, &is_known, out),
            Mode::Xml(xml) => xml.letter(letter, &is_known, out),
        };
        self.follow(heard, out);
    }

    pub(super) fn end(&mut self, out: &mut Pieces) {
        let held = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.mode, Mode::Text(Gap::None)) {
            Mode::Text(Gap::Thought | Gap::Call) if self.is_space(&held) => {}
            Mode::Text(_) => out.text(&held),
            Mode::Thought { .. } => out.thought(&held),
            Mode::Opening(opened) => out.text(&opened),
            Mode::Json(json) => self.last_words(json.calls(), json.end(), out),
            Mode::Named(named) => self.last_words(named.calls(), named.end(), out),
            Mode::Xml(xml) => {
                let calls = xml.calls();
                let held = xml.end(out);
                self.last_words(calls, held, out);
            }
        }
    }

    fn last_words(&mut self, calls: u32, held: String, out: &mut Pieces) {
        self.calls_begun = calls;
        out.text(&held);
    }

    /// What became of a call.
    fn follow(&mut self, heard: Heard, out: &mut Pieces) {
        let (plain, behind) = match heard {
            Heard::On => return,
            Heard::Over(behind) => (String::new(), behind),
            Heard::Broken(plain, behind) => (plain, behind),
        };
        (self.calls_begun, self.calls_complete) = (self.calls(), self.calls());
        out.text(&plain);
        self.mode = Mode::Text(if plain.is_empty() { Gap::Call } else { Gap::None });
        behind.chars().for_each(|letter| self.letter(letter, out));
    }

    /// A letter of plain text, or of a mark.
    fn text(&mut self, mut gap: Gap, letter: char, out: &mut Pieces) {
        self.held.push(letter);
        while !self.held.is_empty() {
            let space = if gap == Gap::None { 0 } else { self.space(gap) };
            if self.held.len() == space {
                if self.held.len() > SPACE_BYTES_MAX {
                    self.release_space(gap, space, out);
                    gap = Gap::None;
                    continue;
                }
                break;
            }
            if self.enter(gap, space) {
                return;
            }
            let mark = &self.held[space..];
            if self.marks(gap).any(|known| may_become(mark, known)) {
                break;
            }
            self.release_space(gap, space, out);
            gap = Gap::None;
            if let Some(first) = self.held.chars().next() {
                out.text(first.encode_utf8(&mut [0; 4]));
                self.held.remove(0);
            }
        }
        self.mode = Mode::Text(gap);
    }

    /// Switches over when a whole mark stands behind this much space.
    fn enter(&mut self, gap: Gap, space: usize) -> bool {
        let mark = &self.held[space..];
        let is_thought = self.thoughts.is_some_and(|tags| gap != Gap::None && mark == tags.open);
        let is_bare =
            !self.tools.is_empty() && self.calls == CallStyle::Bare && gap != Gap::None && mark == "{";
        if is_thought {
            self.mode = Mode::Thought { is_empty: true };
        } else if is_bare {
            // The space may have to be given back with the brace.
            let opened = if gap == Gap::Thought { String::new() } else { self.held[..space].to_owned() };
            let mut json = JsonCalls::bare(opened, self.calls_begun);
            json.letter('{', &|_| true, &mut Pieces::default());
            self.mode = Mode::Json(json);
        } else if self.marks(gap).any(|known| mark == known) {
            let opened = if gap == Gap::Thought { mark } else { &self.held };
            self.mode = Mode::Opening(opened.to_owned());
        } else {
            return false;
        }
        self.held.clear();
        true
    }

    /// Marks that mean something in plain text.
    fn marks(&self, gap: Gap) -> impl Iterator<Item = &'static str> + use<> {
        let thought = self.thoughts.filter(|_| gap != Gap::None).map(|tags| tags.open);
        let hears = !self.tools.is_empty();
        let call = self.calls.open().filter(|_| hears);
        let python = (hears && self.calls == CallStyle::Bare && gap != Gap::None).then_some(PYTHON_TAG);
        thought.into_iter().chain(call).chain(python)
    }

    /// Bytes of space at the beginning of what is held.
    fn space(&self, gap: Gap) -> usize {
        // Bare calls are separated by semicolons.
        let separates = gap == Gap::Call && self.calls == CallStyle::Bare;
        self.held.len()
            - self.held.trim_start_matches(|c: char| c.is_ascii_whitespace() || (separates && c == ';')).len()
    }

    fn is_space(&self, held: &str) -> bool {
        held.bytes().all(|byte| byte.is_ascii_whitespace() || (byte == b';' && self.calls == CallStyle::Bare))
    }

    fn release_space(&mut self, gap: Gap, space: usize, out: &mut Pieces) {
        if gap != Gap::Thought {
            out.text(&self.held[..space]);
        }
        self.held.drain(..space);
    }

    /// A letter of a thought, or of the mark that ends it. The space around a thought is no part of it.
    fn thought(&mut self, mut is_empty: bool, letter: char, out: &mut Pieces) {
        let Some(tags) = self.thoughts else { return };
        if is_empty && letter.is_ascii_whitespace() && self.held.is_empty() {
            return;
        }
        self.held.push(letter);
        while !self.held.is_empty() {
            let mark = self.held.trim_ascii_start();
            if mark == tags.close {
                self.held.clear();
                self.mode = Mode::Text(Gap::Thought);
                return;
            }
            let is_space = mark.is_empty() && self.held.len() <= SPACE_BYTES_MAX;
            if is_space || (!mark.is_empty() && may_become(mark, tags.close)) {
                break;
            }
            if let Some(first) = self.held.chars().next() {
                out.thought(first.encode_utf8(&mut [0; 4]));
                self.held.remove(0);
                is_empty = false;
            }
        }
        self.mode = Mode::Thought { is_empty };
    }

    /// Finds out how a call is written.
    fn opening(&mut self, letter: char, out: &mut Pieces) {
        let Mode::Opening(opened) = &mut self.mode else { return };
        if letter.is_ascii_whitespace() && opened.len() <= SPACE_BYTES_MAX {
            opened.push(letter);
            return;
        }
        let opened = std::mem::take(opened);
        let close = self.calls.close();
        self.mode = match (self.calls, letter) {
            (CallStyle::MistralList | CallStyle::MistralNamed, _) => {
                Mode::Named(NamedCalls::new(opened, self.calls_begun))
            }
            (CallStyle::Hermes | CallStyle::Xml, '<') => {
                let close = close.unwrap_or_default();
                Mode::Xml(Box::new(XmlCall::new(opened, close, self.calls_begun, &self.tools)))
            }
            _ => Mode::Json(JsonCalls::new(opened, close, self.calls_begun)),
        };
        self.letter(letter, out);
    }
}
