//! The text of one answer, from its ids, and when it ends.
//!
//! A pure state machine: what it says after `n` ids follows from these ids alone. That is why an answer that
//! is resumed elsewhere, by pushing its ids again and dropping the text, goes on exactly as it would have.

use std::sync::Arc;

use pomona_protocol::FinishReason;

use crate::detokenizer::Detokenizer;
use crate::stop::StopMatcher;
use crate::tokenizer::TokenTable;

/// Progress of one answer.
#[derive(Debug)]
pub(super) struct Answer {
    detokenizer: Detokenizer,
    stop: StopMatcher,
    eos_token_ids: Vec<u32>,
    tokens: usize,
    tokens_max: usize,
    /// A stop string was met: what is behind it is no part of the answer.
    is_stopped: bool,
}

impl Answer {
    /// An answer without tokens. `eos_token_ids` is empty when the answer is to go past them.
    pub(super) fn new(
        table: &Arc<TokenTable>,
        stands_alone: bool,
        stop: &[String],
        eos_token_ids: &[u32],
        tokens_max: usize,
    ) -> Self {
        Self {
            detokenizer: Detokenizer::new(table, stands_alone),
            stop: StopMatcher::new(stop),
            eos_token_ids: eos_token_ids.to_vec(),
            tokens: 0,
            tokens_max,
            is_stopped: false,
        }
    }

    /// Tokens so far.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Lowers the number of tokens that the answer may have; at least one more than there are remains.
    pub(super) fn limit(&mut self, tokens_max: usize) {
        self.tokens_max = self.tokens_max.min(tokens_max.max(self.tokens + 1));
    }

    /// Whether this id ends the answer and is no part of it.
    pub(super) fn is_end(&self, id: u32) -> bool {
        self.eos_token_ids.contains(&id)
    }

    /// Takes the next id, appends the text that is certain now, and says whether the answer is complete.
    pub(super) fn push(&mut self, id: u32, text: &mut String) -> Option<FinishReason> {
        if self.is_end(id) {
            return Some(FinishReason::Stop);
        }
        self.tokens += 1;
        let mut piece = String::new();
        self.detokenizer.push(id, &mut piece);
        self.is_stopped = self.stop.push(&piece, text);
        if self.is_stopped {
            Some(FinishReason::Stop)
        } else if self.tokens >= self.tokens_max {
            Some(FinishReason::Length)
        } else {
            None
        }
    }

    /// Ends the answer; returns why and the text that was held back. The end may complete a stop string.
    pub(super) fn end(&mut self, reason: FinishReason) -> (FinishReason, String) {
        let mut text = String::new();
        if self.is_stopped {
            return (reason, text);
        }
        let mut piece = String::new();
        self.detokenizer.flush(&mut piece);
        if self.stop.push(&piece, &mut text) {
            return (FinishReason::Stop, text);
        }
        self.stop.flush(&mut text);
        (reason, text)
    }
}
