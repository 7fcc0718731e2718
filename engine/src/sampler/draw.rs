//! A draw from the softmax of a row, after truncation.
//!
//! Nothing here sorts the whole vocabulary. Top-k selects. For top-p alone, tokens below `(1 - p) / n` of the
//! mass are passed over first: all of them together weigh less than `1 - p`, so none can be part of the
//! smallest set with mass `p`; of real models a few hundred remain.

use super::select::{best, by_rank};
use super::softmax::Softmax;
use super::{UnusableLogits, argmax};
use crate::philox;

/// Which part of the distribution is drawn from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truncation {
    /// Likeliest tokens to keep; 0 means all.
    pub(super) top_k: usize,
    /// Mass to keep; 1 means all.
    pub(super) top_p: f32,
    /// Lowest share of the likeliest token's probability; 0 means all.
    pub(super) min_p: f32,
}

/// Draws the token at `index`.
pub(super) fn draw(
    logits: &[f32],
    temperature: f32,
    truncation: &Truncation,
    seed: u64,
    index: u32,
) -> Result<u32, UnusableLogits> {
    let max = logits[argmax(logits)? as usize];
    let softmax = Softmax { max, temperature };
    let uniform = philox::uniform(seed, u64::from(index));
    Ok(match candidates(logits, softmax, truncation) {
        Some(candidates) => {
            let total: f64 = candidates.iter().map(|(logit, _)| softmax.weight(*logit)).sum();
            pick(candidates.into_iter(), softmax, uniform * total)
        }
        None => pick(numbered(logits), softmax, uniform * softmax.total(logits)),
    })
}

/// What truncation leaves, best first; `None` when it leaves everything.
fn candidates(logits: &[f32], softmax: Softmax, truncation: &Truncation) -> Option<Vec<(f32, u32)>> {
    let Truncation { top_k, top_p, min_p } = *truncation;
    let cuts_count = top_k > 0 && top_k < logits.len();
    if !cuts_count && top_p >= 1.0 && min_p <= 0.0 {
        return None;
    }
    let (mut kept, total) = if cuts_count {
        let kept = best(logits, top_k);
        let total: f64 = kept.iter().map(|(logit, _)| softmax.weight(*logit)).sum();
        (kept, total)
    } else {
        let total = softmax.total(logits);
        let share_min = f64::from(1.0 - top_p).max(0.0) / logits.len() as f64;
        let weight_min = (share_min * total).max(f64::from(min_p));
        let logit_min = softmax.logit_below(weight_min);
        let mut kept: Vec<_> = numbered(logits).filter(|(logit, _)| *logit >= logit_min).collect();
        kept.sort_unstable_by(by_rank);
        (kept, total)
    };
    if top_p < 1.0 {
        let mass = f64::from(top_p) * total;
        let mut sum = 0.0;
        let within = kept.iter().position(|(logit, _)| {
            sum += softmax.weight(*logit);
            sum >= mass
        });
        kept.truncate(within.map_or(kept.len(), |last| last + 1));
    }
    kept.retain(|(logit, _)| softmax.weight(*logit) >= f64::from(min_p));
    Some(kept)
}

/// The candidate at `mark` of the mass, counted in the given order.
fn pick(candidates: impl Iterator<Item = (f32, u32)>, softmax: Softmax, mark: f64) -> u32 {
    let mut sum = 0.0;
    let mut last = 0;
    for (logit, id) in candidates {
        let weight = softmax.weight(logit);
        if weight == 0.0 {
            continue;
        }
        sum += weight;
        last = id;
        if sum > mark {
            return id;
        }
    }
    // Rounding may leave the mark at the very end of the mass.
    last
}

fn numbered(logits: &[f32]) -> impl Iterator<Item = (f32, u32)> {
    logits.iter().enumerate().map(|(id, logit)| (*logit, id as u32))
}
