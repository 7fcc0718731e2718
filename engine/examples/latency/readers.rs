//! Readers of answers, who note when each token came.

use std::time::Instant;

use pomona_engine::backend::BackendError;
use pomona_engine::channels::Channels;
use pomona_engine::generation::{Generation, NewTurn};
use pomona_protocol::{Sampling, Task, TurnEvent};
use tokio::sync::mpsc;

/// Prompts of random ids, the same in each run.
pub(crate) struct Prompts {
    state: u32,
    vocabulary: u32,
}

impl Prompts {
    pub(crate) fn new(vocabulary: u32) -> Self {
        Self { state: 7, vocabulary }
    }

    pub(crate) fn next(&mut self, tokens: usize) -> Vec<u32> {
        let mut id = || {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.state >> 8) % self.vocabulary
        };
        (0..tokens).map(|_| id()).collect()
    }
}

/// One turn and what its reader saw; seconds count from the question.
pub(crate) struct Reader {
    events: mpsc::Receiver<TurnEvent>,
    asked_at: Instant,
    last_at: Option<Instant>,
    pub(crate) ids: Vec<u32>,
    pub(crate) tokens: usize,
    /// Seconds between tokens.
    pub(crate) gaps: Vec<f64>,
    pub(crate) first_token_s: f64,
    pub(crate) done_s: f64,
    pub(crate) cached_tokens: u32,
    pub(crate) accepted_tokens: u32,
    pub(crate) is_done: bool,
}

impl Reader {
    pub(crate) fn open(engine: &mut Generation, prompt: &[u32], tokens_max: u32) -> Self {
        let (sink, events) = mpsc::channel(4096);
        let sampling =
            Sampling { max_tokens: Some(tokens_max), temperature: Some(0.0), ..Sampling::default() };
        engine.accept(NewTurn {
            task: Task::Generate,
            prompt: prompt.to_vec(),
            pictures: Vec::new(),
            stands_alone: true,
            channels: Channels::plain(),
            one_call: false,
            guide: None,
            sampling,
            resume: Vec::new(),
            sink,
            tells_prefill: false,
        });
        Self {
            events,
            asked_at: Instant::now(),
            last_at: None,
            ids: Vec::new(),
            tokens: 0,
            gaps: Vec::new(),
            first_token_s: 0.0,
            done_s: 0.0,
            cached_tokens: 0,
            accepted_tokens: 0,
            is_done: false,
        }
    }

    fn listen(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            let now = Instant::now();
            match event {
                TurnEvent::Tokens { ids, .. } => {
                    match self.last_at {
                        Some(last) => self.gaps.push((now - last).as_secs_f64()),
                        None => self.first_token_s = (now - self.asked_at).as_secs_f64(),
                    }
                    self.last_at = Some(now);
                    self.tokens += ids.len();
                    self.ids.extend(ids);
                }
                TurnEvent::Finished { usage, .. } => {
                    self.done_s = (now - self.asked_at).as_secs_f64();
                    (self.cached_tokens, self.accepted_tokens) = (usage.cached_tokens, usage.accepted_tokens);
                    self.is_done = true;
                }
                _ => {}
            }
        }
    }
}

/// Steps until what readers saw is enough.
pub(crate) fn run_until(
    engine: &mut Generation,
    readers: &mut [Reader],
    is_enough: impl Fn(&[Reader]) -> bool,
) -> Result<(), BackendError> {
    while !is_enough(readers) {
        engine.step()?;
        readers.iter_mut().for_each(Reader::listen);
    }
    Ok(())
}

/// The value that a share of all is not above.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
