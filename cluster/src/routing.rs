//! Which replica gets a turn: the one that is predicted to answer it in the fewest milliseconds. Asked by
//! admission whenever a turn could start; knows numbers only, no names.
//!
//! Everything that speaks for or against a replica is turned into milliseconds and added: work before the
//! turn, prompt tokens that are not cached there, steps at the batch that the turn would join, the way to it.
//! There are no other weights, so a cached prefix wins exactly as long as it saves more than the load costs.

use std::time::Duration;

use pomona_protocol::ReplicaLoad;

/// Milliseconds of a step when none was measured at any candidate: a small model on a laptop. Where others were
/// measured, the best of them stands in: an unknown replica should be tried rather than shunned, and its first
/// report corrects that.
pub const STEP_MS_PRIOR: f32 = 30.0;
/// Prompt tokens per second when none were measured anywhere; the low end of Apple silicon with 8-bit weights.
pub const PREFILL_TOKENS_PER_S_PRIOR: f32 = 500.0;
/// Tokens of an answer whose length nobody knows yet; a long paragraph. Larger values spread turns more evenly
/// and pay for it with cached prefixes.
pub const ANSWER_TOKENS_PRIOR: f32 = 128.0;
/// Sequences that double the time of a step. Reading the weights takes as long for one sequence as for all,
/// attention and sampling grow with each; 16 lies between the two extremes.
pub const STEP_DOUBLES_AT: f32 = 16.0;
/// Replicas within this share of the best prediction count as equal: predictions are not better than that, and
/// gateways that all took the very best one would herd.
pub const NEAR_SHARE: f32 = 0.10;
/// Replicas within these milliseconds of the best prediction count as equal, however small it is.
pub const NEAR_MS: f32 = 5.0;

/// Nobody is slower than this, whatever its report says: sums stay finite, and a replica stays comparable.
const STEP_MS_MAX: f32 = 600_000.0;
/// Nor slower than this.
const PREFILL_TOKENS_PER_S_MIN: f32 = 0.01;

/// What is known of a replica that could take a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidate {
    /// Number of the replica, as the caller knows it.
    pub index: u32,
    /// Turns that it has: those of its report, corrected by what was placed or ended since.
    pub turns: u32,
    /// Turns that it may have at once.
    pub turns_max: u32,
    /// Sequences in the batch whose steps take `step_ms`.
    pub running: u32,
    /// Milliseconds of a step; 0 when unknown.
    pub step_ms: f32,
    /// Prompt tokens per second; 0 when unknown.
    pub prefill_tokens_per_s: f32,
    /// Prompt tokens placed there that no report can have covered yet.
    pub pending_tokens: u32,
    /// Round trip to it, in milliseconds.
    pub rtt_ms: f32,
    /// Tokens of this turn's prompt that it has already.
    pub cached_tokens: u32,
}

impl Candidate {
    /// Takes the numbers of a report over.
    pub fn set_load(&mut self, load: &ReplicaLoad, rtt: Duration) {
        self.running = load.running;
        self.step_ms = load.step_ms;
        self.prefill_tokens_per_s = load.prefill_tokens_per_s;
        self.rtt_ms = rtt.as_secs_f32() * 1e3;
    }
}

/// What the candidates have shown to be possible, a step for a sequence alone; 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default)]
struct Best {
    step_ms: f32,
    prefill_tokens_per_s: f32,
}

impl Best {
    fn of(candidates: impl Iterator<Item = Candidate>) -> Self {
        candidates.fold(Self::default(), |best, candidate| Self {
            step_ms: match (measured(candidate.step_ms), measured(best.step_ms)) {
                (Some(step_ms), best_ms) => {
                    let alone_ms = at_batch(step_ms, candidate.running, 1.0);
                    best_ms.map_or(alone_ms, |best_ms| best_ms.min(alone_ms))
                }
                (None, best_ms) => best_ms.unwrap_or(0.0),
            },
            prefill_tokens_per_s: measured(candidate.prefill_tokens_per_s)
                .map_or(best.prefill_tokens_per_s, |rate| rate.max(best.prefill_tokens_per_s)),
        })
    }

