//! The engine itself: one backend, its batch, and the turns in it.
//!
//! Synchronous and bound to one thread, which `serve` runs: turns come in through [`Generation::accept`],
//! [`Generation::step`] computes one step for all of them, events leave through each turn's bounded sink. A
//! sink that is nearly full pauses its sequence; a closed one cancels its turn before the next step. Each turn
//! gets exactly one terminal event. Who computes what is decided in [`crate::scheduler`].

mod answer;
mod board;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use pomona_protocol::{
    Cause, FinishReason, Sampling, StepSample, TokenLogprob, TopLogprob, TurnEvent, Usage,
};
use tokio::sync::mpsc;

use crate::backend::{BLOCK_TOKENS, Backend, BackendError, BackendShape};
use crate::checkpoint::GenerationDefaults;
use crate::sampler::{Choice, Sampler};
use crate::scheduler::{Admitted, Plan, Scheduler, SchedulerLimits, SequenceId};
use crate::tokenizer::TokenTable;
use crate::validate;
use answer::Answer;
pub use board::LoadBoard;

/// Free places that a sink must have for its turn to take part in a step: `Started`, `Tokens` and a terminal
/// event may come of one.
const SINK_FREE_MIN: usize = 3;
/// Events that a sink must hold at least; with fewer its turn would never run.
pub const SINK_EVENTS_MIN: usize = SINK_FREE_MIN + 1;

/// A turn, tokenised.
#[derive(Debug)]
pub struct NewTurn {
    /// Token ids of the prompt.
    pub prompt: Vec<u32>,
    /// Whether the answer is a text of its own (a chat) or goes on in the text of the prompt.
    pub stands_alone: bool,
    /// How tokens are chosen and when the answer ends.
    pub sampling: Sampling,
    /// Tokens of the answer that were shown already.
    pub resume: Vec<u32>,
    /// Where events go, with room for at least [`SINK_EVENTS_MIN`]. Its receiver's end cancels the turn.
    pub sink: mpsc::Sender<TurnEvent>,
}

/// What the model folder says about its answers.
#[derive(Clone, Debug)]
pub struct ModelFacts {
    /// Bytes of each token.
    pub tokens: Arc<TokenTable>,
    /// Ids that end an answer.
    pub eos_token_ids: Vec<u32>,
    /// Sampling where a request says nothing.
    pub defaults: GenerationDefaults,
}

/// What became of a call of [`Generation::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// A step was computed.
    Worked,
    /// There are turns, but all of them wait for their consumers.
    Blocked,
    /// There is no turn.
    Idle,
}

/// A backend and its turns.
pub struct Generation {
    backend: Box<dyn Backend>,
    shape: BackendShape,
    facts: ModelFacts,
    scheduler: Scheduler,
    turns: BTreeMap<SequenceId, Turn>,
    logits: Vec<f32>,
    board: Arc<LoadBoard>,
}

struct Turn {
    answer: Answer,
    sampler: Sampler,
    sink: mpsc::Sender<TurnEvent>,
    prompt_tokens: u32,
    cached_tokens: u32,
    is_started: bool,
    /// What the last `Queued` said.
    ahead_said: Option<usize>,
}

impl Generation {
    /// An engine without turns. What it does is shown on `board`.
    pub fn new(
        backend: Box<dyn Backend>,
        facts: ModelFacts,
        limits: SchedulerLimits,
        board: Arc<LoadBoard>,
    ) -> Self {
        let shape = backend.shape();
        board.update(|load| load.kv_blocks_total = shape.kv_blocks as u32);
        let scheduler = Scheduler::new(limits, shape.kv_blocks);
        Self { backend, shape, facts, scheduler, turns: BTreeMap::new(), logits: Vec::new(), board }
    }

    /// Takes a turn. A refusal, or an end that its resumed tokens have reached already, goes to its sink at
    /// once.
    pub fn accept(&mut self, new: NewTurn) {
        let sink = new.sink.clone();
        if let Err(cause) = self.try_accept(new) {
            send(&sink, TurnEvent::Failed { cause });
        }
    }

