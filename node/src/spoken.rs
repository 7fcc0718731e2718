//! Answers as people read them: text as it is, thoughts set apart, calls of tools on lines of their own. Pure; the
//! commands of the terminal print what it gives, the screen renders it.

use pomona_protocol::said::pieces;
use pomona_protocol::v3::{MarkBody, marks_of};
use pomona_protocol::{Mark, Part, Said, TurnId};
use serde_json::{Value, json};

use crate::output::{BOLD, DIM, harmless};

/// For whom it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A program behind a pipe: the text alone, exactly as it is.
    Pipe,
    /// A person at a terminal.
    Terminal,
    /// A person at a terminal who does not want to read thoughts.
    Thoughtless,
    /// Markdown that is rendered.
    #[default]
    Markdown,
}

/// An answer that is told piece by piece.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spoken {
    manner: Manner,
    /// What the last piece was.
    last: Option<Said>,
}

impl Spoken {
    /// One that begins.
    pub(crate) fn new(manner: Manner) -> Self {
        Self { manner, last: None }
    }

    /// More of an answer, as a session's events tell it.
    pub(crate) fn take(&mut self, text: &str, marks: &[MarkBody]) -> String {
        self.take_marked(text, &marks_of(marks))
    }

    /// More of an answer.
    pub(crate) fn take_marked(&mut self, text: &str, marks: &[Mark]) -> String {
        pieces(text, marks).map(|(kind, piece)| self.piece(kind, piece)).collect()
    }

    /// A piece of one kind.
    pub(crate) fn piece(&mut self, kind: &Said, piece: &str) -> String {
        let is_hidden = match self.manner {
            Manner::Pipe => *kind != Said::Text,
            Manner::Thoughtless => *kind == Said::Reasoning,
            Manner::Terminal | Manner::Markdown => false,
        };
        if is_hidden {
            return String::new();
        }
        let next = kind.going_on();
        let mut out = String::new();
        if self.last.as_ref() != Some(&next) {
            out.push_str(self.leave());
            if self.last.is_some() || matches!(kind, Said::Call { .. }) {
                out.push_str(self.between(kind));
            }
            out.push_str(&self.enter(kind));
        }
        self.last = Some(next);
        out.push_str(&match (self.manner, kind) {
            (Manner::Pipe, _) => piece.to_owned(),
            (Manner::Markdown, Said::Reasoning) => piece.replace('\n', "\n> "),
            (Manner::Markdown, _) => piece.to_owned(),
            (_, Said::Reasoning) => format!("{DIM}{}{DIM:#}", harmless(piece)),
            (_, _) => harmless(piece),
        });
        out
    }

    /// What stands behind the whole answer.
    pub(crate) fn end(&mut self) -> String {
        let end = self.leave().to_owned();
        self.last = None;
        end
    }

    /// Ends what was said last.
    fn leave(&self) -> &'static str {
        match (self.manner, &self.last) {
            (Manner::Markdown, Some(Said::Call { .. })) => "\n```\n",
            (Manner::Terminal | Manner::Thoughtless, Some(Said::Call { .. })) => "\n",
            _ => "",
        }
    }

    /// Room between two kinds.
    fn between(&self, next: &Said) -> &'static str {
        match (self.manner, &self.last, next) {
            (Manner::Pipe, _, _) | (_, None, _) => "",
            (Manner::Markdown, _, _) | (_, Some(Said::Reasoning), Said::Text) => "\n\n",
            (_, Some(Said::Call { .. }), _) => "",
            (_, Some(_), _) => "\n",
        }
    }

    fn enter(&self, kind: &Said) -> String {
        match (self.manner, kind) {
            (Manner::Markdown, Said::Reasoning) => "> ".to_owned(),
            (Manner::Markdown, Said::Call { name, .. }) => {
                let name = name.as_deref().unwrap_or("the tool goes on");
                format!("calls `{}`\n\n```json\n", name.replace('`', "'"))
            }
            (Manner::Terminal | Manner::Thoughtless, Said::Call { name, .. }) => {
                let name = harmless(name.as_deref().unwrap_or("…"));
                format!("{DIM}calls{DIM:#} {BOLD}{name}{BOLD:#} ")
            }
            _ => String::new(),
        }
    }
}

/// A whole answer.
pub(crate) fn whole(manner: Manner, answer: &str, marks: &[MarkBody]) -> String {
    let mut spoken = Spoken::new(manner);
    let text = spoken.take(answer, marks);
    text + &spoken.end()
}

/// What was thought, and which tools were called, for programs; `null` where there is nothing of it.
pub(crate) fn json_of(turn: &str, answer: &str, marks: &[Mark]) -> (Value, Value) {
    let turn = turn.parse().unwrap_or(TurnId(0));
    let parts = pomona_protocol::said::parts_of(turn, answer, marks);
    let thoughts: String = parts
        .iter()
        .filter_map(|part| match part {
            Part::Reasoning(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let calls: Vec<Value> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Call(call) => Some(json!({"id": call.id, "name": call.name, "arguments": call.arguments})),
            _ => None,
        })
        .collect();
    let thoughts = if thoughts.is_empty() { Value::Null } else { thoughts.into() };
    (thoughts, if calls.is_empty() { Value::Null } else { calls.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(manner: Manner) -> String {
        let call = |name: Option<&str>| Said::Call { index: 0, name: name.map(str::to_owned) };
        let mut spoken = Spoken::new(manner);
        let pieces = [
            (Said::Reasoning, "h\n"),
            (Said::Reasoning, "m"),
            (Said::Text, "O"),
            (Said::Text, "K"),
            (call(Some("f")), ""),
            (call(None), "{}"),
        ];
        let text: String = pieces.iter().map(|(kind, piece)| spoken.piece(kind, piece)).collect();
        let text = text + &spoken.end();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn thoughts_and_calls_are_told_apart() {
        assert_eq!(said(Manner::Pipe), "OK");
        assert_eq!(said(Manner::Terminal), "h\nm\n\nOK\ncalls f {}\n");
        assert_eq!(said(Manner::Thoughtless), "OK\ncalls f {}\n");
        assert_eq!(said(Manner::Markdown), "> h\n> m\n\nOK\n\ncalls `f`\n\n```json\n{}\n```\n");
    }

    #[test]
    fn an_answer_of_text_alone_is_itself() {
        for manner in [Manner::Pipe, Manner::Terminal, Manner::Markdown] {
            assert_eq!(whole(manner, "a\n\nb", &[]), "a\n\nb");
        }
        assert_eq!(json_of("turn_1", "a", &[]), (Value::Null, Value::Null));
    }
}