    fn stands_in(self, candidate: Candidate) -> Candidate {
        let step_ms = measured(candidate.step_ms).unwrap_or(self.step_ms);
        let rate = measured(candidate.prefill_tokens_per_s).unwrap_or(self.prefill_tokens_per_s);
        Candidate { step_ms, prefill_tokens_per_s: rate, ..candidate }
    }
}

/// Milliseconds until the answer to a prompt of `prompt_tokens` is over, if it were placed there now.
pub fn predict_ms(candidate: &Candidate, prompt_tokens: u32) -> f32 {
    let step_ms = measured(candidate.step_ms).unwrap_or(STEP_MS_PRIOR).min(STEP_MS_MAX);
    let prefill = measured(candidate.prefill_tokens_per_s).unwrap_or(PREFILL_TOKENS_PER_S_PRIOR);
    let prefill = prefill.max(PREFILL_TOKENS_PER_S_MIN);
    let turns_max = candidate.turns_max.max(1) as f32;
    let turns = candidate.turns as f32 + 1.0;
    let batch = turns.min(turns_max);
    let step_ms = at_batch(step_ms, candidate.running, batch);
    let answer_ms = ANSWER_TOKENS_PRIOR * step_ms;
    // A full batch ends one turn each `answer_ms / turns_max`.
    let queue_ms = (turns - turns_max).max(0.0) * answer_ms / turns_max;
    let uncached = prompt_tokens.saturating_sub(candidate.cached_tokens).max(1) as f32;
    let prefill_ms = (candidate.pending_tokens as f32 + uncached) / prefill * 1e3;
    candidate.rtt_ms + queue_ms + prefill_ms + answer_ms
}

/// Milliseconds of a step of `batch` sequences, where one of `running` takes `step_ms`.
fn at_batch(step_ms: f32, running: u32, batch: f32) -> f32 {
    step_ms * (STEP_DOUBLES_AT + batch) / (STEP_DOUBLES_AT + running.max(1) as f32)
}

/// A measured value; `None` when there is none or it is no number.
fn measured(value: f32) -> Option<f32> {
    (value.is_finite() && value > 0.0).then_some(value)
}

/// The chosen replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Its number.
    pub index: u32,
    /// When it is predicted to be done, in milliseconds.
    pub predicted_ms: f32,
}

/// The replica that should take the turn, out of those that may: two are drawn among those near the best, and
/// the better of them wins. `draw` are random bits, 64 of them. `scratch` spares an allocation.
pub fn choose(
    candidates: impl Iterator<Item = Candidate> + Clone,
    prompt_tokens: u32,
    draw: u64,
    scratch: &mut Vec<Choice>,
) -> Option<Choice> {
    scratch.clear();
    let best = Best::of(candidates.clone());
    let mut best_ms = f32::INFINITY;
    for candidate in candidates {
        let predicted_ms = predict_ms(&best.stands_in(candidate), prompt_tokens);
        if predicted_ms > near(best_ms) {
            continue;
        }
        best_ms = best_ms.min(predicted_ms);
        scratch.push(Choice { index: candidate.index, predicted_ms });
    }
    let limit_ms = near(best_ms);
    scratch.retain(|choice| choice.predicted_ms <= limit_ms);
    let count = u32::try_from(scratch.len()).ok().filter(|count| *count > 0)?;
    let first = scratch[(draw as u32 % count) as usize];
    // The second is drawn among the others.
    let step = if count > 1 { 1 + (draw >> 32) as u32 % (count - 1) } else { 0 };
    let second = scratch[((draw as u32 % count + step) % count) as usize];
    Some(if second.predicted_ms < first.predicted_ms { second } else { first })
}

fn near(best_ms: f32) -> f32 {
    best_ms + (best_ms * NEAR_SHARE).max(NEAR_MS)
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
