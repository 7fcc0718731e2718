//! Calls as JSON behind a mark: one object, or a list of them, then the closing mark where there is one.

use super::envelope::{Envelope, Opened};
use super::{HELD_BYTES_MAX, Heard, Pieces, may_become};

/// Reads what stands behind the opening mark.
#[derive(Clone, Debug)]
pub(super) struct JsonCalls {
    at: At,
    close: Option<&'static str>,
    in_list: bool,
    is_bare: bool,
    /// Text since the last call, to be given back if no call follows.
    before: String,
    calls: u32,
    complete: u32,
}

#[derive(Clone, Debug)]
enum At {
    /// Before an object or a list.
    Value,
    Object(Envelope),
    /// Behind an object of a list.
    Separator,
    /// Behind all of it: space, then the closing mark.
    Tail(String),
}

impl JsonCalls {
    /// `opened` is the mark, as it was written; `calls` counts those before.
    pub(super) fn new(opened: String, close: Option<&'static str>, calls: u32) -> Self {
        Self { at: At::Value, close, in_list: false, is_bare: false, before: opened, calls, complete: calls }
    }

    /// Without a mark, behind this space.
    pub(super) fn bare(space: String, calls: u32) -> Self {
        Self { is_bare: true, ..Self::new(space, None, calls) }
    }

    pub(super) fn calls(&self) -> u32 {
        self.calls
    }

    pub(super) fn complete(&self) -> u32 {
        self.complete
    }

    pub(super) fn letter(
        &mut self,
        letter: char,
        is_known: &dyn Fn(&str) -> bool,
        out: &mut Pieces,
    ) -> Heard {
        match &mut self.at {
            At::Value => match letter {
                _ if letter.is_ascii_whitespace() && self.before.len() < HELD_BYTES_MAX => {
                    self.before.push(letter)
                }
                '[' if !self.in_list => {
                    self.in_list = true;
                    self.before.push(letter);
                }
                '{' => {
                    self.at = At::Object(Envelope::new(self.calls, self.is_bare));
                    return self.letter(letter, is_known, out);
                }
                _ => return self.broken(letter),
            },
            At::Object(envelope) => {
                let opened = envelope.letter(letter, is_known, out);
                let is_spoken = envelope.is_spoken();
                return self.follow(opened, is_spoken, letter);
            }
            At::Separator => match letter {
                _ if letter.is_ascii_whitespace() => {}
                ',' => {
                    self.before = ",".to_owned();
                    self.at = At::Value;
                }
                ']' => self.at = At::Tail(String::new()),
                _ => return Heard::Over(letter.to_string()),
            },
            At::Tail(_) => return self.tail(letter),
        }
        Heard::On
    }

    /// The answer ends here; what was held back.
    pub(super) fn end(self) -> String {
        match self.at {
            At::Value => self.before,
            At::Object(envelope) if !envelope.is_spoken() => self.before + &envelope.into_held(),
            _ => String::new(),
        }
    }

    fn follow(&mut self, opened: Opened, is_spoken: bool, letter: char) -> Heard {
        if is_spoken && self.calls == self.complete {
            self.calls += 1;
            self.before.clear();
        }
        match opened {
            Opened::On => Heard::On,
            Opened::Complete => {
                self.complete = self.calls;
                self.at = if self.in_list { At::Separator } else { At::Tail(String::new()) };
                Heard::On
            }
            Opened::BrokenOff => {
                self.complete = self.calls;
                self.at = At::Tail(String::new());
                self.tail(letter)
            }
            Opened::NoCall(held) => {
                self.before.push_str(&held);
                self.broken(letter)
            }
        }
    }

    fn tail(&mut self, letter: char) -> Heard {
        let At::Tail(held) = &mut self.at else { return Heard::Over(letter.to_string()) };
        held.push(letter);
        let Some(close) = self.close else {
            return Heard::Over(std::mem::take(held));
        };
        let mark = held.trim_ascii_start();
        if mark == close {
            return Heard::Over(String::new());
        }
        let is_open =
            (mark.is_empty() && held.len() <= close.len()) || (!mark.is_empty() && may_become(mark, close));
        if is_open { Heard::On } else { Heard::Over(std::mem::take(held)) }
    }

    fn broken(&mut self, letter: char) -> Heard {
        Heard::Broken(std::mem::take(&mut self.before), letter.to_string())
    }
}
