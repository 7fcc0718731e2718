//! How much a step may do beside running answers, from how long steps took.
//!
//! A step that computes prompts or guesses too keeps answers waiting for longer. The pace knows what a step takes that
//! does nothing but answer, for each number of answers, and what one row more costs. Now and then it wants a step left
//! to the answers alone, to know that still holds. Pure: times are told by [`super::Scheduler::observe`].

use std::collections::BTreeMap;

/// How much longer a step may take for prompts in it. Below the factor of 2 that readers are promised, because single
/// steps stray from the mean.
const STRETCH: f32 = 1.7;
/// Prompt tokens of a step that are always allowed, so that a prompt goes on beside any number of answers.
pub(super) const PREFILL_TOKENS_MIN: usize = 4;
/// Prompt tokens from which on a step without answers tells what a prompt token costs; of a shorter one, most of the
/// time goes into reading weights.
const TELLING_TOKENS: usize = 32;
/// Of a step that computed a prompt alone, this part at least is for its tokens; the rest went into reading weights.
const TELLING_SHARE_MIN: f32 = 0.125;
/// Steps after which one is left to the answers alone. At twice the time for each other step that is 1 % of prefill.
const QUIET_EVERY: u32 = 64;
/// What a new time counts for.
const WEIGHT: f32 = 0.25;
/// What a new time of a quiet step counts for when it is longer than usual: it may have been held up by others.
const WEIGHT_LONGER: f32 = 0.125;
/// What a quiet step leaves of the cost of a guess: half after seventy steps without one.
const FADING: f32 = 0.99;
/// How likely a guess must be right while nothing is known of its cost.
const LEAST_UNKNOWN: f32 = 0.4;
/// A guess must win this many times what it costs.
const GUESS_MARGIN: f32 = 1.25;

/// What was computed in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Sequences that got their next token.
    pub(super) answers: usize,
    /// Prompt tokens.
    pub(super) prefill_tokens: usize,
    /// Guessed tokens.
    pub(super) guesses: usize,
}

/// The times so far, in microseconds.
#[derive(Debug)]
pub(super) struct Pace {
    /// Of a step with nothing but so many answers.
    quiet: BTreeMap<usize, f32>,
    /// Of one prompt token more, beside answers.
    prefill_row: Option<f32>,
    /// The last step that computed a prompt alone, and how many tokens of it.
    prompt_alone: Option<(f32, f32)>,
    /// Of one guess more.
    guess_row: Option<f32>,
    /// Steps with answers since one was quiet.
    steps_since_quiet: u32,
}

impl Pace {
    /// Nothing is known, so the first step with answers is left to them.
    pub(super) fn new() -> Self {
        Self {
            quiet: BTreeMap::new(),
            prefill_row: None,
            prompt_alone: None,
            guess_row: None,
            steps_since_quiet: QUIET_EVERY,
        }
    }

    /// Called once for each step with so many answers; true when it should be left to them.
    pub(super) fn wants_quiet_step(&mut self, answers: usize) -> bool {
        if answers == 0 {
            return false;
        }
        // Half as many tell enough: a batch that grows by one answer after the other is not kept from its prompts.
        let is_known = self.quiet.range(answers / 2 + 1..=answers).next().is_some();
        let is_due = self.steps_since_quiet >= if is_known { QUIET_EVERY } else { 1 };
        self.steps_since_quiet = if is_due { 0 } else { self.steps_since_quiet + 1 };
        is_due
    }

    /// How many prompt tokens the next step may take beside so many answers, [`PREFILL_TOKENS_MIN`] to `max`.
    pub(super) fn prefill_tokens(&self, answers: usize, max: usize) -> usize {
        let (Some(quiet), Some(row)) = (self.quiet_micros(answers), self.prefill_row_micros()) else {
            return if answers == 0 { max } else { PREFILL_TOKENS_MIN.min(max) };
        };
        let allowed = (STRETCH - 1.0) * quiet / row.max(f32::MIN_POSITIVE);
        // A float beyond the range becomes its end.
        (allowed as usize).clamp(PREFILL_TOKENS_MIN.min(max), max)
    }

