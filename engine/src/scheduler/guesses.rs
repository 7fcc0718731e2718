//! Guessed tokens: computed behind the known ones of an answer, kept as far as the sampler chooses the same.
//!
//! Rejected guesses leave their KV behind the end of the sequence, where the next tokens overwrite it; no block is
//! shared before all of its tokens are known.

use super::{Plan, Scheduler, SequenceId, share};

impl Scheduler {
    /// Appends the token that was sampled for a running sequence. True when it was guessed: then the row of logits
    /// behind it counts too.
    pub fn push(&mut self, id: SequenceId, token: u32) -> bool {
        let Some(running) = self.running.get_mut(&id) else { return false };
        let next = running.tokens.len() - running.guesses;
        if running.tokens.get(next) == Some(&token) {
            running.guesses -= 1;
            running.computed += 1;
            return true;
        }
        if running.guessed > 0 {
            running.guesser.learn(running.guessed - running.guesses, running.guesses > 0);
            running.guessed = 0;
        }
        running.guesses = 0;
        running.tokens.truncate(next);
        running.tokens.push(token);
        false
    }

    /// Rule 4. Takes KV blocks only where there are plenty, and never so many that an answer would outgrow its limit.
    pub(super) fn plan_guesses(&mut self, plan: &mut Plan) {
        let answers = plan.steps.len();
        if self.limits.step_guesses_max == 0 || plan.prefill_tokens > 0 || !self.waiting.is_empty() {
            return;
        }
        let least = self.limits.guess_chance_min.or_else(|| self.pace.least_chance(answers));
        let Some(least) = least else { return };
        let mut guesses: Vec<(usize, Vec<u32>)> = Vec::new();
        for (index, planned) in plan.steps.iter().enumerate() {
            let Some(running) = self.running.get_mut(&planned.sequence) else { continue };
            // The last token of an answer is sampled and never computed.
            let room = running.tokens_max.saturating_sub(running.tokens.len() + 1);
            let mut guess = Vec::new();
            running.guesser.guess(&running.tokens, room, least, &mut guess);
            if !guess.is_empty() {
                guesses.push((index, guess));
            }
        }
        let wanted: Vec<usize> = guesses.iter().map(|(_, guess)| guess.len()).collect();
        let shares = share::share(&wanted, self.limits.step_guesses_max);
        for ((index, guess), count) in guesses.into_iter().zip(shares) {
            self.guess(plan, index, &guess[..count]);
        }
    }

    fn guess(&mut self, plan: &mut Plan, index: usize, guess: &[u32]) {
        let planned = &mut plan.steps[index];
        // One block per sequence is left to the tokens that will be known.
        let has_plenty = self.pool.available() > self.running.len();
        let Some(running) = self.running.get_mut(&planned.sequence) else { return };
        let end = running.tokens.len() + guess.len();
        if guess.is_empty() || !has_plenty || !running.table.grow(&mut self.pool, end) {
            return;
        }
        running.tokens.extend_from_slice(guess);
        running.guesses = guess.len();
        running.guessed = guess.len();
        planned.positions.end = end;
        planned.guesses = guess.len();
        plan.guesses += guess.len();
    }
}
