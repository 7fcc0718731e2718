//! What the text of an answer is: said to the reader, thought aloud, or a call of a tool.
//!
//! An engine tells it by marks beside the text of an event; nothing is marked in the text itself. A mark says what the
//! text from its byte on is, up to the next mark. Each event stands alone: before its first mark it is plain text,
//! whatever the event before ended with. Cutting and joining events keeps that true.

use serde::{Deserialize, Serialize};

use crate::{Part, ToolCall, TurnId};

/// From here on the text is of this kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Byte of the event's text, 0 to its length.
    pub at: u32,
    /// Of which kind.
    pub kind: Said,
}

/// What a piece of an answer is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The answer itself.
    #[default]
    Text,
    /// What the model thinks before it answers.
    Reasoning,
    /// Arguments of a tool call, a piece of a JSON object.
    Call {
        /// Which call of this answer, from 0.
        index: u32,
        /// The tool's name where the call begins, nothing where it goes on. Who has seen this call begin already
        /// reads a second beginning as going on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

impl Said {
    /// The same kind, gone on with.
    pub fn going_on(&self) -> Said {
        match self {
            Said::Call { index, .. } => Said::Call { index: *index, name: None },
            other => other.clone(),
        }
    }

    /// Whether `next` behind it is no news.
    fn covers(&self, next: &Said) -> bool {
        *next == self.going_on()
    }
}

/// The pieces of a text in order, each with its kind. Empty ones are left out, but for the beginning of a call. Marks
/// that do not fit the text end the reading.
pub fn pieces<'a>(text: &'a str, marks: &'a [Mark]) -> impl Iterator<Item = (&'a Said, &'a str)> {
    const PLAIN: &Said = &Said::Text;
    let head = marks.first().map_or(text.len(), |mark| mark.at as usize);
    let first = text.get(..head).map(|piece| (PLAIN, piece));
    let rest = marks.iter().enumerate().map_while(move |(at, mark)| {
        let end = marks.get(at + 1).map_or(text.len(), |next| next.at as usize);
        Some((&mark.kind, text.get(mark.at as usize..end)?))
    });
    let is_news =
        |(kind, piece): &(&Said, &str)| !piece.is_empty() || matches!(kind, Said::Call { name: Some(_), .. });
    first.into_iter().chain(rest).filter(is_news)
}

/// The pieces of plain text alone, as one.
pub fn plain_text(text: &str, marks: &[Mark]) -> String {
    pieces(text, marks).filter(|(kind, _)| **kind == Said::Text).map(|(_, piece)| piece).collect()
}

/// The message of an answer in the conversation that goes on behind it: its plain text, what was thought, its calls.
pub fn parts_of(turn: TurnId, text: &str, marks: &[Mark]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (kind, piece) in pieces(text, marks) {
        match (kind, parts.last_mut()) {
            (Said::Text, Some(Part::Text(text))) | (Said::Reasoning, Some(Part::Reasoning(text))) => {
                text.push_str(piece);
            }
            (Said::Text, _) => parts.push(Part::Text(piece.to_owned())),
            (Said::Reasoning, _) => parts.push(Part::Reasoning(piece.to_owned())),
            (Said::Call { index, name }, _) => {
                let id = call_id(turn, *index);
                let known = parts.iter_mut().find_map(|part| match part {
                    Part::Call(call) if call.id == id => Some(call),
                    _ => None,
                });
                match (known, name) {
                    (Some(call), _) => call.arguments.push_str(piece),
                    (None, name) => parts.push(Part::Call(ToolCall {
                        id,
                        name: name.clone().unwrap_or_default(),
                        arguments: piece.to_owned(),
                    })),
                }
            }
        }
    }
    parts
}

/// The name of a call of a tool: the same for everybody who reads the answer, wherever the turn runs.
pub fn call_id(turn: TurnId, index: u32) -> String {
    format!("call_{:032x}_{index}", turn.0)
}

/// What is wrong with marks that somebody sent; nothing when they fit their text.
pub fn check_marks(text: &str, marks: &[Mark]) -> Result<(), String> {
    let mut before = 0;
    for mark in marks {
        if mark.at < before || !text.is_char_boundary(mark.at as usize) {
            return Err(format!("a mark at byte {} of {}, behind one at {before}", mark.at, text.len()));
        }
        before = mark.at;
    }
    Ok(())
}

/// The marks of the part of a text from this byte on.
pub fn marks_from(marks: &[Mark], byte: u32) -> Vec<Mark> {
    let cut = marks.partition_point(|mark| mark.at < byte);
    let carried = marks[..cut].last().map(|mark| mark.kind.going_on()).filter(|kind| *kind != Said::Text);
    let is_replaced = marks.get(cut).is_some_and(|mark| mark.at == byte);
    let head = carried.filter(|_| !is_replaced).map(|kind| Mark { at: 0, kind });
    let rest = marks[cut..].iter().map(|mark| Mark { at: mark.at - byte, kind: mark.kind.clone() });
    head.into_iter().chain(rest).collect()
}

