//! One turn inside the engine: its answer, its sampler, and what its consumer is told.
//!
//! Owned by `generation`, which says when. What the tokens of one step say leaves as one event.

use pomona_protocol::{Cause, FinishReason, TokenLogprob, TopLogprob, TurnEvent, Usage};
use tokio::sync::mpsc;

use super::answer::Answer;
use super::prefill::Prefill;
use super::seen::Seen;
use crate::channels::Spoken;
use crate::grammar::Guide;
use crate::sampler::{Choice, Sampler};
use crate::tokenizer::TokenTable;

pub(super) struct Turn {
    pub(super) answer: Answer,
    pub(super) sampler: Sampler,
    /// Holds the answer to the form that was asked for.
    pub(super) guide: Option<Guide>,
    /// Of its prompt, in order.
    pub(super) pictures: Vec<Seen>,
    pub(super) sink: mpsc::Sender<TurnEvent>,
    /// Tokens of the running step.
    pub(super) news: News,
    /// What it says of its prompt.
    pub(super) prefill: Prefill,
    pub(super) prompt_tokens: u32,
    pub(super) cached_tokens: u32,
    /// Tokens that were guessed and found right.
    pub(super) accepted_tokens: u32,
    pub(super) is_started: bool,
    /// What the last `Queued` said.
    pub(super) ahead_said: Option<usize>,
}

/// Tokens of one answer that leave as one event.
#[derive(Default)]
pub(super) struct News {
    first: u32,
    ids: Vec<u32>,
    /// What became certain with these ids.
    spoken: Spoken,
    logprobs: Vec<TokenLogprob>,
}

impl Turn {
    pub(super) fn start(&mut self, cached_tokens: u32) {
        self.is_started = true;
        // A resumed token is no part of the prompt, even where its KV was found.
        self.cached_tokens = cached_tokens.min(self.prompt_tokens);
        let (prompt_tokens, cached_tokens) = (self.prompt_tokens, self.cached_tokens);
        self.prefill.begin(prompt_tokens, cached_tokens);
        send(&self.sink, TurnEvent::Started { prompt_tokens, cached_tokens });
    }

    /// The next token, among those that the answer's form allows.
    pub(super) fn choose(&mut self, row: &mut [f32]) -> Result<Choice, Cause> {
        let mask = self.guide.as_mut().map(Guide::mask).transpose()?;
        let choice = self.sampler.choose_within(mask.as_ref(), row, self.answer.tokens() as u32);
        choice.map_err(|error| Cause::EngineLost { message: error.to_string() })
    }

    /// Takes a token that was chosen; says whether the answer is complete.
    pub(super) fn accept(
        &mut self,
        choice: Choice,
        tokens: &TokenTable,
    ) -> Result<Option<FinishReason>, Cause> {
        if self.answer.is_end(choice.id) {
            return Ok(Some(FinishReason::Stop));
        }
        if self.news.ids.is_empty() {
            self.news.first = self.answer.tokens() as u32;
        }
        let mut spoken = std::mem::take(&mut self.news.spoken);
        let ended = self.take(choice.id, &mut spoken);
        self.news.spoken = spoken;
        self.news.ids.push(choice.id);
        self.news.logprobs.extend(token_logprob(tokens, choice));
        ended
    }

    /// Takes a token, new or shown before, and says whether the answer is complete.
    pub(super) fn take(&mut self, id: u32, spoken: &mut Spoken) -> Result<Option<FinishReason>, Cause> {
        let ended = self.answer.push(id, spoken);
        let is_over = match &mut self.guide {
            Some(guide) if !self.answer.is_end(id) => guide.push(id)?,
            _ => false,
        };
        Ok(if is_over { Some(FinishReason::Stop) } else { ended })
    }

    /// Sends what was said in this step.
    pub(super) fn tell(&mut self) {
        let News { first, ids, spoken: Spoken { text, marks }, logprobs } = std::mem::take(&mut self.news);
        if !ids.is_empty() {
            send(&self.sink, TurnEvent::Tokens { first, ids, text, marks, logprobs });
        }
    }

    pub(super) fn finish(&mut self, reason: FinishReason) {
        self.tell();
        let mut spoken = Spoken::default();
        let reason = self.answer.end(reason, &mut spoken);
        let Spoken { text, marks } = spoken;
        let usage = Usage {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
            completion_tokens: self.answer.tokens() as u32,
            reasoning_tokens: self.answer.reasoning_tokens() as u32,
            accepted_tokens: self.accepted_tokens,
        };
        let stop = self.answer.stop_met().map(str::to_owned);
        let embedding = Vec::new();
        send(&self.sink, TurnEvent::Finished { reason, text, marks, usage, stop, embedding });
    }
}

/// Room was made sure of before; the only failure left is a consumer that has gone, which needs no event.
pub(super) fn send(sink: &mpsc::Sender<TurnEvent>, event: TurnEvent) {
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
