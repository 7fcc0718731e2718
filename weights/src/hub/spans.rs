//! Which bytes are asked for next: runs of missing pieces, no piece twice at once. Pure; `download` performs it.

use std::collections::BTreeSet;

use crate::manifest::Layout;

/// Pieces of one file that are asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Index of the file.
    pub(super) file: usize,
    /// Number of the first piece among those of all files.
    pub(super) first: u32,
    /// Number behind the last one.
    pub(super) end: u32,
    /// The hub ignores ranges for this file: it is asked for from its first byte, and what is there is passed over.
    pub(super) is_whole: bool,
}

/// What is missing and what is being asked for.
#[derive(Debug)]
pub(super) struct Spans {
    layout: Layout,
    missing: BTreeSet<u32>,
    /// Those of `missing` that somebody asks for.
    asked: BTreeSet<u32>,
    /// Files that come only whole.
    whole: BTreeSet<usize>,
    pieces_max: u32,
}

impl Spans {
    /// `pieces_max` is at least 1.
    pub(super) fn new(layout: Layout, missing: BTreeSet<u32>, pieces_max: u32) -> Self {
        let pieces_max = pieces_max.max(1);
        Self { layout, missing, asked: BTreeSet::new(), whole: BTreeSet::new(), pieces_max }
    }

    /// What to ask for next; `None` when all that is missing is being asked for.
    pub(super) fn next(&mut self) -> Option<Span> {
        let first = self.missing.difference(&self.asked).copied().find(|piece| !self.waits(*piece))?;
        let file = self.layout.locate(first).file;
        let pieces = self.layout.pieces_of(file);
        let span = if self.whole.contains(&file) {
            Span { file, first: pieces.start, end: pieces.end, is_whole: true }
        } else {
            let is_free = |piece: &u32| self.missing.contains(piece) && !self.asked.contains(piece);
            let most = pieces.end.min(first.saturating_add(self.pieces_max));
            let end = (first..most).find(|piece| !is_free(piece)).unwrap_or(most);
            Span { file, first, end, is_whole: false }
        };
        self.asked.extend(span.first..span.end);
        Some(span)
    }

    /// Whether somebody takes the whole file already.
    fn waits(&self, piece: u32) -> bool {
        let file = self.layout.locate(piece).file;
        self.whole.contains(&file) && self.layout.pieces_of(file).any(|piece| self.asked.contains(&piece))
    }

    /// Whether a piece still has to be written.
    pub(super) fn is_missing(&self, piece: u32) -> bool {
        self.missing.contains(&piece)
    }

    /// A span is asked for no more; these of its pieces are on the disk.
    pub(super) fn ended(&mut self, span: Span, written: &[u32]) {
        for piece in written {
            self.missing.remove(piece);
        }
        for piece in span.first..span.end {
            self.asked.remove(&piece);
        }
    }

    /// This file comes only whole from now on.
    pub(super) fn take_whole(&mut self, file: usize) {
        self.whole.insert(file);
    }

    /// What is on the disk is not this file; all of it is missing again.
    pub(super) fn forget(&mut self, file: usize) {
        self.missing.extend(self.layout.pieces_of(file));
    }

    /// Pieces that are missing.
    pub(super) fn missing(&self) -> &BTreeSet<u32> {
        &self.missing
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::blob::PIECE_BYTES;
    use pomona_protocol::{BlobFile, BlobManifest};
    use proptest::prelude::*;

    use super::*;

    fn layout(pieces: &[u64]) -> Layout {
        let file = |pieces: &u64| BlobFile {
            path: "a".to_owned(),
            bytes: pieces * PIECE_BYTES,
            digest: String::new(),
        };
        Layout::new(&BlobManifest { files: pieces.iter().map(file).collect() })
    }

    fn spans(pieces: &[u64], missing: impl IntoIterator<Item = u32>, most: u32) -> Spans {
        Spans::new(layout(pieces), missing.into_iter().collect(), most)
    }

    fn all(spans: &mut Spans) -> Vec<(u32, u32)> {
        std::iter::from_fn(|| spans.next()).map(|span| (span.first, span.end)).collect()
    }

    #[test]
    fn runs_are_cut_at_what_is_there_at_the_files_end_and_at_the_limit() {
        assert_eq!(
            all(&mut spans(&[5, 3], (0..8).filter(|p| *p != 1), 2)),
            [(0, 1), (2, 4), (4, 5), (5, 7), (7, 8)]
        );
        assert_eq!(all(&mut spans(&[2], [], 2)), []);
    }

    #[test]
    fn a_file_that_comes_only_whole_is_asked_for_once_at_a_time() {
        let mut spans = spans(&[4, 1], [1, 3, 4], 1);
        let span = spans.next().unwrap();
        spans.take_whole(0);
        spans.ended(span, &[]);
        let whole = spans.next().unwrap();
        assert_eq!((whole.first, whole.end, whole.is_whole), (0, 4, true));
        assert_eq!(spans.next().unwrap().first, 4, "the other file goes on");
        assert_eq!(spans.next(), None);
        spans.ended(whole, &[1]);
        assert!(spans.next().unwrap().is_whole);
    }

    proptest! {
        #[test]
        fn every_missing_piece_is_asked_for_once(
            files in prop::collection::vec(0u64..6, 1..5),
            missing in prop::collection::btree_set(0u32..30, 0..20),
            most in 1u32..5,
        ) {
            let pieces = layout(&files).pieces();
            let missing: BTreeSet<u32> = missing.into_iter().filter(|piece| *piece < pieces).collect();
            let mut spans = spans(&files, missing.clone(), most);
            let asked: Vec<u32> = all(&mut spans).into_iter().flat_map(|(first, end)| first..end).collect();
            prop_assert_eq!(asked.len(), missing.len());
            prop_assert_eq!(asked.into_iter().collect::<BTreeSet<_>>(), missing);
        }
    }
}
