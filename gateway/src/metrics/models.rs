//! What is measured of each model that was served: the latencies and tokens of its turns.
//!
//! A model gets its series when a turn has a place at a replica of it, so that what clients ask for makes none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use pomona_protocol::ModelId;

use super::page::Page;
use super::series::Histogram;
use super::table::{FINISH_REASONS, OTHER, row};

/// Models that have series of their own; what comes after them counts as `other`.
pub const MODELS_MAX: usize = 64;

/// The turns of one model.
pub(super) struct ModelFigures {
    pub(super) queue_wait: Histogram,
    pub(super) first_token: Histogram,
    pub(super) inter_token: Histogram,
    pub(super) prefill: Histogram,
    pub(super) decode: Histogram,
    pub(super) turn: Histogram,
    pub(super) prompt_sizes: Histogram,
    pub(super) answer_sizes: Histogram,
    pub(super) prompt_tokens: AtomicU64,
    pub(super) cached_tokens: AtomicU64,
    pub(super) generated_tokens: AtomicU64,
    pub(super) accepted_tokens: AtomicU64,
    /// Turns ended, by vLLM's reasons.
    ended: [AtomicU64; FINISH_REASONS.len()],
}

impl ModelFigures {
    fn new() -> Self {
        let histogram = |name| Histogram::of(row(name));
        Self {
            queue_wait: histogram("pomona_queue_wait_seconds"),
            first_token: histogram("pomona_time_to_first_token_seconds"),
            inter_token: histogram("pomona_inter_token_seconds"),
            prefill: histogram("pomona_prefill_seconds"),
            decode: histogram("pomona_decode_seconds"),
            turn: histogram("pomona_turn_duration_seconds"),
            prompt_sizes: histogram("pomona_turn_prompt_tokens"),
            answer_sizes: histogram("pomona_turn_answer_tokens"),
            prompt_tokens: AtomicU64::new(0),
            cached_tokens: AtomicU64::new(0),
            generated_tokens: AtomicU64::new(0),
            accepted_tokens: AtomicU64::new(0),
            ended: Default::default(),
        }
    }

