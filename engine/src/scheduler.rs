//! Who computes what in the next step.
//!
//! Owned by `generation`, which asks for a [`Plan`], has the backend run it and reports back. Pure: no clock,
//! no randomness, no knowledge of text. The rules, in order:
//!
//! 1. Every running answer gets its next token. When KV memory runs out, the youngest sequence gives way: it
//!    waits again, first of all, and later computes anew what the prefix tree has lost of it.
//! 2. Waiting turns enter in order of arrival, while there is a place in the batch and KV for their prompt.
//! 3. Prompts share what the step allows (see `pace` and `share`), so that a long one stalls neither answers nor others.
//! 4. Where no prompt is computed and nobody waits, answers are guessed ahead, as far as that pays (see `guesses`).
//!
//! A paused sequence, whose consumer is slow, keeps its place and its memory but takes no part.

mod guesses;
mod pace;
mod restore;
mod share;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use pomona_protocol::Cause;

use crate::backend::{BLOCK_TOKENS, BlockId, SequenceStep};
use crate::prefix::{BlockPool, BlockTable, PrefixKey};
use crate::speculation::Guesser;
use crate::vision::FIRST_PLACE;
use pace::{Pace, Work};
pub use restore::Restore;

/// Seconds after which a refused turn may try again: an answer or two will have ended by then.
const RETRY_AFTER_S: u32 = 1;

/// One turn inside the engine. Ids grow in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(pub u64);

/// What an admin may choose; see `EngineConfig` for ranges.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerLimits {
    /// Sequences in one batch.
    pub running_max: usize,
    /// Turns that may wait for a place in the batch.
    pub waiting_max: usize,
    /// Prompt tokens in one step.
    pub step_prefill_tokens_max: usize,
    /// Guessed tokens in one step, of all answers together; 0 turns guessing off.
    pub step_guesses_max: usize,
    /// How likely a guess must be right, 0 to 1; none leaves it to what guesses were measured to cost.
    pub guess_chance_min: Option<f32>,
}

/// What the next step computes, and who entered or had to leave.
#[derive(Debug, Default)]
pub struct Plan {
    /// The batch; empty when there is nothing to do.
    pub steps: Vec<PlannedStep>,
    /// Turns that entered the batch.
    pub admitted: Vec<Admitted>,
    /// Turns that have outgrown the KV memory; they are gone.
    pub exhausted: Vec<(SequenceId, Cause)>,
    /// Prompt tokens in `steps`.
    pub prefill_tokens: usize,
    /// Guessed tokens in `steps`.
    pub guesses: usize,
}

/// A part of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Whose tokens.
    pub sequence: SequenceId,
    /// Which of its tokens, by position.
    pub positions: Range<usize>,
    /// How many of them, the last ones, are guesses.
    pub guesses: usize,
    /// Whether they end at its last token, so that the next one can be sampled.
    pub wants_logits: bool,
}

impl PlannedStep {
    /// Rows of logits that come of it: behind its last token, and behind each guess.
    pub fn logit_rows(&self) -> usize {
        if self.wants_logits { 1 + self.guesses } else { 0 }
    }
}

/// A turn that entered the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Which turn.
    pub sequence: SequenceId,
    /// Tokens whose KV was found in the prefix tree.
    pub cached_tokens: usize,
}

/// Queue, batch and KV blocks of an engine.
#[derive(Debug)]
pub struct Scheduler {
    limits: SchedulerLimits,
    pool: BlockPool,
    waiting: BTreeMap<SequenceId, Waiting>,
    running: BTreeMap<SequenceId, Running>,
    pace: Pace,
    next_id: u64,
}

#[derive(Debug)]
struct Waiting {
    tokens: Vec<u32>,
    tokens_max: usize,
    paused: bool,
    /// Its prefix comes from disk.
    is_restoring: bool,
}

#[derive(Debug)]
struct Running {
    /// Prompt and answer so far; behind them guesses while a step is computed.
    tokens: Vec<u32>,
    /// Tokens that there may be in the end.
    tokens_max: usize,
    /// The last tokens that are guesses, not yet found right or wrong.
    guesses: usize,
    /// How many of them there were.
    guessed: usize,
    guesser: Guesser,
    /// How many tokens have KV.
    computed: usize,
    /// Tokens there were on entry; up to here it is prefill.
    prefill_end: usize,
    table: BlockTable,
    paused: bool,
}

impl Scheduler {
    /// An empty scheduler over `kv_blocks`.
    pub fn new(limits: SchedulerLimits, kv_blocks: usize) -> Self {
        Self {
            limits,
            pool: BlockPool::new(kv_blocks),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            pace: Pace::new(),
            next_id: 0,
        }
    }