    /// How likely a guess must be right so that it pays beside so many answers; none while that is not known. A right
    /// one saves its answer a place in a later step.
    pub(super) fn least_chance(&self, answers: usize) -> Option<f32> {
        let quiet = self.quiet.get(&answers)?;
        let least = |row: f32| (GUESS_MARGIN * row * answers as f32 / quiet.max(f32::MIN_POSITIVE)).min(1.0);
        Some(self.guess_row.map_or(LEAST_UNKNOWN, least))
    }

    /// What one prompt token more takes, when that is known: best beside answers, else from a prompt alone, whose step
    /// read the weights as well.
    pub(super) fn prefill_row_micros(&self) -> Option<f32> {
        self.prefill_row.or_else(|| {
            let (micros, tokens) = self.prompt_alone?;
            let weights = self.quiet.values().next().copied().unwrap_or(0.0);
            Some((micros - weights).max(TELLING_SHARE_MIN * micros) / tokens)
        })
    }

    /// A step with this work took so long.
    pub(super) fn observe(&mut self, work: Work, micros: f32) {
        let Work { answers, prefill_tokens, guesses } = work;
        match (answers, prefill_tokens, guesses) {
            (0, TELLING_TOKENS.., 0) => self.prompt_alone = Some((micros, prefill_tokens as f32)),
            (1.., 0, 0) => {
                self.steps_since_quiet = 0;
                let known = self.quiet.entry(answers).or_insert(micros);
                let weight = if micros > *known { WEIGHT_LONGER } else { WEIGHT };
                *known += weight * (micros - *known);
                // So that a guess that was held up once is tried again.
                self.guess_row = self.guess_row.map(|row| row * FADING);
            }
            (1.., _, _) => {
                let Some(quiet) = self.quiet.get(&answers) else { return };
                let rows = (prefill_tokens + guesses) as f32;
                let row = if prefill_tokens > 0 { &mut self.prefill_row } else { &mut self.guess_row };
                blend(row, (micros - quiet).max(0.0) / rows);
            }
            _ => {}
        }
    }

    /// What a quiet step takes; of the nearest smaller batch where this one is not known.
    fn quiet_micros(&self, answers: usize) -> Option<f32> {
        self.quiet.range(..=answers).next_back().map(|(_, micros)| *micros).filter(|_| answers > 0)
    }
}