    /// Counts the end of a turn.
    pub(super) fn on_end(&self, outcome: &str) {
        let place = FINISH_REASONS.iter().position(|reason| *reason == outcome);
        self.ended[place.unwrap_or(FINISH_REASONS.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// Turns that ended for this reason of vLLM's.
    pub(super) fn ended(&self, reason: usize) -> u64 {
        self.ended[reason].load(Ordering::Relaxed)
    }

    /// The histogram of a row of the table, if it is one of these.
    pub(super) fn histogram(&self, name: &str) -> Option<&Histogram> {
        Some(match name {
            "pomona_queue_wait_seconds" => &self.queue_wait,
            "pomona_time_to_first_token_seconds" => &self.first_token,
            "pomona_inter_token_seconds" => &self.inter_token,
            "pomona_prefill_seconds" => &self.prefill,
            "pomona_decode_seconds" => &self.decode,
            "pomona_turn_duration_seconds" => &self.turn,
            "pomona_turn_prompt_tokens" => &self.prompt_sizes,
            "pomona_turn_answer_tokens" => &self.answer_sizes,
            _ => return None,
        })
    }

    /// The counter of a row of the table, if it is one of these.
    pub(super) fn counter(&self, name: &str) -> Option<u64> {
        let counter = match name {
            "pomona_prompt_tokens_total" => &self.prompt_tokens,
            "pomona_cached_tokens_total" => &self.cached_tokens,
            "pomona_generated_tokens_total" => &self.generated_tokens,
            "pomona_accepted_tokens_total" => &self.accepted_tokens,
            _ => return None,
        };
        Some(counter.load(Ordering::Relaxed))
    }
}

/// Rows that are measured per model, in the order of the page.
const ROWS: &[&str] = &[
    "pomona_queue_wait_seconds",
    "pomona_time_to_first_token_seconds",
    "pomona_inter_token_seconds",
    "pomona_prefill_seconds",
    "pomona_decode_seconds",
    "pomona_turn_duration_seconds",
    "pomona_turn_prompt_tokens",
    "pomona_turn_answer_tokens",
    "pomona_prompt_tokens_total",
    "pomona_cached_tokens_total",
    "pomona_generated_tokens_total",
    "pomona_accepted_tokens_total",
];

type Known = Vec<(ModelId, Arc<ModelFigures>)>;

/// Every model that was served.
pub(super) struct Models {
    /// Few, so they are looked through; read without a lock, since every token asks.
    known: ArcSwap<Known>,
    adding: Mutex<()>,
    other: Arc<ModelFigures>,
}

impl Models {
    pub(super) fn new() -> Self {
        Self { known: ArcSwap::default(), adding: Mutex::new(()), other: Arc::new(ModelFigures::new()) }
    }

    /// Runs `work` with the figures of a model, those of `other` when it has none.
    pub(super) fn with(&self, model: &ModelId, work: impl FnOnce(&ModelFigures)) {
        let known = self.known.load();
        let found = known.iter().find(|(name, _)| name == model);
        work(found.map_or(&self.other, |(_, figures)| figures));
    }

    /// Gives a model that is served figures of its own, while there is room.
    pub(super) fn serve(&self, model: &ModelId) {
        let is_settled =
            |known: &Known| known.len() >= MODELS_MAX || known.iter().any(|(name, _)| name == model);
        if is_settled(&self.known.load()) {
            return;
        }
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load();
        if !is_settled(&known) {
            let mut known = Known::clone(&known);
            known.push((model.clone(), Arc::new(ModelFigures::new())));
            known.sort_by(|(a, _), (b, _)| a.cmp(b));
            self.known.store(Arc::new(known));
        }
    }

    /// Every model with figures, `other` last.
    pub(super) fn each(&self) -> Vec<(String, Arc<ModelFigures>)> {
        let known = self.known.load();
        let named = known.iter().map(|(name, figures)| (name.0.clone(), Arc::clone(figures)));
        named.chain([(OTHER.to_owned(), Arc::clone(&self.other))]).collect()
    }

    pub(super) fn write(&self, page: &mut Page) {
        let models = self.each();
        for name in ROWS {
            let row = row(name);
            page.head(row);
            for (model, figures) in &models {
                let labels = [("model", model.as_str())];
                if let Some(histogram) = figures.histogram(name) {
                    page.histogram(name, &labels, &histogram.read());
                } else if let Some(count) = figures.counter(name) {
                    page.sample(row, &labels, count as f64);
                }
            }
        }
    }

    /// Names of the rows that this measures.
    #[cfg(test)]
    pub(super) fn rows() -> &'static [&'static str] {
        ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_served_models_have_series_and_no_more_than_there_is_room_for() {
        let models = Models::new();
        models.with(&ModelId::from("asked-for"), |figures| figures.on_end("stop"));
        assert_eq!(models.each().len(), 1);
        for number in 0..2 * MODELS_MAX {
            models.serve(&ModelId::from(format!("m{number:03}").as_str()));
        }
        models.serve(&ModelId::from("m000"));
        let names: Vec<_> = models.each().into_iter().map(|(name, _)| name).collect();
        assert_eq!((names.len(), names.last().unwrap().as_str()), (MODELS_MAX + 1, OTHER));
        assert!(names.is_sorted_by(|a, b| a < b || b == OTHER));
    }

    #[test]
    fn reasons_are_those_of_vllm() {
        let figures = ModelFigures::new();
        for outcome in ["stop", "length", "cancelled", "engine_lost"] {
            figures.on_end(outcome);
        }
        assert_eq!([figures.ended(0), figures.ended(1), figures.ended(2)], [1, 1, 2]);
    }
}
