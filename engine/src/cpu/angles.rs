//! Cosines and sines of rotary positions, computed when a position is first seen.
//!
//! Computed by a library of our own choice and not the system's, so that all machines have the same bits.

use crate::checkpoint::DecoderConfig;

/// Positions computed at once. Memory follows the longest sequence by steps of this.
const PAGE_POSITIONS: usize = 256;

/// The table so far.
#[derive(Debug)]
pub(crate) struct Angles {
    frequencies: Vec<f32>,
    /// For each position of a page and each pair of a head: cosine and sine.
    pages: Vec<Option<Box<[f32]>>>,
}

impl Angles {
    pub(crate) fn new(config: &DecoderConfig) -> Angles {
        let pages = config.context_tokens.div_ceil(PAGE_POSITIONS);
        let frequencies = config.rotary.frequencies(config.head_width);
        Angles { frequencies, pages: vec![None; pages] }
    }

    /// Computes what is missing for a range of positions.
    pub(crate) fn prepare(&mut self, positions: std::ops::Range<usize>) {
        if positions.is_empty() {
            return;
        }
        for page in positions.start / PAGE_POSITIONS..=(positions.end - 1) / PAGE_POSITIONS {
            if self.pages[page].is_none() {
                let first = page * PAGE_POSITIONS;
                let numbers = (first..first + PAGE_POSITIONS).flat_map(|position| {
                    self.frequencies.iter().flat_map(move |&frequency| {
                        // The product is rounded to f32, as models saw it in training.
                        let angle = f64::from(position as f32 * frequency);
                        [libm::cos(angle) as f32, libm::sin(angle) as f32]
                    })
                });
                self.pages[page] = Some(numbers.collect());
            }
        }
    }

    /// Cosine and sine by turns for each pair of a head, of a prepared position.
    pub(crate) fn at(&self, position: usize) -> &[f32] {
        let page = self.pages[position / PAGE_POSITIONS].as_deref();
        let page = page.expect("invariant: positions are prepared before they are used");
        let width = 2 * self.frequencies.len();
        &page[position % PAGE_POSITIONS * width..][..width]
    }
}