fn blend(known: &mut Option<f32>, new: f32) {
    let old = known.unwrap_or(new);
    *known = Some(old + WEIGHT * (new - old));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose steps take so long: reading the weights, and each row.
    fn micros(work: Work) -> f32 {
        15_000.0 + 5_000.0 * (work.answers + work.prefill_tokens + work.guesses) as f32
    }

    fn answers(answers: usize) -> Work {
        Work { answers, ..Work::default() }
    }

    #[test]
    fn a_prompt_alone_gets_all_and_beside_answers_what_keeps_them_going() {
        let mut pace = Pace::new();
        assert_eq!(pace.prefill_tokens(0, 512), 512);
        assert_eq!(pace.prefill_tokens(8, 512), PREFILL_TOKENS_MIN, "nothing is known yet");
        let prompt = Work { prefill_tokens: 300, ..Work::default() };
        pace.observe(prompt, micros(prompt));
        pace.observe(answers(8), micros(answers(8)));
        let mut longest: f32 = 0.0;
        let mut done = 0;
        for _ in 0..400 {
            let prefill_tokens = if pace.wants_quiet_step(8) { 0 } else { pace.prefill_tokens(8, 512) };
            let work = Work { answers: 8, prefill_tokens, guesses: 0 };
            pace.observe(work, micros(work));
            longest = longest.max(micros(work) / micros(answers(8)));
            done += prefill_tokens;
        }
        assert!(longest < 1.8, "a step took {longest} times as long");
        assert!(done > 2500, "only {done} tokens of the prompt were computed");
        assert_eq!(pace.prefill_tokens(0, 512), 512);
    }

    #[test]
    fn prompts_that_come_together_hardly_wait_for_the_first_answers_where_reading_weights_takes_the_time() {
        let micros = |work: Work| 260_000.0 + 1_000.0 * (work.answers + work.prefill_tokens) as f32;
        let mut pace = Pace::new();
        let prompt = Work { prefill_tokens: 32, ..Work::default() };
        pace.observe(prompt, micros(prompt));
        let (mut answers, mut waiting, mut steps) = (1, 7 * 32, 0);
        while waiting > 0 {
            let quiet = pace.wants_quiet_step(answers);
            let prefill_tokens = if quiet { 0 } else { pace.prefill_tokens(answers, 512).min(waiting) };
            let work = Work { answers, prefill_tokens, guesses: 0 };
            pace.observe(work, micros(work));
            (waiting, steps) = (waiting - prefill_tokens, steps + 1);
            answers = 8 - waiting.div_ceil(32);
        }
        assert!(steps <= 6, "{steps} steps");
    }

    #[test]
    fn the_budget_follows_a_machine_that_becomes_slower_and_faster() {
        let mut pace = Pace::new();
        let mut budget_at = |row: f32| {
            for _ in 0..200 {
                pace.observe(answers(4), 40_000.0);
                let work = Work { answers: 4, prefill_tokens: 10, guesses: 0 };
                pace.observe(work, 40_000.0 + 10.0 * row);
            }
            pace.prefill_tokens(4, 512)
        };
        assert_eq!(budget_at(100.0), 280);
        assert_eq!(budget_at(1_000.0), 28);
        assert_eq!(budget_at(100_000.0), PREFILL_TOKENS_MIN);
        assert_eq!(budget_at(0.0), 512);
    }

    #[test]
    fn a_quiet_step_is_wanted_for_each_new_number_of_answers_and_now_and_then() {
        let mut pace = Pace::new();
        pace.observe(answers(2), 10.0);
        let wanted: Vec<u32> = (0..200).filter(|_| pace.wants_quiet_step(2)).collect();
        assert_eq!(wanted, [64, 129, 194]);
        assert!((0..2).all(|_| !pace.wants_quiet_step(3)), "two tell enough");
        assert!((0..2).any(|_| pace.wants_quiet_step(4)));
        let never_told = (0..10).filter(|_| pace.wants_quiet_step(4)).count();
        assert!(never_told <= 5, "what waits for the other steps goes on");
        assert!((0..200).all(|_| !pace.wants_quiet_step(0)), "without answers there is nothing to spare");
    }

    #[test]
    fn guesses_must_be_the_surer_the_more_they_cost() {
        let mut pace = Pace::new();
        assert_eq!(pace.least_chance(1), None);
        for count in [1, 32] {
            pace.observe(answers(count), micros(answers(count)));
        }
        assert_eq!(pace.least_chance(1), Some(LEAST_UNKNOWN));
        let guessed = Work { guesses: 4, ..answers(1) };
        pace.observe(guessed, micros(guessed));
        let (one, many) = (pace.least_chance(1).unwrap(), pace.least_chance(32).unwrap());
        assert!((0.25..0.4).contains(&one), "{one}");
        assert_eq!(many, 1.0, "in a full batch no guess can pay");
        let held_up = Work { guesses: 1, ..answers(1) };
        for _ in 0..20 {
            pace.observe(held_up, 1e6);
        }
        assert_eq!(pace.least_chance(1), Some(1.0));
        for _ in 0..500 {
            pace.observe(answers(1), micros(answers(1)));
        }
        assert!(pace.least_chance(1).unwrap() < 0.5, "what was dear once is tried again");
    }
}