/// Puts the marks of a text behind those of another one, whose length is `base`.
pub fn join_marks(marks: &mut Vec<Mark>, base: u32, next: &[Mark]) {
    let begins_plain = next.first().is_none_or(|mark| mark.at > 0);
    let plain = begins_plain.then_some(Mark { at: 0, kind: Said::Text });
    for Mark { at, kind } in plain.iter().chain(next) {
        let at = base + at;
        // A mark without text behind it says nothing, unless a call begins there.
        let is_idle = |mark: &&Mark| mark.at == at && !matches!(mark.kind, Said::Call { name: Some(_), .. });
        if marks.last().filter(is_idle).is_some() {
            marks.pop();
        }
        let last = marks.last().map_or(&Said::Text, |mark| &mark.kind);
        if !last.covers(kind) {
            marks.push(Mark { at, kind: kind.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(index: u32, name: Option<&str>) -> Said {
        Said::Call { index, name: name.map(str::to_owned) }
    }

    fn mark(at: u32, kind: Said) -> Mark {
        Mark { at, kind }
    }

    /// Per byte: of which kind it is.
    fn kinds(text: &str, marks: &[Mark]) -> Vec<(Said, char)> {
        let each = pieces(text, marks).flat_map(|(kind, piece)| {
            piece.chars().map(|letter| (kind.going_on(), letter)).collect::<Vec<_>>()
        });
        each.collect()
    }

    #[test]
    fn a_text_is_read_piece_by_piece() {
        let marks = [mark(2, Said::Reasoning), mark(4, Said::Text), mark(4, call(0, Some("f")))];
        let read: Vec<_> = pieces("abcd", &marks).collect();
        assert_eq!(read, [(&Said::Text, "ab"), (&Said::Reasoning, "cd"), (&call(0, Some("f")), "")]);
        assert_eq!(plain_text("abcd", &marks), "ab");
        assert_eq!(pieces("plain", &[]).collect::<Vec<_>>(), [(&Said::Text, "plain")]);
    }

    #[test]
    fn cutting_and_joining_change_no_piece() {
        let text = "tüxyzaf{}g[1]end";
        let marks = [
            mark(0, Said::Reasoning),
            mark(5, Said::Text),
            mark(7, call(0, Some("f"))),
            mark(9, call(1, Some("g"))),
            mark(13, Said::Text),
        ];
        assert_eq!(check_marks(text, &marks), Ok(()));
        for cut in (0..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let mut head: Vec<Mark> = marks.iter().filter(|mark| mark.at < cut as u32).cloned().collect();
            let tail = marks_from(&marks, cut as u32);
            let parts = [kinds(&text[..cut], &head), kinds(&text[cut..], &tail)].concat();
            assert_eq!(parts, kinds(text, &marks), "cut at {cut}");
            join_marks(&mut head, cut as u32, &tail);
            assert_eq!(kinds(text, &head), kinds(text, &marks), "joined at {cut}");
            assert_eq!(check_marks(text, &head), Ok(()));
        }
    }

    #[test]
    fn events_without_text_leave_no_mark() {
        let mut marks = vec![mark(0, call(0, Some("f")))];
        join_marks(&mut marks, 4, &[]);
        join_marks(&mut marks, 4, &[mark(0, call(0, None))]);
        assert_eq!(marks, [mark(0, call(0, Some("f")))]);
        join_marks(&mut marks, 9, &[mark(0, call(1, Some("g")))]);
        join_marks(&mut marks, 9, &[]);
        assert_eq!(marks[1..], [mark(9, call(1, Some("g"))), mark(9, Said::Text)]);
    }

    #[test]
    fn an_answer_becomes_the_message_of_its_conversation() {
        let marks = [
            mark(0, Said::Reasoning),
            mark(2, Said::Text),
            mark(4, call(0, Some("f"))),
            mark(6, call(0, None)),
            mark(7, call(1, Some("g"))),
        ];
        let read = parts_of(TurnId(7), "hmOKabc", &marks);
        let made = |index, name: &str, arguments: &str| {
            let id = call_id(TurnId(7), index);
            Part::Call(ToolCall { id, name: name.to_owned(), arguments: arguments.to_owned() })
        };
        let expected = [
            Part::Reasoning("hm".to_owned()),
            Part::Text("OK".to_owned()),
            made(0, "f", "abc"),
            made(1, "g", ""),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn marks_that_do_not_fit_are_named_and_not_followed() {
        assert!(check_marks("ü", &[mark(1, Said::Text)]).is_err());
        assert!(check_marks("ab", &[mark(3, Said::Text)]).is_err());
        assert!(check_marks("ab", &[mark(2, Said::Text), mark(1, Said::Text)]).is_err());
        assert_eq!(pieces("ab", &[mark(3, Said::Reasoning)]).count(), 0);
        assert_eq!(pieces("ab", &[mark(2, Said::Reasoning), mark(1, Said::Text)]).count(), 1);
    }
}
