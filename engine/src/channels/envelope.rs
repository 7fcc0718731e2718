//! One call written as a JSON object: `{"name": .., "arguments": ..}`, keys in any order, others passed over.

use super::HELD_BYTES_MAX;
use super::arguments::{Letter, Quoted, Scan};
use super::{Pieces, is_tool_name};

/// Keys of a call, whether it stands behind a mark or not.
const KEYS: [&str; 5] = ["name", "arguments", "parameters", "type", "id"];

/// Reads one object. Nothing comes out before it is certain to be a call.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    index: u32,
    /// No mark says that it is a call: any other key says that it is none.
    is_bare: bool,
    at: At,
    /// Everything so far, as long as it may turn out to be no call.
    held: String,
    name: Option<String>,
    /// Arguments that came before the name.
    early: Option<String>,
    is_spoken: bool,
}

#[derive(Clone, Debug)]
enum At {
    Object,
    Key,
    KeyText(Quoted),
    Colon(String),
    Value(String),
    Name(Quoted),
    /// Arguments as JSON in a string, which some tunings write.
    QuotedArguments(Quoted),
    Arguments(Scan),
    OtherText(Quoted),
    Other(Scan),
    OtherWord,
    AfterValue,
}

/// What the envelope says of a letter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// It goes on.
    On,
    /// The call is complete with this letter.
    Complete,
    /// Its arguments were broken off before this letter; what is out stands.
    BrokenOff,
    /// It is no call. The text from its beginning, without this letter.
    NoCall(String),
}

impl Envelope {
    pub(super) fn new(index: u32, is_bare: bool) -> Self {
        let (held, name, early) = (String::new(), None, None);
        Self { index, is_bare, at: At::Object, held, name, early, is_spoken: false }
    }

    /// Whether the call has begun for the reader.
    pub(super) fn is_spoken(&self) -> bool {
        self.is_spoken
    }

    /// What is held back, at the end of the answer.
    pub(super) fn into_held(self) -> String {
        if self.is_spoken { String::new() } else { self.held }
    }

    /// Takes the next letter. `is_known` says whether a tool may be meant by a name.
    pub(super) fn letter(
        &mut self,
        letter: char,
        is_known: &dyn Fn(&str) -> bool,
        out: &mut Pieces,
    ) -> Opened {
        let Some(next) = self.step(letter, is_known, out) else {
            return match self.is_spoken {
                true => Opened::BrokenOff,
                false => Opened::NoCall(std::mem::take(&mut self.held)),
            };
        };
        if !self.is_spoken {
            self.held.push(letter);
            if self.held.len() > HELD_BYTES_MAX {
                self.held.pop();
                return Opened::NoCall(std::mem::take(&mut self.held));
            }
        }
        next
    }

    /// Nothing when the letter cannot stand there.
    fn step(&mut self, letter: char, is_known: &dyn Fn(&str) -> bool, out: &mut Pieces) -> Option<Opened> {
        let at = std::mem::replace(&mut self.at, At::AfterValue);
        self.at = match at {
            At::Arguments(scan) => return self.argument(scan, letter, out),
            At::KeyText(mut text) => match text.letter(letter) {
                None => At::KeyText(text),
                Some(key) => At::Colon(key.filter(|key| !self.is_bare || KEYS.contains(&key.as_str()))?),
            },
            At::Name(mut text) => match text.letter(letter) {
                None => At::Name(text),
                Some(name) => {
                    let name = name.filter(|name| is_tool_name(name) && is_known(name))?;
                    self.name = Some(name);
                    if let Some(early) = self.early.take() {
                        self.speak(out);
                        out.arguments(self.index, &early);
                    }
                    At::AfterValue
                }
            },
            At::QuotedArguments(mut text) => match text.letter(letter) {
                None => At::QuotedArguments(text),
                Some(arguments) => {
                    let arguments = arguments.filter(|text| is_object(text))?;
                    self.give(&arguments, out);
                    At::AfterValue
                }
            },
            At::OtherText(mut text) => match text.letter(letter) {
                None => At::OtherText(text),
                Some(_) => At::AfterValue,
            },
            At::Other(mut scan) => match scan.letter(letter) {
                Letter::Inside => At::Other(scan),
                Letter::Last => At::AfterValue,
                Letter::Foreign => return None,
            },
            between if letter.is_ascii_whitespace() => match between {
                At::OtherWord => At::AfterValue,
                other => other,
            },
            between => return self.sign(between, letter, out),
        };
        Some(Opened::On)
    }

    /// A letter between the texts.
    fn sign(&mut self, at: At, letter: char, out: &mut Pieces) -> Option<Opened> {
        self.at = match (at, letter) {
            (At::Object, '{') => At::Key,
            (At::Key, '"') => At::KeyText(Quoted::default()),
            (At::Colon(key), ':') => At::Value(key),
            (At::Value(key), _) => return self.value(&key, letter, out),
            (At::AfterValue | At::OtherWord, ',') => At::Key,
            (At::AfterValue | At::OtherWord | At::Key, '}') => {
                self.name.as_ref()?;
                if !self.is_spoken {
                    self.speak(out);
                    out.arguments(self.index, "{}");
                }
                return Some(Opened::Complete);
            }
            (At::OtherWord, '0'..='9' | 'a'..='z' | '+' | '-' | '.' | 'E') => At::OtherWord,
            _ => return None,
        };
        Some(Opened::On)
    }

    /// The first letter of a value.
    fn value(&mut self, key: &str, letter: char, out: &mut Pieces) -> Option<Opened> {
        let is_arguments =
            matches!(key, "arguments" | "parameters") && !self.is_spoken && self.early.is_none();
        self.at = match (key, letter) {
            ("name", '"') if self.name.is_none() => At::Name(Quoted::default()),
            (_, '{') if is_arguments => {
                if self.name.is_some() {
                    self.speak(out);
                } else {
                    self.early = Some(String::new());
                }
                return self.argument(Scan::default(), letter, out);
            }
            (_, '"') if is_arguments => At::QuotedArguments(Quoted::default()),
            (_, '"') => At::OtherText(Quoted::default()),
            (_, '{' | '[') => {
                let mut scan = Scan::default();
                scan.letter(letter);
                At::Other(scan)
            }
            (_, '0'..='9' | 'a'..='z' | '-') => At::OtherWord,
            _ => return None,
        };
        Some(Opened::On)
    }

    /// A letter of arguments that are JSON as it stands.
    fn argument(&mut self, mut scan: Scan, letter: char, out: &mut Pieces) -> Option<Opened> {
        let said = scan.letter(letter);
        if said == Letter::Foreign {
            return None;
        }
        match &mut self.early {
            Some(early) if !self.is_spoken => early.push(letter),
            _ => out.arguments(self.index, letter.encode_utf8(&mut [0; 4])),
        }
        self.at = if said == Letter::Last { At::AfterValue } else { At::Arguments(scan) };
        Some(Opened::On)
    }

    fn give(&mut self, arguments: &str, out: &mut Pieces) {
        if self.name.is_some() {
            self.speak(out);
            out.arguments(self.index, arguments);
        } else {
            self.early = Some(arguments.to_owned());
        }
    }

    fn speak(&mut self, out: &mut Pieces) {
        out.call(self.index, self.name.as_deref().unwrap_or_default());
        self.is_spoken = true;
        self.held.clear();
    }
}

fn is_object(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(serde_json::Value::Object(_)))
}
