//! How far prompts are computed, for whoever asked to hear it.
//!
//! Said behind a step that computed a part of a prompt and not its end. Short prompts say nothing, long ones not often,
//! and a consumer without room is passed over: nothing waits for these words, and nothing follows from them.

use std::time::{Duration, Instant};

use pomona_protocol::TurnEvent;

use super::turn::send;
use super::{Generation, SINK_FREE_MIN};
use crate::scheduler::Plan;

/// Prompts with fewer tokens to compute than this are over before anybody has read how far they are.
const PREFILL_TOLD_TOKENS_MIN: u32 = 512;
/// Between two words of one turn; half as long would look no smoother.
const PREFILL_TOLD_EVERY: Duration = Duration::from_millis(250);

/// What one turn says of its prompt.
#[derive(Debug, Default)]
pub(super) struct Prefill {
    is_asked: bool,
    /// Tokens of the prompt; 0 when there is nothing to tell.
    total: u32,
    said_at: Option<Instant>,
}

impl Prefill {
    /// Of a turn whose consumer asked for it, or did not.
    pub(super) fn new(is_asked: bool) -> Self {
        Self { is_asked, total: 0, said_at: None }
    }

    /// The turn starts.
    pub(super) fn begin(&mut self, prompt_tokens: u32, cached_tokens: u32) {
        if self.is_asked && prompt_tokens.saturating_sub(cached_tokens) >= PREFILL_TOLD_TOKENS_MIN {
            self.total = prompt_tokens;
        }
    }

    /// Tokens of the turn up to here have their KV. What is to be said of that, if anything: the end of the prompt is
    /// told by the first token.
    pub(super) fn reached(&mut self, computed: usize, now: Instant) -> Option<TurnEvent> {
        let (done, total) = (u32::try_from(computed).ok()?, self.total);
        let is_soon = self.said_at.is_some_and(|said_at| now < said_at + PREFILL_TOLD_EVERY);
        if done >= total || is_soon {
            return None;
        }
        self.said_at = Some(now);
        Some(TurnEvent::Prefill { done, total })
    }
}

impl Generation {
    /// Tells how far the prompts of a plan are, now that it was computed.
    pub(super) fn tell_prefill(&mut self, plan: &Plan) {
        for planned in plan.steps.iter().filter(|planned| !planned.wants_logits) {
            let Some(turn) = self.turns.get_mut(&planned.sequence) else { continue };
            if turn.sink.capacity() <= SINK_FREE_MIN {
                continue;
            }
            if let Some(event) = turn.prefill.reached(planned.positions.end, Instant::now()) {
                send(&turn.sink, event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(is_asked: bool, prompt_tokens: u32, cached_tokens: u32, steps: &[(usize, u64)]) -> Vec<u32> {
        let mut prefill = Prefill::new(is_asked);
        prefill.begin(prompt_tokens, cached_tokens);
        let begun = Instant::now();
        let said = steps.iter().filter_map(|(computed, after_ms)| {
            match prefill.reached(*computed, begun + Duration::from_millis(*after_ms))? {
                TurnEvent::Prefill { done, total } => {
                    assert_eq!(total, prompt_tokens);
                    Some(done)
                }
                other => panic!("{other:?}"),
            }
        });
        said.collect()
    }

    #[test]
    fn a_long_prompt_says_how_far_it_is_and_not_more_often_than_it_may() {
        let steps = [(300, 0), (400, 100), (500, 249), (600, 250), (700, 400), (800, 2000)];
        assert_eq!(said(true, 1000, 200, &steps), [300, 600, 800]);
    }

    #[test]
    fn the_end_of_the_prompt_and_what_is_behind_it_are_not_told() {
        assert_eq!(said(true, 1000, 0, &[(999, 0), (1000, 1000), (1400, 2000)]), [999]);
    }

    #[test]
    fn short_prompts_cached_ones_and_those_that_nobody_asks_for_say_nothing() {
        let steps = [(100, 0), (400, 1000)];
        assert!(said(true, PREFILL_TOLD_TOKENS_MIN - 1, 0, &steps).is_empty());
        assert!(said(true, 10_000, 9_900, &[(9_950, 0)]).is_empty());
        assert!(said(false, 10_000, 0, &steps).is_empty());
    }
}