    /// Computes one step. On an error every turn has failed and this engine is of no further use.
    pub fn step(&mut self) -> Result<StepOutcome, BackendError> {
        self.follow_sinks();
        let plan = self.scheduler.plan();
        for admitted in &plan.admitted {
            self.start(*admitted);
        }
        for (id, cause) in &plan.exhausted {
            if let Some(turn) = self.turns.remove(id) {
                send(&turn.sink, TurnEvent::Failed { cause: cause.clone() });
            }
        }
        self.announce_queue();
        self.show_load(plan.prefill_tokens);
        if plan.steps.is_empty() {
            return Ok(if self.turns.is_empty() { StepOutcome::Idle } else { StepOutcome::Blocked });
        }
        let result = self.compute(&plan);
        if let Err(error) = &result {
            self.fail_all(&Cause::EngineLost { message: error.to_string() });
        }
        result.map(|()| StepOutcome::Worked)
    }

    /// Ends every turn with this cause.
    pub fn fail_all(&mut self, cause: &Cause) {
        for (id, turn) in std::mem::take(&mut self.turns) {
            self.scheduler.finish(id);
            send(&turn.sink, TurnEvent::Failed { cause: cause.clone() });
        }
        self.show_load(0);
    }

    fn try_accept(&mut self, new: NewTurn) -> Result<(), Cause> {
        let NewTurn { prompt, stands_alone, sampling, resume, sink } = new;
        let BackendShape { vocabulary, context_tokens, .. } = self.shape;
        validate::check_sampling(&sampling, vocabulary)?;
        validate::check_tokens("prompt", &prompt, vocabulary)?;
        validate::check_tokens("resume", &resume, vocabulary)?;
        let answer_max =
            validate::answer_tokens_max(prompt.len(), resume.len(), context_tokens, sampling.max_tokens)?;
        let eos_token_ids = if sampling.ignore_eos { &[][..] } else { &self.facts.eos_token_ids };
        let mut turn = Turn {
            answer: Answer::new(&self.facts.tokens, stands_alone, &sampling.stop, eos_token_ids, answer_max),
            sampler: Sampler::new(&sampling, &self.facts.defaults, &prompt),
            sink,
            prompt_tokens: prompt.len() as u32,
            cached_tokens: 0,
            is_started: false,
            ahead_said: None,
        };
        for id in &resume {
            turn.sampler.replay(*id);
            if let Some(reason) = turn.answer.push(*id, &mut String::new()) {
                turn.start(0);
                turn.finish(reason);
                return Ok(());
            }
        }
        // An answer that may outgrow the memory ends there, like one that fills the context.
        let kv_tokens = self.shape.kv_blocks * BLOCK_TOKENS;
        turn.answer.limit(kv_tokens.saturating_sub(prompt.len()));
        let id = self.scheduler.submit([prompt, resume].concat())?;
        self.turns.insert(id, turn);
        Ok(())
    }

    /// Lets go of turns whose consumer has gone, and pauses those whose consumer is slow.
    fn follow_sinks(&mut self) {
        let scheduler = &mut self.scheduler;
        self.turns.retain(|id, turn| {
            if turn.sink.is_closed() {
                scheduler.finish(*id);
                return false;
            }
            scheduler.set_paused(*id, turn.sink.capacity() < SINK_FREE_MIN);
            true
        });
    }

    fn start(&mut self, admitted: Admitted) {
        let Some(turn) = self.turns.get_mut(&admitted.sequence) else { return };
        // One that had given way enters again; its consumer need not know.
        if !turn.is_started {
            turn.start(admitted.cached_tokens as u32);
            self.board.update(|load| {
                load.prompt_tokens += u64::from(turn.prompt_tokens);
                load.cached_tokens += u64::from(turn.cached_tokens);
            });
        }
    }

    /// Tells waiting turns how many are ahead: each change of a short queue, of a long one each eighth. So a
    /// thousand waiting turns do not get a thousand events whenever one is served.
    fn announce_queue(&mut self) {
        const EACH_CHANGE_BELOW: usize = 8;
        for (ahead, id) in self.scheduler.waiting().enumerate() {
            let Some(turn) = self.turns.get_mut(&id) else { continue };
            let is_news = match turn.ahead_said {
                None => true,
                Some(said) => ahead != said && (ahead < EACH_CHANGE_BELOW || ahead * 8 <= said * 7),
            };
            if is_news && !turn.is_started && turn.sink.capacity() > SINK_FREE_MIN {
                turn.ahead_said = Some(ahead);
                send(&turn.sink, TurnEvent::Queued { ahead: ahead as u32 });
            }
        }
    }

