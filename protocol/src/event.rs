//! What a turn answers. Each stream of events ends with exactly one [`TurnEvent::Finished`] or
//! [`TurnEvent::Failed`].

use serde::{Deserialize, Serialize};

use crate::{Cause, Mark, NodeId};

/// One frame of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnEvent {
    /// The turn waits; sent again when the number changes.
    Queued {
        /// Turns that will be served before this one.
        ahead: u32,
    },
    /// The prompt was accepted: rendered, tokenised and found to fit. Comes once per attempt, before any token.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Prompt tokens whose KV was found in the prefix tree and need no prefill.
        cached_tokens: u32,
    },
    /// How far the prompt is computed. Comes now and then between `Started` and the first token, to whoever asked for it
    /// with [`crate::TurnRequest::tells_prefill`], and of long prompts alone. Nothing depends on it; it may be dropped.
    Prefill {
        /// Tokens of the prompt that have their KV, cached ones included.
        done: u32,
        /// Tokens of the prompt.
        total: u32,
    },
    /// The turn lost its replica and goes on elsewhere. Said by gateways to clients that ask for it, never by an engine.
    Resumed {
        /// Tokens of the answer that were shown before; they stand.
        shown: u32,
        /// Code of the cause.
        cause: String,
        /// Where it goes on.
        node: NodeId,
    },
    /// The next tokens of the answer.
    Tokens {
        /// Index in the answer of the first id, so that a receiver can prove that nothing is missing or twice.
        first: u32,
        /// The token ids, at least one.
        ids: Vec<u32>,
        /// Text that became certain with these ids; may be empty while a character or a stop string is
        /// undecided. It follows from the ids up to here alone, however frames are cut.
        text: String,
        /// What the text is, where it is not plain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<Mark>,
        /// One per id when the request asked for them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        logprobs: Vec<TokenLogprob>,
    },
    /// The answer is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// Text that was held back until the end was certain; it belongs behind the last token's.
        text: String,
        /// What that text is, where it is not plain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<Mark>,
        /// What was used.
        usage: Usage,
        /// The stop string that was met.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop: Option<String>,
        /// The vector of a turn that was to embed its input; empty otherwise.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        embedding: Vec<f32>,
    },
    /// The turn cannot be completed (by this attempt).
    Failed {
        /// What went wrong.
        cause: Cause,
    },
}

impl TurnEvent {
    /// Whether nothing may follow.
    pub fn is_terminal(&self) -> bool {
        matches!(self, TurnEvent::Finished { .. } | TurnEvent::Failed { .. })
    }

    /// Tokens whose text is plain.
    pub fn plain(first: u32, ids: Vec<u32>, text: impl Into<String>) -> TurnEvent {
        TurnEvent::Tokens { first, ids, text: text.into(), marks: Vec::new(), logprobs: Vec::new() }
    }

    /// The end of an answer whose last text is plain.
    pub fn finished(reason: FinishReason, text: impl Into<String>, usage: Usage) -> TurnEvent {
        let (marks, embedding) = (Vec::new(), Vec::new());
        TurnEvent::Finished { reason, text: text.into(), marks, usage, stop: None, embedding }
    }
}

/// Why an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, or a stop string was met.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// The model calls tools and waits for what they give.
    ToolCalls,
    /// Somebody cancelled it.
    Cancelled,
}

/// Tokens used by a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u32,
    /// Prompt tokens served from the prefix tree.
    pub cached_tokens: u32,
    /// Tokens of the answer, resumed ones included.
    pub completion_tokens: u32,
    /// Generated tokens that the model thought with.
    #[serde(default)]
    pub reasoning_tokens: u32,
    /// Generated tokens that were guessed from the text before and found right.
    #[serde(default)]
    pub accepted_tokens: u32,
}

/// How likely a chosen token was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The chosen token and its natural-log probability under the model, before temperature and truncation.
    pub chosen: TopLogprob,
    /// The likeliest alternatives, best first; the chosen one is among them when it is likely enough.
    pub top: Vec<TopLogprob>,
}

/// A token and how likely it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopLogprob {
    /// The token.
    pub id: u32,
    /// The bytes it stands for; may be part of a character.
    pub bytes: Vec<u8>,
    /// Natural logarithm of the probability, at most 0.
    pub logprob: f32,
}
