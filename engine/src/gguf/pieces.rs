//! The merges of a SentencePiece vocabulary, which has only scores.
//!
//! Such a tokenizer joins, again and again, the two neighbours whose joint piece has the highest score. As merges:
//! every way to cut a piece into two others, those of the highest score first.

use std::cmp::Ordering;
use std::collections::HashMap;

/// Most ways to cut that are kept: four times those of the largest vocabulary.
const MERGES_MAX: usize = 1 << 22;

/// One way to cut a piece.
struct Cut<'a> {
    score: f32,
    left: &'a str,
    right: &'a str,
    ids: (usize, usize),
}

/// Pairs of pieces, the first to be joined first.
pub(super) fn merges(pieces: &[String], scores: &[f32]) -> Vec<(String, String)> {
    let ids: HashMap<&str, usize> =
        pieces.iter().enumerate().map(|(id, piece)| (piece.as_str(), id)).collect();
    let mut cuts = Vec::new();
    for (piece, &score) in pieces.iter().zip(scores) {
        for (at, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(&left_id), Some(&right_id)) = (ids.get(left), ids.get(right))
                && cuts.len() < MERGES_MAX
            {
                cuts.push(Cut { score, left, right, ids: (left_id, right_id) });
            }
        }
    }
    cuts.sort_by(first);
    cuts.into_iter().map(|cut| (cut.left.to_owned(), cut.right.to_owned())).collect()
}

/// Higher scores first; among equals longer halves first, then lower ids.
fn first(a: &Cut<'_>, b: &Cut<'_>) -> Ordering {
    let lengths = |cut: &Cut<'_>| (cut.left.chars().count(), cut.right.chars().count());
    b.score.total_cmp(&a.score).then_with(|| lengths(b).cmp(&lengths(a))).then_with(|| a.ids.cmp(&b.ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_higher_score_are_joined_first() {
        let pieces = ["a", "b", "ab", "abc", "c", "bc", "x"].map(str::to_owned);
        let merges = merges(&pieces, &[0.0, 0.0, -2.0, -3.0, 0.0, -1.0, 0.0]);
        let expected = [("b", "c"), ("a", "b"), ("ab", "c"), ("a", "bc")];
        assert_eq!(merges, expected.map(|(left, right)| (left.to_owned(), right.to_owned())));
    }
}
