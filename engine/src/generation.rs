//! The engine itself: one backend, its batch, and the turns in it.
//!
//! Synchronous and bound to one thread, which `serve` runs: turns come in through [`Generation::accept`],
//! [`Generation::step`] computes one step for all of them, events leave through each turn's bounded sink. A
//! sink that is nearly full pauses its sequence; a closed one cancels its turn before the next step. Each turn
//! gets exactly one terminal event. Who computes what is decided in [`crate::scheduler`].

mod answer;
mod board;
mod disk;
mod prefill;
mod seen;
mod turn;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use pomona_protocol::{Cause, Sampling, StepSample, Task, TurnEvent};
use tokio::sync::mpsc;

use crate::backend::{BLOCK_TOKENS, Backend, BackendError, BackendShape, PictureRows};
use crate::channels::{Channels, Spoken};
use crate::checkpoint::GenerationDefaults;
use crate::grammar::Guide;
use crate::sampler::Sampler;
use crate::scheduler::{Admitted, Plan, PlannedStep, Scheduler, SchedulerLimits, SequenceId};
use crate::tokenizer::TokenTable;
use crate::validate;
use crate::vision::Shown;
use answer::{Answer, AnswerRules};
pub use board::LoadBoard;
use disk::Disk;
use prefill::Prefill;
use seen::Seen;
use turn::{News, Turn, send};

/// Free places that a sink must have for its turn to take part in a step: `Started`, `Tokens` and a terminal
/// event may come of one.
const SINK_FREE_MIN: usize = 3;
/// Events that a sink must hold at least; with fewer its turn would never run.
pub const SINK_EVENTS_MIN: usize = SINK_FREE_MIN + 1;

