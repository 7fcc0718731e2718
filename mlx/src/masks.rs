//! Which positions each row of a sequence sees: the past, as far as a window goes, and all of its own picture.
//!
//! Layers share masks: each is made once in a pass, and only where the library cannot do without.

use std::cell::RefCell;
use std::ops::Range;

use mlx_rs::Array;

/// What the rows of one sequence see.
#[derive(Debug)]
pub(crate) struct Masks {
    /// Their positions.
    rows: Range<usize>,
    /// Positions of pictures among them, in order.
    pictures: Vec<Range<usize>>,
    /// Those that were made, by their window.
    made: RefCell<Vec<(Option<usize>, Array)>>,
}

/// What attention is told.
#[derive(Debug)]
pub(crate) enum MaskKind {
    /// All rows see everything.
    None,
    /// Each row sees what is not behind it.
    Causal,
    /// Row by row, `[rows, seen]`. Boolean, because one of numbers would have to be of the queries' type.
    Array(Array),
}

impl Masks {
    pub(crate) fn new(rows: Range<usize>, pictures: Vec<Range<usize>>) -> Masks {
        Masks { rows, pictures, made: RefCell::new(Vec::new()) }
    }

    /// The positions that any row sees.
    pub(crate) fn seen(&self, window: Option<usize>) -> Range<usize> {
        let first = self.rows.clone().map(|row| self.reach(row, window).start).min();
        first.unwrap_or(0)..self.rows.end
    }

    /// What attention must be told.
    pub(crate) fn kind(&self, window: Option<usize>) -> MaskKind {
        let is_causal = self.pictures.is_empty() && window.is_none_or(|window| window >= self.rows.end);
        if is_causal && self.rows.len() > 1 {
            return MaskKind::Causal;
        }
        self.mask(window).map_or(MaskKind::None, MaskKind::Array)
    }

    /// The mask over [`Masks::seen`]; none if there is one row, which sees all of that.
    pub(crate) fn mask(&self, window: Option<usize>) -> Option<Array> {
        if self.rows.len() == 1 {
            return None;
        }
        let mut made = self.made.borrow_mut();
        if let Some((_, mask)) = made.iter().find(|(of, _)| *of == window) {
            return Some(mask.clone());
        }
        let seen = self.seen(window);
        let mut mask = vec![false; self.rows.len() * seen.len()];
        for (row, line) in self.rows.clone().zip(mask.chunks_exact_mut(seen.len())) {
            let reach = self.reach(row, window);
            line[reach.start - seen.start..reach.end - seen.start].fill(true);
        }
        let mask = Array::from_slice(&mask, &[self.rows.len() as i32, seen.len() as i32]);
        made.push((window, mask.clone()));
        Some(mask)
    }

    /// What one row sees.
    fn reach(&self, row: usize, window: Option<usize>) -> Range<usize> {
        let end = row + 1;
        let first = window.map_or(0, |window| end.saturating_sub(window));
        match self.pictures.iter().find(|picture| picture.contains(&row)) {
            None => first..end,
            Some(picture) => first.min(picture.start)..end.max(picture.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(masks: &Masks, window: Option<usize>) -> Vec<String> {
        let mask = masks.mask(window).unwrap();
        let sign = |&sees: &bool| if sees { '#' } else { '.' };
        let width = masks.seen(window).len();
        mask.as_slice::<bool>().chunks(width).map(|row| row.iter().map(sign).collect()).collect()
    }

    #[test]
    fn a_window_is_as_wide_as_it_says_and_counts_the_row_itself() {
        let masks = Masks::new(2..5, Vec::new());
        assert_eq!(masks.seen(Some(2)), 1..5);
        assert_eq!(drawn(&masks, Some(2)), ["##..", ".##.", "..##"]);
        assert!(matches!(masks.kind(Some(5)), MaskKind::Causal));
        assert!(matches!(masks.kind(None), MaskKind::Causal));
    }

    #[test]
    fn places_of_a_picture_see_all_of_it_beyond_any_window() {
        let picture = 2..5;
        let masks = Masks::new(1..6, Vec::from([picture]));
        assert_eq!(drawn(&masks, None), ["##....", "#####.", "#####.", "#####.", "######"]);
        assert_eq!(masks.seen(Some(1)), 1..6);
        assert_eq!(drawn(&masks, Some(1)), ["#....", ".###.", ".###.", ".###.", "....#"]);
    }

    #[test]
    fn one_row_sees_what_is_read_for_it() {
        let masks = Masks::new(7..8, Vec::new());
        assert_eq!(masks.seen(Some(3)), 5..8);
        assert!(matches!(masks.kind(Some(3)), MaskKind::None));
    }
}
