//! Pieces of an answer with their kinds, and an event's text with its marks.

use pomona_protocol::{Mark, Said};

/// What came out of a piece of text, in order; neighbours are of different kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces(Vec<(Said, String)>);

impl Pieces {
    /// Adds plain text.
    pub fn text(&mut self, text: &str) {
        self.add(Said::Text, text);
    }

    /// Adds thought.
    pub fn thought(&mut self, text: &str) {
        self.add(Said::Reasoning, text);
    }

    /// Begins a call of this tool.
    pub fn call(&mut self, index: u32, name: &str) {
        self.0.push((Said::Call { index, name: Some(name.to_owned()) }, String::new()));
    }

    /// Adds to the arguments of a call.
    pub fn arguments(&mut self, index: u32, text: &str) {
        self.add(Said::Call { index, name: None }, text);
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = (&Said, &str)> {
        self.0.iter().map(|(kind, text)| (kind, text.as_str()))
    }

    fn add(&mut self, kind: Said, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some((last, before)) if last.going_on() == kind => before.push_str(text),
            _ => self.0.push((kind, text.to_owned())),
        }
    }
}

/// Text of one event and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// All of it.
    pub text: String,
    /// Where its kind changes; before the first it is plain.
    pub marks: Vec<Mark>,
}

impl Spoken {
    /// Adds a piece. Without text it is left out, but for the beginning of a call.
    pub fn say(&mut self, kind: &Said, text: &str) {
        let is_beginning = matches!(kind, Said::Call { name: Some(_), .. });
        if text.is_empty() && !is_beginning {
            return;
        }
        let last = self.marks.last().map_or(Said::Text, |mark| mark.kind.going_on());
        if is_beginning || last != *kind {
            self.marks.push(Mark { at: self.text.len() as u32, kind: kind.clone() });
        }
        self.text.push_str(text);
    }
}