/// A turn, tokenised.
#[derive(Debug)]
pub struct NewTurn {
    /// What is wanted.
    pub task: Task,
    /// Token ids of the prompt, and of the places of its pictures.
    pub prompt: Vec<u32>,
    /// The pictures, in order.
    pub pictures: Vec<Shown>,
    /// Whether the answer is a text of its own (a chat) or goes on in the text of the prompt.
    pub stands_alone: bool,
    /// Tells thoughts and calls of tools from text.
    pub channels: Channels,
    /// Whether the answer ends with its first call of a tool.
    pub one_call: bool,
    /// Holds the answer to its form.
    pub guide: Option<Guide>,
    /// How tokens are chosen and when the answer ends.
    pub sampling: Sampling,
    /// Tokens of the answer that were shown already.
    pub resume: Vec<u32>,
    /// Where events go, with room for at least [`SINK_EVENTS_MIN`]. Its receiver's end cancels the turn.
    pub sink: mpsc::Sender<TurnEvent>,
    /// Whether its consumer hears how far a long prompt is computed.
    pub tells_prefill: bool,
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
    disk: Option<Disk>,
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
        Self {
            backend,
            shape,
            facts,
            scheduler,
            turns: BTreeMap::new(),
            logits: Vec::new(),
            board,
            disk: None,
        }
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
        self.take_restored()?;
        let plan = self.scheduler.plan();
        self.save_evicted()?;
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
        let NewTurn {
            task,
            prompt,
            pictures,
            stands_alone,
            channels,
            one_call,
            guide,
            sampling,
            resume,
            sink,
            tells_prefill,
        } = new;
        if task != Task::Generate {
            let message = "it generates text and computes no embeddings".to_owned();
            return Err(Cause::InvalidRequest { parameter: "model".to_owned(), message });
        }
        let BackendShape { vocabulary, context_tokens, .. } = self.shape;
        validate::check_sampling(&sampling, vocabulary)?;
        validate::check_prompt(&prompt, &pictures, self.shape)?;
        validate::check_tokens("resume", &resume, vocabulary)?;
        let answer_max =
            validate::answer_tokens_max(prompt.len(), resume.len(), context_tokens, sampling.max_tokens)?;
        // An answer that has the form that was asked for has nothing to go on with.
        let eos_token_ids =
            if sampling.ignore_eos && guide.is_none() { &[][..] } else { &self.facts.eos_token_ids };
        let stop = &sampling.stop;
        let rules =
            AnswerRules { stands_alone, channels, one_call, stop, eos_token_ids, tokens_max: answer_max };
        let mut turn = Turn {
            answer: Answer::new(&self.facts.tokens, rules),
            sampler: Sampler::new(&sampling, &self.facts.defaults, &prompt),
            guide,
            pictures: pictures.into_iter().map(Seen::new).collect(),
            sink,
            news: News::default(),
            prefill: Prefill::new(tells_prefill),
            prompt_tokens: prompt.len() as u32,
            cached_tokens: 0,
            accepted_tokens: 0,
            is_started: false,
            ahead_said: None,
        };
        for id in &resume {
            turn.sampler.replay(*id);
            if let Some(reason) = turn.take(*id, &mut Spoken::default())? {
                turn.start(0);
                turn.finish(reason);
                return Ok(());
            }
        }
        // An answer that may outgrow the memory ends there, like one that fills the context.
        let kv_tokens = self.shape.kv_blocks * BLOCK_TOKENS;
        turn.answer.limit(kv_tokens.saturating_sub(prompt.len()));
        let tokens_max = (prompt.len() + answer_max).min(kv_tokens);
        let id = self.scheduler.submit([prompt, resume].concat(), tokens_max)?;
        self.turns.insert(id, turn);
        self.ask_disk(id);
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
        self.look(plan)?;
        let shown: Vec<Vec<PictureRows<'_>>> =
            plan.steps.iter().map(|planned| shown(&self.turns, planned)).collect();
        let mut batch = self.scheduler.batch(plan);
        batch.iter_mut().zip(&shown).for_each(|(step, pictures)| step.pictures = pictures);
        self.backend.step(&batch, &mut self.logits)?;
        let tokens = batch.iter().map(|step| step.tokens.len()).sum::<usize>();
        let sample = StepSample {
            micros: u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX),
            sequences: batch.len() as u32,
            // A guess is neither a prompt's token nor one of the answer yet.
            tokens: tokens.saturating_sub(plan.guesses) as u32,
        };
        let rows = batch.iter().map(|step| step.logit_rows).sum::<usize>();
        let (got, expected) = (self.logits.len(), rows * self.shape.vocabulary);
        if got != expected {
            return Err(BackendError { message: format!("{got} logits came back, not {expected}") });
        }
        self.scheduler.complete(plan);
        self.tell_prefill(plan);
        let mut logits = std::mem::take(&mut self.logits);
        let mut rest = logits.as_mut_slice();
        let (mut sampled, mut accepted) = (0, 0);
        for planned in plan.steps.iter().filter(|planned| planned.wants_logits) {
            let (rows, others) = rest.split_at_mut(planned.logit_rows() * self.shape.vocabulary);
            rest = others;
            let taken = self.advance_through(planned.sequence, rows);
            sampled += taken as u64;
            accepted += taken.saturating_sub(1) as u64;
        }
        self.logits = logits;
        self.scheduler.observe(plan, started.elapsed());
        self.board.record(sample, sampled);
        self.board.update(|load| {
            load.guessed_tokens += plan.guesses as u64;
            load.accepted_tokens += accepted;
        });
        self.show_load(0);
        Ok(())
    }

    /// Has the model look at pictures that a plan begins with.
    fn look(&mut self, plan: &Plan) -> Result<(), BackendError> {
        for planned in &plan.steps {
            let Some(turn) = self.turns.get_mut(&planned.sequence) else { continue };
            for picture in &mut turn.pictures {
                picture.look(&planned.positions, self.backend.as_mut())?;
            }
        }
        Ok(())
    }

    /// Takes a row behind a turn's last token and behind each of its guesses, up to the first wrong one. Its consumer
    /// hears of all that came of it at once. Returns how many rows counted.
    fn advance_through(&mut self, id: SequenceId, rows: &mut [f32]) -> usize {
        let mut taken = 0;
        for row in rows.chunks_exact_mut(self.shape.vocabulary) {
            taken += 1;
            if !self.advance(id, row) {
                break;
            }
        }
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.tell();
        }
        taken
    }

    /// Samples the next token of a turn. True when it was guessed, so that the row behind it counts too.
    fn advance(&mut self, id: SequenceId, row: &mut [f32]) -> bool {
        let Some(turn) = self.turns.get_mut(&id) else { return false };
        let chosen = turn.choose(row).and_then(|choice| {
            let token = choice.id;
            Ok((token, turn.accept(choice, &self.facts.tokens)?))
        });
        match chosen {
            Ok((token, None)) => {
                let was_guessed = self.scheduler.push(id, token);
                turn.accepted_tokens += u32::from(was_guessed);
                return was_guessed;
            }
            Ok((_, Some(reason))) => {
                turn.finish(reason);
                self.scheduler.finish(id);
            }
            Err(cause) => {
                turn.tell();
                // Logits that are no numbers may come of KV that is none.
                match cause {
                    Cause::EngineLost { .. } => self.scheduler.finish_and_forget(id),
                    _ => self.scheduler.finish(id),
                }
                send(&turn.sink, TurnEvent::Failed { cause });
            }
        }
        self.turns.remove(&id);
        false
    }

    fn show_load(&self, step_prefill_tokens: usize) {
        self.board.update(|load| {
            load.step_prefill_tokens = step_prefill_tokens as u32;
            load.running = self.scheduler.running_count() as u32;
            load.waiting = self.scheduler.waiting().len() as u32;
            load.kv_blocks_used = self.scheduler.pool().used() as u32;
            load.evicted_blocks = self.scheduler.pool().evicted_count();
            load.kv_blocks_held =
                load.kv_blocks_total.saturating_sub(self.scheduler.pool().available() as u32);
        });
    }
}

/// The pictures that have places in a step.
fn shown<'a>(turns: &'a BTreeMap<SequenceId, Turn>, planned: &PlannedStep) -> Vec<PictureRows<'a>> {
    let pictures = turns.get(&planned.sequence).map(|turn| turn.pictures.as_slice());
    pictures.unwrap_or_default().iter().filter_map(|picture| picture.within(&planned.positions)).collect()
}
