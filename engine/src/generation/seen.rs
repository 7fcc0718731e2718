//! A picture of a turn and what the model has seen of it. Owned by the turn, looked at when its places are computed.

use std::ops::Range;

use crate::backend::{Backend, BackendError, PictureRows};
use crate::vision::Shown;

pub(super) struct Seen {
    shown: Shown,
    places: usize,
    /// Empty until the model has looked at it; a turn whose prefix was found may never need it.
    rows: Vec<f32>,
}

impl Seen {
    pub(super) fn new(shown: Shown) -> Seen {
        Seen { shown, places: 0, rows: Vec::new() }
    }

    /// Has the model look if a step begins or goes on with this picture.
    pub(super) fn look(
        &mut self,
        positions: &Range<usize>,
        backend: &mut dyn Backend,
    ) -> Result<(), BackendError> {
        self.places = backend.shape().vision.map_or(0, |vision| vision.places);
        if self.rows.is_empty() && self.overlaps(positions) {
            self.rows = backend.look(&self.shown.picture)?;
        }
        Ok(())
    }

    /// Its rows, if it has places in a step.
    pub(super) fn within(&self, positions: &Range<usize>) -> Option<PictureRows<'_>> {
        let rows = PictureRows { position: self.shown.position, places: self.places, rows: &self.rows };
        self.overlaps(positions).then_some(rows)
    }

    fn overlaps(&self, positions: &Range<usize>) -> bool {
        let (start, end) = (self.shown.position, self.shown.position + self.places);
        start < positions.end && positions.start < end
    }
}
