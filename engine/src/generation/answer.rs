//! The text of one answer, from its ids, and when it ends.
//!
//! A pure state machine: what it says after `n` ids follows from these ids alone. That is why an answer that
//! is resumed elsewhere, by pushing its ids again and dropping the text, goes on exactly as it would have.

use std::sync::Arc;

use pomona_protocol::{FinishReason, Said};

use crate::channels::{Channels, Pieces, Spoken};
use crate::detokenizer::Detokenizer;
use crate::stop::StopMatcher;
use crate::tokenizer::TokenTable;

/// What an answer depends on besides its ids.
#[derive(Debug)]
pub(super) struct AnswerRules<'a> {
    /// Whether it is a text of its own.
    pub(super) stands_alone: bool,
    /// Tells thoughts and calls from text.
    pub(super) channels: Channels,
    /// Whether it ends with its first call.
    pub(super) one_call: bool,
    /// Texts that end it.
    pub(super) stop: &'a [String],
    /// Ids that end it; empty when it is to go past them.
    pub(super) eos_token_ids: &'a [u32],
    /// Tokens that it may have.
    pub(super) tokens_max: usize,
}

/// Progress of one answer.
#[derive(Debug)]
pub(super) struct Answer {
    table: Arc<TokenTable>,
    detokenizer: Detokenizer,
    channels: Channels,
    stop: StopMatcher,
    one_call: bool,
    eos_token_ids: Vec<u32>,
    tokens: usize,
    reasoning_tokens: usize,
    tokens_max: usize,
    /// A stop string was met: what is behind it is no part of the answer.
    is_stopped: bool,
}

impl Answer {
    /// An answer without tokens.
    pub(super) fn new(table: &Arc<TokenTable>, rules: AnswerRules<'_>) -> Self {
        Self {
            table: Arc::clone(table),
            detokenizer: Detokenizer::new(table, rules.stands_alone),
            channels: rules.channels,
            stop: StopMatcher::new(rules.stop),
            one_call: rules.one_call,
            eos_token_ids: rules.eos_token_ids.to_vec(),
            tokens: 0,
            reasoning_tokens: 0,
            tokens_max: rules.tokens_max,
            is_stopped: false,
        }
    }

    /// Tokens so far.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Tokens so far that the model thought with.
    pub(super) fn reasoning_tokens(&self) -> usize {
        self.reasoning_tokens
    }

    /// The stop string that was met.
    pub(super) fn stop_met(&self) -> Option<&str> {
        self.stop.met()
    }

    /// Lowers the number of tokens that the answer may have; at least one more than there are remains.
    pub(super) fn limit(&mut self, tokens_max: usize) {
        self.tokens_max = self.tokens_max.min(tokens_max.max(self.tokens + 1));
    }

    /// Whether this id ends the answer and is no part of it.
    pub(super) fn is_end(&self, id: u32) -> bool {
        self.eos_token_ids.contains(&id)
    }

    /// Takes the next id, adds what is certain now, and says whether the answer is complete.
    pub(super) fn push(&mut self, id: u32, spoken: &mut Spoken) -> Option<FinishReason> {
        if self.is_end(id) {
            return Some(FinishReason::Stop);
        }
        self.tokens += 1;
        self.reasoning_tokens += usize::from(self.channels.is_thinking());
        let (mut text, mut pieces) = (String::new(), Pieces::default());
        match self.table.special_name(id).filter(|name| self.channels.is_marker(name)) {
            Some(marker) => {
                self.detokenizer.flush(&mut text);
                self.channels.text(&text, &mut pieces);
                self.channels.marker(marker, &mut pieces);
            }
            None => {
                self.detokenizer.push(id, &mut text);
                self.channels.text(&text, &mut pieces);
            }
        }
        self.say(&pieces, spoken);
        if self.is_stopped || (self.one_call && self.channels.calls_complete() > 0) {
            Some(FinishReason::Stop)
        } else if self.tokens >= self.tokens_max {
            Some(FinishReason::Length)
        } else {
            None
        }
    }

    /// Ends the answer; returns why, and adds what was held back. The end may complete a stop string.
    pub(super) fn end(&mut self, reason: FinishReason, spoken: &mut Spoken) -> FinishReason {
        if !self.is_stopped {
            let (mut text, mut pieces) = (String::new(), Pieces::default());
            self.detokenizer.flush(&mut text);
            self.channels.text(&text, &mut pieces);
            self.channels.end(&mut pieces);
            self.say(&pieces, spoken);
        }
        if self.is_stopped {
            return FinishReason::Stop;
        }
        let mut certain = String::new();
        self.stop.flush(&mut certain);
        spoken.say(&Said::Text, &certain);
        match reason {
            FinishReason::Stop if self.channels.calls() > 0 => FinishReason::ToolCalls,
            reason => reason,
        }
    }

    /// Passes on pieces up to a stop string, which counts in plain text alone.
    fn say(&mut self, pieces: &Pieces, spoken: &mut Spoken) {
        for (kind, text) in pieces.iter() {
            let mut certain = String::new();
            if *kind == Said::Text {
                self.is_stopped = self.stop.push(text, &mut certain);
                spoken.say(&Said::Text, &certain);
                if self.is_stopped {
                    return;
                }
            } else {
                self.stop.flush(&mut certain);
                spoken.say(&Said::Text, &certain);
                spoken.say(kind, text);
            }
        }
    }
}
