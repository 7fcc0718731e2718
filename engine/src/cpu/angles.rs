//! Cosines and sines of rotary positions, computed when a position is first seen.
//!
//! Computed by a library of our own choice and not the system's, so that all machines have the same bits.

use crate::checkpoint::DecoderConfig;

/// Positions computed at once. Memory follows the longest sequence by steps of this.
const PAGE_POSITIONS: usize = 256;

/// The table so far.
#[derive(Debug)]
pub(crate) struct Angles {
    /// For each kind of positions and each pair of a head: frequency and amplitude.
    pairs: Vec<(f32, f32)>,
    /// For each position of a page and each pair: cosine and sine.
    pages: Vec<Option<Box<[f32]>>>,
}

impl Angles {
    pub(crate) fn new(config: &DecoderConfig) -> Angles {
        let pages = config.context_tokens.div_ceil(PAGE_POSITIONS);
        let pairs = config.rotary.iter().flat_map(|rotary| {
            let frequencies = rotary.frequencies(config.context_tokens);
            frequencies.into_iter().map(|frequency| (frequency, rotary.amplitude))
        });
        Angles { pairs: pairs.collect(), pages: vec![None; pages] }
    }

    /// Numbers of a position before those of a kind of positions.
    pub(crate) fn offset(config: &DecoderConfig, kind: usize) -> usize {
        config.rotary[..kind].iter().map(|rotary| rotary.width).sum()
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
                    self.pairs.iter().flat_map(move |&(frequency, amplitude)| {
                        // The product is rounded to f32, as models saw it in training.
                        let angle = f64::from(position as f32 * frequency);
                        [libm::cos(angle) as f32 * amplitude, libm::sin(angle) as f32 * amplitude]
                    })
                });
                self.pages[page] = Some(numbers.collect());
            }
        }
    }

    /// Cosine and sine by turns for each kind and each pair of a head, of a prepared position.
    pub(crate) fn at(&self, position: usize) -> &[f32] {
        let page = self.pages[position / PAGE_POSITIONS].as_deref();
        let page = page.expect("invariant: positions are prepared before they are used");
        let width = 2 * self.pairs.len();
        &page[position % PAGE_POSITIONS * width..][..width]
    }
}
