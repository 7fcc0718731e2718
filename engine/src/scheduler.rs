//! Who computes what in the next step.
//!
//! Owned by `generation`, which asks for a [`Plan`], has the backend run it and reports back. Pure: no clock,
//! no randomness, no knowledge of text. The rules, in order:
//!
//! 1. Every running answer gets its next token. When KV memory runs out, the youngest sequence gives way: it
//!    waits again, first of all, and later computes anew what the prefix tree has lost of it.
//! 2. Waiting turns enter in order of arrival, while there is a place in the batch and KV for their prompt.
//! 3. Prompts share what the step allows (see `share`), so that a long one stalls neither answers nor others.
//!
//! A paused sequence, whose consumer is slow, keeps its place and its memory but takes no part.

mod share;

use std::collections::BTreeMap;
use std::ops::Range;

use pomona_protocol::Cause;

use crate::backend::{BLOCK_TOKENS, SequenceStep};
use crate::prefix::{BlockPool, BlockTable};

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
}

/// A part of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Whose tokens.
    pub sequence: SequenceId,
    /// Which of its tokens, by position.
    pub positions: Range<usize>,
    /// Whether they end at its last token, so that the next one can be sampled.
    pub wants_logits: bool,
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
    next_id: u64,
}

#[derive(Debug)]
struct Waiting {
    tokens: Vec<u32>,
    paused: bool,
}

#[derive(Debug)]
struct Running {
    /// Prompt and answer so far.
    tokens: Vec<u32>,
    /// How many of them have KV.
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
            next_id: 0,
        }
    }

    /// Queues a turn: prompt and resumed tokens, at least one. Refused when too many wait, or when it could
    /// not even enter an empty engine.
    pub fn submit(&mut self, tokens: Vec<u32>) -> Result<SequenceId, Cause> {
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
        self.waiting.insert(id, Waiting { tokens, paused: false });
        Ok(id)
    }

    /// Decides the next step.
    pub fn plan(&mut self) -> Plan {
        let mut plan = Plan::default();
        let memory_is_short = self.plan_decodes(&mut plan);
        if !memory_is_short {
            self.admit(&mut plan);
        }
        self.plan_prefills(&mut plan);
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
                wants_logits: planned.wants_logits,
            }
        };
        plan.steps.iter().map(step).collect()
    }

    /// The plan was computed: its KV is there, and full blocks can be shared.
    pub fn complete(&mut self, plan: &Plan) {
        for planned in &plan.steps {
            let Some(running) = self.running.get_mut(&planned.sequence) else { continue };
            running.computed = planned.positions.end;
            running.table.publish(&mut self.pool, &running.tokens[..running.computed]);
        }
    }

    /// Appends the token that was sampled for a running sequence.
    pub fn push(&mut self, id: SequenceId, token: u32) {
        if let Some(running) = self.running.get_mut(&id) {
            running.tokens.push(token);
        }
    }

    /// Ends a turn, wherever it is. Its full blocks stay in the prefix tree.
    pub fn finish(&mut self, id: SequenceId) {
        self.waiting.remove(&id);
        if let Some(running) = self.running.remove(&id) {
            running.table.release(&mut self.pool);
        }
    }

    /// Ends a turn whose KV is not to be trusted, and drops all KV that nobody holds.
    pub fn finish_and_forget(&mut self, id: SequenceId) {
        self.finish(id);
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
                    plan.steps.push(PlannedStep { sequence: id, positions, wants_logits: true });
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
        let Running { tokens, table, paused, .. } = youngest;
        table.release(&mut self.pool);
        if is_alone {
            let (needed, total) = (blocks_for(tokens.len()) as u32, self.pool.total() as u32);
            plan.exhausted.push((id, Cause::KvExhausted { needed, total }));
        } else {
            self.waiting.insert(id, Waiting { tokens, paused });
        }
    }

    /// Rule 2. One spare block per running sequence is left, so that who enters need not leave at once.
    fn admit(&mut self, plan: &mut Plan) {
        while self.running.len() < self.limits.running_max {
            let next = self.waiting.iter().find(|(_, waiting)| !waiting.paused);
            let Some((&id, waiting)) = next else { return };
            let capacity = waiting.tokens.len() + 1;
            let spare = self.running.len();
            let Some(table) = BlockTable::begin(&mut self.pool, &waiting.tokens, capacity, spare) else {
                return;
            };
            let Some(Waiting { tokens, paused }) = self.waiting.remove(&id) else { return };
            let computed = table.published_tokens();
            plan.admitted.push(Admitted { sequence: id, cached_tokens: computed });
            let prefill_end = tokens.len();
            self.running.insert(id, Running { tokens, computed, prefill_end, table, paused });
        }
    }

    /// Rule 3.
    fn plan_prefills(&mut self, plan: &mut Plan) {
        let prefilling = self.running.iter().filter(|(_, running)| !running.is_decoding() && !running.paused);
        let remaining: Vec<(SequenceId, Range<usize>)> =
            prefilling.map(|(id, running)| (*id, running.computed..running.prefill_end)).collect();
        let wanted: Vec<usize> = remaining.iter().map(|(_, range)| range.len()).collect();
        let shares = share::share(&wanted, self.limits.step_prefill_tokens_max);
        for ((id, range), tokens) in remaining.into_iter().zip(shares) {
            if tokens > 0 {
                let positions = range.start..range.start + tokens;
                let wants_logits = positions.end == range.end;
                plan.prefill_tokens += tokens;
                plan.steps.push(PlannedStep { sequence: id, positions, wants_logits });
            }
        }
    }
}

impl Running {
    fn is_decoding(&self) -> bool {
        self.computed >= self.prefill_end
    }
}

fn blocks_for(tokens: usize) -> usize {
    tokens.div_ceil(BLOCK_TOKENS)
}

#[cfg(test)]
mod tests;