    /// Runs a plan and hands each row of logits to its turn.
    fn compute(&mut self, plan: &Plan) -> Result<(), BackendError> {
        let started = Instant::now();
        let batch = self.scheduler.batch(plan);
        self.backend.step(&batch, &mut self.logits)?;
        let sample = StepSample {
            micros: u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX),
            sequences: batch.len() as u32,
            tokens: batch.iter().map(|step| step.tokens.len() as u32).sum(),
        };
        let rows = batch.iter().filter(|step| step.wants_logits).count();
        let (got, expected) = (self.logits.len(), rows * self.shape.vocabulary);
        if got != expected {
            return Err(BackendError { message: format!("{got} logits came back, not {expected}") });
        }
        self.scheduler.complete(plan);
        let mut logits = std::mem::take(&mut self.logits);
        let wanting = plan.steps.iter().filter(|planned| planned.wants_logits);
        for (planned, row) in wanting.zip(logits.chunks_exact_mut(self.shape.vocabulary)) {
            self.advance(planned.sequence, row);
        }
        self.logits = logits;
        self.board.record(sample, rows as u64);
        self.show_load(0);
        Ok(())
    }

    /// Samples the next token of a turn and tells its consumer.
    fn advance(&mut self, id: SequenceId, row: &mut [f32]) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let first = turn.answer.tokens() as u32;
        let choice = match turn.sampler.choose(row, first) {
            Ok(choice) => choice,
            Err(error) => {
                send(
                    &turn.sink,
                    TurnEvent::Failed { cause: Cause::EngineLost { message: error.to_string() } },
                );
                self.turns.remove(&id);
                self.scheduler.finish_and_forget(id);
                return;
            }
        };
        let token = choice.id;
        let ended = if turn.answer.is_end(token) {
            Some(FinishReason::Stop)
        } else {
            let mut text = String::new();
            let ended = turn.answer.push(token, &mut text);
            let logprobs = token_logprob(&self.facts.tokens, choice).into_iter().collect();
            send(&turn.sink, TurnEvent::Tokens { first, ids: vec![token], text, logprobs });
            ended
        };
        match ended {
            None => self.scheduler.push(id, token),
            Some(reason) => {
                turn.finish(reason);
                self.turns.remove(&id);
                self.scheduler.finish(id);
            }
        }
    }

    fn show_load(&self, step_prefill_tokens: usize) {
        self.board.update(|load| {
            load.step_prefill_tokens = step_prefill_tokens as u32;
            load.running = self.scheduler.running_count() as u32;
            load.waiting = self.scheduler.waiting().len() as u32;
            load.kv_blocks_used = self.scheduler.pool().used() as u32;
        });
    }
}

impl Turn {
    fn start(&mut self, cached_tokens: u32) {
        self.is_started = true;
        // A resumed token is no part of the prompt, even where its KV was found.
        self.cached_tokens = cached_tokens.min(self.prompt_tokens);
        let (prompt_tokens, cached_tokens) = (self.prompt_tokens, self.cached_tokens);
        send(&self.sink, TurnEvent::Started { prompt_tokens, cached_tokens });
    }

    fn finish(&mut self, reason: FinishReason) {
        let (reason, text) = self.answer.end(reason);
        let usage = Usage {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
            completion_tokens: self.answer.tokens() as u32,
        };
        send(&self.sink, TurnEvent::Finished { reason, text, usage });
    }
}

/// Room was made sure of before; the only failure left is a consumer that has gone, which needs no event.
fn send(sink: &mpsc::Sender<TurnEvent>, event: TurnEvent) {
    let sent = sink.try_send(event);
    debug_assert!(!matches!(sent, Err(mpsc::error::TrySendError::Full(_))), "a sink without room was used");
}

fn token_logprob(tokens: &TokenTable, choice: Choice) -> Option<TokenLogprob> {
    let named = |id: u32, logprob: f32| TopLogprob { id, bytes: tokens.bytes(id).to_vec(), logprob };
    let logprobs = choice.logprobs?;
    Some(TokenLogprob {
        chosen: named(choice.id, logprobs.chosen),
        top: logprobs.top.into_iter().map(|(id, logprob)| named(id, logprob)).collect(),
    })
}
