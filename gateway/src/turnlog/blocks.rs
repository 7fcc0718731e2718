//! What an answer consists of, for dialects that tell it block by block: text, thoughts, calls of tools, in the order in
//! which they come.
//!
//! What [`Blocks`] says follows from the text and its marks alone, however events are cut. So a beginning of a call is
//! told with the first of its arguments, or at the end: where it stands between two tokens depends on the cut.

use pomona_protocol::said::pieces;
use pomona_protocol::{Mark, Said};

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: BlockKind,
    /// Its text so far; arguments of a call.
    pub(crate) text: String,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Text,
    Reasoning,
    Call { index: u32, name: String },
}

/// The answer goes on in another block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// How many changes came before.
    pub(crate) number: u64,
    /// The block that is left.
    pub(crate) left: Option<usize>,
    /// The block that begins; `None` when it has begun before.
    pub(crate) begun: Option<usize>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blocks {
    all: Vec<Block>,
    current: Option<usize>,
    changes: u64,
    /// Calls that were said to begin, without anything of them yet.
    beginnings: Vec<(u32, String)>,
}

impl Blocks {
    /// Those of a whole answer, or of one that is under way.
    pub(crate) fn of(text: &str, marks: &[Mark], has_ended: bool) -> Self {
        let mut blocks = Self::default();
        for (kind, piece) in pieces(text, marks) {
            blocks.take(kind, piece);
        }
        if has_ended {
            blocks.end();
        }
        blocks
    }

    /// All of them, the first one first.
    pub(crate) fn all(&self) -> &[Block] {
        &self.all
    }

    /// The one in which the answer is now.
    pub(crate) fn current(&self) -> Option<usize> {
        self.current
    }

    /// Changes but for the first one.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.saturating_sub(1)
    }

    /// Takes in a piece; says which changes come before it.
    pub(crate) fn take(&mut self, kind: &Said, piece: &str) -> Vec<Change> {
        if piece.is_empty() {
            if let Said::Call { index, name: Some(name) } = kind {
                self.beginnings.push((*index, name.clone()));
            }
            return Vec::new();
        }
        let mut changes = self.begin_calls();
        changes.extend(self.enter(kind));
        if let Some(block) = self.current.and_then(|at| self.all.get_mut(at)) {
            block.text.push_str(piece);
        }
        changes
    }

    /// Nothing follows. An answer without anything is an empty text.
    pub(crate) fn end(&mut self) -> Vec<Change> {
        let mut changes = self.begin_calls();
        if self.all.is_empty() {
            changes.extend(self.enter(&Said::Text));
        }
        changes
    }

    fn begin_calls(&mut self) -> Vec<Change> {
        let beginnings = std::mem::take(&mut self.beginnings);
        let entered = beginnings
            .into_iter()
            .filter_map(|(index, name)| self.enter(&Said::Call { index, name: Some(name) }));
        entered.collect()
    }

    fn enter(&mut self, kind: &Said) -> Option<Change> {
        let is_same = |block: &Block| match (&block.kind, kind) {
            (BlockKind::Text, Said::Text) | (BlockKind::Reasoning, Said::Reasoning) => true,
            (BlockKind::Call { index, .. }, Said::Call { index: other, .. }) => index == other,
            _ => false,
        };
        let left = self.current;
        if left.and_then(|at| self.all.get(at)).is_some_and(is_same) {
            return None;
        }
        // A call may go on behind another one; text and thoughts begin anew.
        let is_call = matches!(kind, Said::Call { .. });
        let known = self.all.iter().position(is_same).filter(|_| is_call);
        let at = known.unwrap_or(self.all.len());
        if known.is_none() {
            self.all.push(Block { kind: BlockKind::of(kind), text: String::new() });
        }
        self.current = Some(at);
        self.changes += 1;
        Some(Change { number: self.changes - 1, left, begun: known.is_none().then_some(at) })
    }
}

impl BlockKind {
    fn of(kind: &Said) -> Self {
        match kind {
            Said::Text => BlockKind::Text,
            Said::Reasoning => BlockKind::Reasoning,
            Said::Call { index, name } => {
                BlockKind::Call { index: *index, name: name.clone().unwrap_or_default() }
            }
        }
    }
}

/// The pieces of a log entry, each with the index in the answer of the token that made it certain. Pieces without text
/// are told with whatever token; [`Blocks`] does not look at it.
pub(crate) fn pieces_of_tokens<'a>(
    first: u32,
    text: &'a str,
    marks: &'a [Mark],
    ends: &[u32],
) -> Vec<(u32, &'a Said, &'a str)> {
    let mut told = Vec::with_capacity(ends.len());
    let (mut token, mut at) = (0, 0);
    for (kind, piece) in pieces(text, marks) {
        if piece.is_empty() {
            told.push((first + token as u32, kind, piece));
        }
        let mut rest = piece;
        while !rest.is_empty() {
            while ends.get(token).is_some_and(|end| *end as usize <= at) {
                token += 1;
            }
            let length = ends.get(token).map_or(rest.len(), |end| (*end as usize - at).min(rest.len()));
            let Some((head, tail)) = rest.split_at_checked(length) else { return told };
            told.push((first + token as u32, kind, head));
            (rest, at) = (tail, at + length);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(index: u32, name: Option<&str>) -> Said {
        Said::Call { index, name: name.map(str::to_owned) }
    }

    fn block(kind: BlockKind, text: &str) -> Block {
        Block { kind, text: text.to_owned() }
    }

    #[test]
    fn an_answer_is_its_blocks_in_order() {
        let marks = [
            Mark { at: 0, kind: Said::Reasoning },
            Mark { at: 2, kind: Said::Text },
            Mark { at: 4, kind: call(0, Some("f")) },
            Mark { at: 6, kind: call(1, Some("g")) },
        ];
        let blocks = Blocks::of("hmOK{}", &marks, true);
        let named = |index, name: &str| BlockKind::Call { index, name: name.to_owned() };
        let expected = [
            block(BlockKind::Reasoning, "hm"),
            block(BlockKind::Text, "OK"),
            block(named(0, "f"), "{}"),
            block(named(1, "g"), ""),
        ];
        assert_eq!((blocks.all(), blocks.changes()), (&expected[..], 3));
        assert_eq!(Blocks::of("hmOK{}", &marks, false).all(), &expected[..3]);
        assert_eq!(Blocks::of("", &[], true).all(), [block(BlockKind::Text, "")]);
    }

    #[test]
    fn a_call_may_go_on_behind_another_one() {
        let mut blocks = Blocks::default();
        blocks.take(&call(0, Some("f")), "[");
        blocks.take(&call(1, Some("g")), "x");
        let changes = blocks.take(&call(0, None), "]");
        assert_eq!(changes, [Change { number: 2, left: Some(1), begun: None }]);
        assert_eq!((blocks.all()[0].text.as_str(), blocks.all().len()), ("[]", 2));
    }

    #[test]
    fn every_piece_has_its_token() {
        let marks = [Mark { at: 3, kind: Said::Reasoning }, Mark { at: 6, kind: call(0, Some("f")) }];
        let told = pieces_of_tokens(7, "abcdef", &marks, &[0, 2, 2, 4, 6]);
        let told: Vec<_> =
            told.iter().map(|(token, kind, piece)| (*token, (*kind).clone(), *piece)).collect();
        let expected = [
            (8, Said::Text, "ab"),
            (10, Said::Text, "c"),
            (10, Said::Reasoning, "d"),
            (11, Said::Reasoning, "ef"),
            (11, call(0, Some("f")), ""),
        ];
        assert_eq!(told, expected);
    }
}
