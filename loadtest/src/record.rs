//! What became of one request, as the client saw it. Times are from the start of the run, by one monotonic clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Transport;

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its chain in the plan.
    pub chain: u32,
    /// Its position in the chain.
    pub position: u32,
    /// How it was asked.
    pub transport: Transport,
    /// When the plan wanted it to start.
    pub intended: Duration,
    /// When the generator took it up. What lies between `intended` and this is the generator's own delay; what lies between
    /// this and `sent` is the connection's.
    pub begun: Duration,
    /// When its first byte was handed to the system.
    pub sent: Duration,
    /// When its first token that is not empty came; `None` when none did.
    pub first_token: Option<Duration>,
    /// When its answer ended, or the connection.
    pub ended: Duration,
    /// Gaps between events with tokens, in microseconds, in order.
    pub gaps_us: Vec<u32>,
    /// Tokens that the client counted, from the events' own indices where they carry them.
    pub tokens: u32,
    /// Tokens that the gateway said there were, where it did.
    pub usage_tokens: Option<u32>,
    /// Prompt tokens that the gateway counted, and how many of them were cached.
    pub prompt_tokens: Option<(u32, u32)>,
    /// Time in the gateway's queue, in microseconds, where the answer says it.
    pub queue_us: Option<u64>,
    /// Bytes of text.
    pub text_bytes: u64,
    /// Hash of the text; equal texts have equal ones in every run.
    pub text_hash: u64,
    /// Tokens that came twice, were missing, or came in a wrong order, by the events' own indices.
    pub disorder: Disorder,
    /// How often the turn moved to another replica, where the answer says it.
    pub moves: u32,
    /// Node of the replica that ended it, where the answer says it.
    pub node: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What was wrong with the order of tokens; all zero is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disorder {
    /// Tokens that never came though later ones did.
    pub missing: u32,
    /// Tokens that came again.
    pub doubled: u32,
    /// Tokens that came behind later ones.
    pub misplaced: u32,
    /// Terminal events beyond the first.
    pub extra_ends: u32,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With this finish reason.
    Finished(String),
    /// The client went away as planned.
    Cancelled,
    /// Refused before a token or failed in the middle, with this code of the gateway: `overloaded`, `401`.
    Failed(String),
    /// The connection ended without a terminal event, or never was: `connect`, `reset`, `timeout`, `no_end`.
    Broken(String),
}
