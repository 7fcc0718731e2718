//! What will be asked, when and how: written completely before the first request leaves, so that a slow server cannot
//! slow the questions down, and the same seed asks the same again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// All requests of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Everything random in the plan comes from it.
    pub seed: u64,
    /// Chains of requests; within one, the next request waits for the end of the one before.
    pub chains: Vec<Chain>,
    /// When the last request is meant to start, from the start of the run. Requests that run then are read to their ends.
    pub length: Duration,
}

impl Plan {
    /// The same requests at the same times, in other words: what a server keeps of prompts that it has read would make the
    /// later of two runs look faster. Equal numbers give equal words.
    pub fn reworded(mut self, number: u64) -> Self {
        // By the golden ratio, so that near numbers differ in all bits; 0 leaves the words as they are.
        let other = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for request in self.chains.iter_mut().flat_map(|chain| &mut chain.requests) {
            request.prompt.own_seed ^= other;
            request.prompt.shared_group ^= (other >> 32) as u32;
        }
        self
    }
}

/// Requests that follow each other: one for an open loop, many for a person in a session or for a closed loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Intended start of the first request, from the start of the run.
    pub at: Duration,
    /// Whether all of its requests are turns of one session of the gateway, so that the history grows.
    pub is_session: bool,
    /// In order; never empty.
    pub requests: Vec<Request>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Time to think after the answer before, in a chain; the intended start is that answer's end and this. Zero for the
    /// first.
    pub think: Duration,
    /// What the user says; the words are made of this many words behind the shared beginning.
    pub prompt: Prompt,
    /// Most tokens of the answer, at least 1. The answer is asked to be exactly as long where the gateway allows it.
    pub output_tokens: u32,
    /// Seed of the sampler, so that a repetition must give the same text.
    pub sampler_seed: u64,
    /// How it is asked.
    pub transport: Transport,
    /// What the client does besides reading.
    pub behaviour: Behaviour,
}

/// What a user says, as numbers; [`Prompt::words`] are made from them by the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Words of a beginning that all requests with the same `shared_group` share. Zero for none.
    pub shared_words: u32,
    /// Which beginning is shared.
    pub shared_group: u32,
    /// Words of its own, at least 1.
    pub own_words: u32,
    /// Makes its own words differ from all others.
    pub own_seed: u64,
}

/// How a request reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// `POST /v1/chat/completions` with `stream: true`.
    Sse,
    /// The same without a stream: one answer at the end.
    Whole,
    /// A turn over `/v1/ws`.
    WebSocket,
    /// A turn of a durable session over `/v3`.
    Session,
}

/// What the client does besides reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Reads to the end as fast as it comes.
    Read,
    /// Goes away after this many tokens.
    CancelAfter(u32),
    /// Waits this long after each read.
    ReadSlowly(Duration),
}
