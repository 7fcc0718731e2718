//! The turns of an engine that computes embeddings: taken in order, several texts per step.
//!
//! The counterpart of [`Generation`](crate::generation::Generation), run by the same thread. A turn gets `Started`
//! and `Finished` at once, since nothing lies between them; one whose consumer has gone is left out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use pomona_protocol::{Cause, FinishReason, StepSample, Task, TurnEvent, Usage};
use tokio::sync::mpsc;

use super::{Encoder, EncoderShape, Pooling};
use crate::backend::BackendError;
use crate::generation::{LoadBoard, NewTurn, StepOutcome};
use crate::scheduler::SchedulerLimits;
use crate::validate;

/// Seconds after which a refused turn may try again: a batch has gone by then.
const RETRY_AFTER_S: u32 = 1;

/// An encoder and the texts that wait for it.
pub struct EmbeddingQueue {
    encoder: Box<dyn Encoder>,
    shape: EncoderShape,
    pooling: Pooling,
    limits: SchedulerLimits,
    waiting: VecDeque<Waiting>,
    hidden: Vec<f32>,
    board: Arc<LoadBoard>,
}

struct Waiting {
    text: Vec<u32>,
    dimensions: Option<usize>,
    sink: mpsc::Sender<TurnEvent>,
}

impl EmbeddingQueue {
    /// An empty queue. What it does is shown on `board`.
    pub fn new(
        encoder: Box<dyn Encoder>,
        pooling: Pooling,
        limits: SchedulerLimits,
        board: Arc<LoadBoard>,
    ) -> Self {
        let mut shape = encoder.shape();
        shape.context_tokens = shape.context_tokens.min(pooling.tokens_max.unwrap_or(usize::MAX));
        Self { encoder, shape, pooling, limits, waiting: VecDeque::new(), hidden: Vec::new(), board }
    }

    /// Takes a turn; a refusal goes to its sink at once.
    pub fn accept(&mut self, new: NewTurn) {
        let sink = new.sink.clone();
        if let Err(cause) = self.try_accept(new) {
            send(&sink, TurnEvent::Failed { cause });
        }
    }

    /// Encodes as many texts as a step may hold. On an error every turn has failed and the encoder is of no further
    /// use.
    pub fn step(&mut self) -> Result<StepOutcome, BackendError> {
        self.waiting.retain(|waiting| !waiting.sink.is_closed());
        let batch = self.next_batch();
        self.show_load(&batch);
        if batch.is_empty() {
            return Ok(StepOutcome::Idle);
        }
        let started = Instant::now();
        let texts: Vec<&[u32]> = batch.iter().map(|turn| turn.text.as_slice()).collect();
        let tokens: usize = texts.iter().map(|text| text.len()).sum();
        let encoded = self.encoder.encode(&texts, &mut self.hidden).and_then(|()| self.check(tokens));
        if let Err(error) = encoded {
            let cause = Cause::EngineLost { message: error.to_string() };
            batch.iter().for_each(|turn| send(&turn.sink, TurnEvent::Failed { cause: cause.clone() }));
            self.fail_all(&cause);
            return Err(error);
        }
        let mut first = 0;
        for turn in &batch {
            let numbers = turn.text.len() * self.shape.width;
            let hidden = &self.hidden[first..first + numbers];
            let vector = self.pooling.pool(hidden, self.shape.width, turn.dimensions);
            turn.answer(vector);
            first += numbers;
        }
        let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        let (sequences, tokens) = (batch.len() as u32, tokens as u32);
        self.board.record(StepSample { micros, sequences, tokens }, 0);
        self.board.update(|load| load.prompt_tokens += u64::from(tokens));
        self.show_load(&[]);
        Ok(StepOutcome::Worked)
    }

    /// Ends every turn with this cause.
    pub fn fail_all(&mut self, cause: &Cause) {
        for turn in self.waiting.drain(..) {
            send(&turn.sink, TurnEvent::Failed { cause: cause.clone() });
        }
        self.show_load(&[]);
    }

    fn try_accept(&mut self, new: NewTurn) -> Result<(), Cause> {
        let EncoderShape { vocabulary, context_tokens, width } = self.shape;
        let Task::Embed { dimensions } = new.task else {
            return Err(invalid("model", "it computes embeddings and generates no text".to_owned()));
        };
        let dimensions = dimensions.map(|wanted| wanted as usize);
        if let Some(wanted) = dimensions.filter(|wanted| !(1..=width).contains(wanted)) {
            return Err(invalid("dimensions", format!("{wanted} is not in 1 to {width}")));
        }
        validate::check_tokens("input", &new.prompt, vocabulary)?;
        if new.prompt.is_empty() {
            return Err(invalid("input", "0 tokens are not at least 1".to_owned()));
        }
        if new.prompt.len() > context_tokens {
            let (prompt_tokens, context_tokens) = (new.prompt.len() as u32, context_tokens as u32);
            return Err(Cause::ContextExceeded { prompt_tokens, context_tokens });
        }
        let (waiting, limit) = (self.waiting.len(), self.limits.waiting_max);
        if waiting >= limit + self.limits.running_max {
            let (waiting, limit) = (waiting as u32, limit as u32);
            return Err(Cause::Overloaded { waiting, limit, retry_after_s: RETRY_AFTER_S });
        }
        self.waiting.push_back(Waiting { text: new.prompt, dimensions, sink: new.sink });
        Ok(())
    }

    /// At least one text if there is any, and no more tokens than a step may hold.
    fn next_batch(&mut self) -> Vec<Waiting> {
        let mut tokens = 0;
        let fits = |turn: &&Waiting| {
            tokens += turn.text.len();
            tokens <= self.limits.step_prefill_tokens_max
        };
        let count = self.waiting.iter().take(self.limits.running_max).take_while(fits).count();
        let count = count.max(1).min(self.waiting.len());
        self.waiting.drain(..count).collect()
    }

    fn check(&self, tokens: usize) -> Result<(), BackendError> {
        let (got, expected) = (self.hidden.len(), tokens * self.shape.width);
        if got == expected && self.hidden.iter().all(|number| number.is_finite()) {
            return Ok(());
        }
        Err(BackendError { message: format!("{got} hidden numbers came back, not {expected} finite ones") })
    }

    fn show_load(&self, batch: &[Waiting]) {
        let tokens: usize = batch.iter().map(|turn| turn.text.len()).sum();
        self.board.update(|load| {
            load.step_prefill_tokens = tokens as u32;
            load.running = batch.len() as u32;
            load.waiting = self.waiting.len() as u32;
        });
    }
}

impl Waiting {
    fn answer(&self, embedding: Vec<f32>) {
        let prompt_tokens = self.text.len() as u32;
        send(&self.sink, TurnEvent::Started { prompt_tokens, cached_tokens: 0 });
        let finished = TurnEvent::Finished {
            reason: FinishReason::Stop,
            text: String::new(),
            marks: Vec::new(),
            usage: Usage { prompt_tokens, ..Usage::default() },
            stop: None,
            embedding,
        };
        send(&self.sink, finished);
    }
}

fn invalid(parameter: &str, message: String) -> Cause {
    Cause::InvalidRequest { parameter: parameter.to_owned(), message }
}

/// A turn says two things at most, for which every sink has room; the only failure left is a consumer that has gone.
fn send(sink: &mpsc::Sender<TurnEvent>, event: TurnEvent) {
    let _ = sink.try_send(event);
}