    /// Queues a turn: prompt and resumed tokens, at least one, and how many there may be when the answer ends. Refused
    /// when too many wait, or when it could not even enter an empty engine.
    pub fn submit(&mut self, tokens: Vec<u32>, tokens_max: usize) -> Result<SequenceId, Cause> {
        let needed = blocks_for(tokens.len() + 1);
        if needed > self.pool.total() {
            return Err(Cause::KvExhausted { needed: needed as u32, total: self.pool.total() as u32 });
        }
        let places = self.limits.running_max.saturating_sub(self.running.len());
        if self.waiting.len() >= self.limits.waiting_max + places {
            return Err(Cause::Overloaded {
                waiting: self.waiting.len() as u32,
                limit: self.limits.waiting_max as u32,
                retry_after_s: RETRY_AFTER_S,
            });
        }
        let id = SequenceId(self.next_id);
        self.next_id += 1;
        self.waiting.insert(id, Waiting { tokens, tokens_max, paused: false, is_restoring: false });
        Ok(id)
    }

    /// Decides the next step.
    pub fn plan(&mut self) -> Plan {
        let mut plan = Plan::default();
        let memory_is_short = self.plan_decodes(&mut plan);
        if !memory_is_short {
            self.admit(&mut plan);
        }
        let answers = plan.steps.len();
        if !self.pace.wants_quiet_step(answers) {
            self.plan_prefills(&mut plan, answers);
            self.plan_guesses(&mut plan);
        }
        plan
    }

