//! From a row of logits to the next token.
//!
//! One [`Sampler`] per answer, called by `generation` once per token. Pure: what it draws follows from the
//! logits, the ids so far, the seed and the index, so an answer that is replayed elsewhere goes on the same
//! way. Order of work, as in the `transformers` library: repetition penalty, presence and frequency penalty,
//! bias, temperature, top-k, top-p, min-p, draw. Stop conditions are left to `generation`.

mod draw;
mod select;
mod softmax;

use std::collections::{HashMap, HashSet};

use pomona_protocol::Sampling;

use crate::checkpoint::GenerationDefaults;
use crate::grammar::TokenMask;
use draw::Truncation;
pub use select::best;

/// The logits cannot be sampled from: one is not a number, or none is finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model gave logits that are not numbers")]
pub struct UnusableLogits;

/// The next token, and how likely it was if that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The token.
    pub id: u32,
    /// Present when the request wants log-probabilities.
    pub logprobs: Option<Logprobs>,
}

/// Natural-log probabilities under the raw model: before penalties, bias, temperature and truncation.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprobs {
    /// That of the chosen token.
    pub chosen: f32,
    /// The likeliest tokens, best first, ties by id.
    pub top: Vec<(u32, f32)>,
}

/// The sampler of one answer.
#[derive(Clone, Debug)]
pub struct Sampler {
    seed: u64,
    temperature: f32,
    truncation: Truncation,
    repetition_penalty: f32,
    presence_penalty: f32,
    frequency_penalty: f32,
    logit_bias: Vec<(u32, f32)>,
    logprobs: Option<usize>,
    /// Filled only when there is a repetition penalty.
    prompt_ids: HashSet<u32>,
    /// How often each id stands in the answer; filled only when a penalty needs it.
    answer_counts: HashMap<u32, u32>,
}

impl Sampler {
    /// A sampler at the beginning of an answer; `defaults` hold where the request says nothing. Ranges were checked before (see [`crate::validate`]).
    pub fn new(sampling: &Sampling, defaults: &GenerationDefaults, prompt_ids: &[u32]) -> Self {
        let repetition_penalty = sampling.repetition_penalty.or(defaults.repetition_penalty).unwrap_or(1.0);
        let penalised = if repetition_penalty == 1.0 { &[] } else { prompt_ids };
        Self {
            seed: sampling.seed,
            temperature: sampling.temperature.or(defaults.temperature).unwrap_or(1.0),
            truncation: Truncation {
                top_k: sampling.top_k.or(defaults.top_k).unwrap_or(0) as usize,
                top_p: sampling.top_p.or(defaults.top_p).unwrap_or(1.0),
                min_p: sampling.min_p.or(defaults.min_p).unwrap_or(0.0),
            },
            repetition_penalty,
            presence_penalty: sampling.presence_penalty,
            frequency_penalty: sampling.frequency_penalty,
            logit_bias: sampling.logit_bias.iter().map(|(id, bias)| (*id, *bias)).collect(),
            logprobs: sampling.logprobs.map(usize::from),
            prompt_ids: penalised.iter().copied().collect(),
            answer_counts: HashMap::new(),
        }
    }

    /// Chooses the token at `index` of the answer and remembers it. `logits` has one value per id of the
    /// vocabulary and is spent: penalties are worked into it in place.
    pub fn choose(&mut self, logits: &mut [f32], index: u32) -> Result<Choice, UnusableLogits> {
        self.choose_within(None, logits, index)
    }

    /// The same among tokens that are allowed. Log-probabilities are those of the model, which knows of no mask.
    pub fn choose_within(
        &mut self,
        mask: Option<&TokenMask>,
        logits: &mut [f32],
        index: u32,
    ) -> Result<Choice, UnusableLogits> {
        let raw = self.logprobs.map(|top| (top, logits.to_vec()));
        if let Some(mask) = mask {
            mask.apply(logits);
        }
        self.penalise(logits);
        let id = if self.temperature == 0.0 {
            argmax(logits)?
        } else {
            draw::draw(logits, self.temperature, &self.truncation, self.seed, index)?
        };
        let logprobs = raw.map(|(top, raw)| measure(&raw, id, top));
        self.replay(id);
        Ok(Choice { id, logprobs })
    }

    /// Remembers a token of the answer that was chosen before, elsewhere.
    pub fn replay(&mut self, id: u32) {
        if self.repetition_penalty != 1.0 || self.presence_penalty != 0.0 || self.frequency_penalty != 0.0 {
            *self.answer_counts.entry(id).or_default() += 1;
        }
    }

    fn penalise(&self, logits: &mut [f32]) {
        if self.repetition_penalty != 1.0 {
            let only_prompt = self.prompt_ids.iter().filter(|id| !self.answer_counts.contains_key(id));
            for id in only_prompt.chain(self.answer_counts.keys()) {
                let Some(logit) = logits.get_mut(*id as usize) else { continue };
                *logit = if *logit < 0.0 {
                    *logit * self.repetition_penalty
                } else {
                    *logit / self.repetition_penalty
                };
            }
        }
        for (id, count) in &self.answer_counts {
            let Some(logit) = logits.get_mut(*id as usize) else { continue };
            *logit -= self.presence_penalty + self.frequency_penalty * *count as f32;
        }
        for (id, bias) in &self.logit_bias {
            if let Some(logit) = logits.get_mut(*id as usize) {
                *logit += bias;
            }
        }
    }
}

/// The likeliest id, the lowest of equals, in one pass.
fn argmax(logits: &[f32]) -> Result<u32, UnusableLogits> {
    let mut best = f32::NEG_INFINITY;
    let mut best_id = None;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > best {
            best = *logit;
            best_id = Some(id as u32);
        } else if logit.is_nan() {
            return Err(UnusableLogits);
        }
    }
    if best == f32::INFINITY { Err(UnusableLogits) } else { best_id.ok_or(UnusableLogits) }
}

/// Log-softmax at `chosen` and at the `top` likeliest ids.
fn measure(raw: &[f32], chosen: u32, top: usize) -> Logprobs {
    let max = raw.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = raw.iter().map(|logit| f64::from((logit - max).exp())).sum();
    let log_sum = f64::from(max) + sum.ln();
    let logprob = |logit: f32| ((f64::from(logit) - log_sum) as f32).min(0.0);
    Logprobs {
        chosen: logprob(raw[chosen as usize]),
        top: best(raw, top).into_iter().map(|(logit, id)| (id, logprob(logit))).collect(),
    }
}

#[cfg(test)]
mod tests;
