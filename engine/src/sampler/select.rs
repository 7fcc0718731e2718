//! The best few of many, without sorting the many.

use std::cmp::Ordering;

/// Best logit first; of equals, the lowest id first.
pub(super) fn by_rank(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The `count` highest logits with their ids, best first, ties by id. One pass that keeps at most
/// `2 * count` candidates and raises its threshold whenever they are full.
pub fn best(logits: &[f32], count: usize) -> Vec<(f32, u32)> {
    let count = count.min(logits.len());
    if count == 0 {
        return Vec::new();
    }
    let mut kept: Vec<(f32, u32)> = Vec::with_capacity(2 * count);
    let mut threshold = f32::NEG_INFINITY;
    for (id, logit) in logits.iter().enumerate() {
        // An equal logit further on has a higher id and loses, once `count` are there.
        if *logit > threshold || kept.len() < count {
            kept.push((*logit, id as u32));
            if kept.len() == 2 * count {
                threshold = cut(&mut kept, count);
            }
        }
    }
    if kept.len() > count {
        cut(&mut kept, count);
    }
    kept.sort_unstable_by(by_rank);
    kept
}

/// Keeps the best `count`; returns the lowest logit among them.
fn cut(kept: &mut Vec<(f32, u32)>, count: usize) -> f32 {
    let (_, (lowest, _), _) = kept.select_nth_unstable_by(count - 1, by_rank);
    let lowest = *lowest;
    kept.truncate(count);
    lowest
}