    /// The batch of a plan, in its order, as the backend takes it.
    pub fn batch<'a>(&'a self, plan: &Plan) -> Vec<SequenceStep<'a>> {
        let step = |planned: &PlannedStep| {
            let running = &self.running[&planned.sequence];
            SequenceStep {
                tokens: &running.tokens[planned.positions.clone()],
                position: planned.positions.start,
                blocks: running.table.blocks(),
                pictures: &[],
                logit_rows: planned.logit_rows(),
            }
        };
        plan.steps.iter().map(step).collect()
    }

    /// The plan was computed: its KV is there, and full blocks can be shared. What follows a guess is not known yet.
    pub fn complete(&mut self, plan: &Plan) {
        for planned in &plan.steps {
            let Some(running) = self.running.get_mut(&planned.sequence) else { continue };
            running.computed = planned.positions.end - planned.guesses;
            running.table.publish(&mut self.pool, &running.tokens[..running.computed]);
        }
    }

    /// The plan took so long, sampling included. Paces the steps to come.
    pub fn observe(&mut self, plan: &Plan, took: Duration) {
        let answers = plan.steps.iter().filter(|planned| planned.wants_logits).count();
        let work = Work { answers, prefill_tokens: plan.prefill_tokens, guesses: plan.guesses };
        self.pace.observe(work, took.as_secs_f32() * 1e6);
    }

    /// Ends a turn, wherever it is. Its full blocks stay in the prefix tree.
    pub fn finish(&mut self, id: SequenceId) {
        self.waiting.remove(&id);
        if let Some(mut running) = self.running.remove(&id) {
            // Guesses that came true may have filled a block since.
            running.table.publish(&mut self.pool, &running.tokens[..running.computed]);
            running.table.release(&mut self.pool);
        }
    }

    /// Ends a turn whose KV is not to be trusted, and drops all KV that nobody holds.
    pub fn finish_and_forget(&mut self, id: SequenceId) {
        self.waiting.remove(&id);
        if let Some(running) = self.running.remove(&id) {
            running.table.release(&mut self.pool);
        }
        self.pool.forget_unheld();
    }

    /// Sets whether a turn's consumer is too slow for it to go on.
    pub fn set_paused(&mut self, id: SequenceId, paused: bool) {
        if let Some(running) = self.running.get_mut(&id) {
            running.paused = paused;
        } else if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.paused = paused;
        }
    }

    /// Turns that wait, the next one first.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = SequenceId> {
        self.waiting.keys().copied()
    }

    /// Sequences in the batch that could take part in the next step.
    pub fn running_count(&self) -> usize {
        self.running.values().filter(|running| !running.paused).count()
    }

    /// From now on remembers which blocks are new and which are evicted.
    pub fn track_blocks(&mut self) {
        self.pool.track();
    }

    /// See [`BlockPool::take_evicted`].
    pub fn take_evicted(&mut self) -> Vec<(BlockId, PrefixKey)> {
        self.pool.take_evicted()
    }

    /// See [`BlockPool::next_unsaved`].
    pub fn next_unsaved(&mut self) -> Option<(BlockId, PrefixKey)> {
        self.pool.next_unsaved()
    }

    /// The KV blocks.
    pub fn pool(&self) -> &BlockPool {
        &self.pool
    }

    /// Rule 1. True when memory ran out on the way.
    fn plan_decodes(&mut self, plan: &mut Plan) -> bool {
        let decoding = self.running.iter().filter(|(_, running)| running.is_decoding() && !running.paused);
        let decoding: Vec<SequenceId> = decoding.map(|(id, _)| *id).collect();
        let mut memory_is_short = false;
        for id in decoding {
            // It may have given way to an older one meanwhile.
            while let Some(running) = self.running.get_mut(&id) {
                let positions = running.computed..running.tokens.len();
                if running.table.grow(&mut self.pool, positions.end) {
                    plan.steps.push(PlannedStep { sequence: id, positions, guesses: 0, wants_logits: true });
                    break;
                }
                memory_is_short = true;
                self.make_room(plan);
            }
        }
        memory_is_short
    }

    /// The youngest sequence gives way; the last one that is left has outgrown the memory.
    fn make_room(&mut self, plan: &mut Plan) {
        let is_alone = self.running.len() == 1;
        let Some((id, youngest)) = self.running.pop_last() else { return };
        let Running { tokens, tokens_max, table, paused, .. } = youngest;
        table.release(&mut self.pool);
        if is_alone {
            let (needed, total) = (blocks_for(tokens.len()) as u32, self.pool.total() as u32);
            plan.exhausted.push((id, Cause::KvExhausted { needed, total }));
        } else {
            self.waiting.insert(id, Waiting { tokens, tokens_max, paused, is_restoring: false });
        }
    }

    /// Rule 2. One spare block per running sequence is left, so that who enters need not leave at once.
    fn admit(&mut self, plan: &mut Plan) {
        while self.running.len() < self.limits.running_max {
            let next = self.waiting.iter().find(|(_, waiting)| !waiting.paused && !waiting.is_restoring);
            let Some((&id, waiting)) = next else { return };
            let capacity = waiting.tokens.len() + 1;
            let spare = self.running.len();
            let Some(table) = BlockTable::begin(&mut self.pool, &waiting.tokens, capacity, spare) else {
                return;
            };
            let Some(Waiting { tokens, tokens_max, paused, .. }) = self.waiting.remove(&id) else { return };
            let computed = table.published_tokens();
            plan.admitted.push(Admitted { sequence: id, cached_tokens: computed });
            let running = Running {
                tokens_max,
                guesses: 0,
                guessed: 0,
                guesser: Guesser::default(),
                computed,
                prefill_end: tokens.len(),
                tokens,
                table,
                paused,
            };
            self.running.insert(id, running);
        }
    }

    /// Rule 3, beside so many answers.
    fn plan_prefills(&mut self, plan: &mut Plan, answers: usize) {
        let prefilling = self.running.iter().filter(|(_, running)| !running.is_decoding() && !running.paused);
        let remaining: Vec<(SequenceId, Range<usize>)> =
            prefilling.map(|(id, running)| (*id, running.computed..running.prefill_end)).collect();
        let wanted: Vec<usize> = remaining.iter().map(|(_, range)| range.len()).collect();
        let budget = self.pace.prefill_tokens(answers, self.limits.step_prefill_tokens_max);
        let shares = share::share(&wanted, budget);
        for ((id, range), tokens) in remaining.into_iter().zip(shares) {
            if tokens > 0 {
                let end = whole_pictures(&self.running[&id].tokens, range.start + tokens);
                let positions = range.start..end.min(range.end);
                let wants_logits = positions.end == range.end;
                plan.prefill_tokens += positions.len();
                plan.steps.push(PlannedStep { sequence: id, positions, guesses: 0, wants_logits });
            }
        }
    }
}

impl Running {
    fn is_decoding(&self) -> bool {
        self.computed >= self.prefill_end
    }
}

/// A cut at `end`, moved behind the picture that it would go through: all places of one are computed in one step.
fn whole_pictures(tokens: &[u32], end: usize) -> usize {
    let is_place = |at: usize| tokens.get(at).is_some_and(|token| *token >= FIRST_PLACE);
    let cuts = |at: &usize| *at > 0 && is_place(at - 1) && is_place(*at);
    (end..=tokens.len()).find(|at| !cuts(at)).unwrap_or(end)
}

fn blocks_for(tokens: usize) -> usize {
    tokens.div_ceil(BLOCK_TOKENS)
}

#[cfg(test)]
mod tests;
