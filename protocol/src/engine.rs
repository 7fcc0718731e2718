//! What is said to an engine process besides turns, and what it reports of itself.
//!
//! A stream to an engine opens with one [`Open`] frame. `Open::Turn` is answered by [`crate::TurnEvent`]
//! frames up to a terminal one, after which the stream may open the next turn; closing it earlier cancels.
//! `Open::Watch` is answered by [`EngineReport`] frames for as long as the stream lives.

use serde::{Deserialize, Serialize};

use crate::{BlobRequest, Cause, ModelCard, SessionOpen, TurnId, TurnRequest};

/// The first frame of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Open {
    /// Run a turn.
    Turn {
        /// Which try of this turn it is, from 1; the opener drops what an older one still says.
        attempt: u32,
        /// What to run.
        request: Box<TurnRequest>,
    },
    /// Go on with a turn that the node still holds, on this stream instead of the one before. Answered by the
    /// events from index `from` on, or by `Failed` with [`Cause::TurnNotHeld`]. Nodes alone answer it.
    Attach {
        /// Which.
        turn: TurnId,
        /// Which try the opener is at; an older one than the last is refused.
        attempt: u32,
        /// Index in the answer of the first token wanted.
        from: u32,
    },
    /// Give weights. Nodes alone answer it.
    Blob(BlobRequest),
    /// Ask something of a session, or hear of it. Gateways alone answer it.
    Session(SessionOpen),
    /// Report load and health: at once, then on change and at least every 250 ms.
    Watch,
}

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineReport {
    /// Weights are being read.
    Loading {
        /// Bytes done.
        bytes_done: u64,
        /// Bytes in all.
        bytes_total: u64,
    },
    /// Turns are welcome.
    Ready {
        /// What is loaded.
        card: ModelCard,
        /// Milliseconds from the start of the process.
        load_ms: u64,
    },
    /// The model cannot be served; the process ends after this.
    Failed {
        /// Why.
        cause: Cause,
    },
    /// What is going on.
    Load(EngineLoad),
}

/// A snapshot of an engine's work. Counters count from the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineLoad {
    /// Steps completed; a replica with work whose number stands still is stuck.
    pub steps: u64,
    /// Prompt tokens in the step that runs now; scales how long it may take.
    pub step_prefill_tokens: u32,
    /// Sequences in the batch that could take part in a step; one whose client is slow does not count, or
    /// health would take its patience for a stuck engine.
    pub running: u32,
    /// Turns that wait for a place in the batch.
    pub waiting: u32,
    /// KV blocks in use by sequences or the prefix tree.
    pub kv_blocks_used: u32,
    /// KV blocks in all.
    pub kv_blocks_total: u32,
    /// Prompt tokens accepted.
    pub prompt_tokens: u64,
    /// Prompt tokens found in the prefix tree.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Tokens that were guessed and computed ahead.
    #[serde(default)]
    pub guessed_tokens: u64,
    /// Of these, those that were right; they are among the generated.
    #[serde(default)]
    pub accepted_tokens: u64,
    /// Prompt tokens whose KV came back from disk.
    #[serde(default)]
    pub restored_tokens: u64,
    /// Bytes of KV of this model that are on disk.
    #[serde(default)]
    pub prefix_disk_bytes: u64,
    /// Files of the prefix cache on disk that were damaged, and were removed.
    #[serde(default)]
    pub broken_prefix_files: u64,
    /// KV blocks that sequences hold, so that they cannot be given to others.
    #[serde(default)]
    pub kv_blocks_held: u32,
    /// KV blocks that left the prefix tree to make room.
    #[serde(default)]
    pub evicted_blocks: u64,
    /// Files of the prefix cache on disk that were removed to make room.
    #[serde(default)]
    pub evicted_prefix_files: u64,
    /// Steps since the last report, at most [`crate::limits::STEP_SAMPLES_MAX`].
    pub samples: Vec<StepSample>,
}

/// One step of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSample {
    /// How long it took, in microseconds.
    pub micros: u32,
    /// Sequences in its batch.
    pub sequences: u32,
    /// Tokens in its batch: prefill included, guesses not.
    pub tokens: u32,
}
