//! What machines and replicas have counted, as they say it in every report. A gateway shows these figures of the whole
//! fleet on one page; nothing is decided by them.
//!
//! Every field may be missing in what an older member says, and is 0 then.

use serde::{Deserialize, Serialize};

/// Upper bounds of the buckets that steps of an engine are counted in, in microseconds; longer ones are counted behind
/// the last one. All members have the same, so that counts travel without their bounds.
pub const STEP_BOUNDS_MICROS: [u32; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000,
];
/// Buckets of [`ReplicaFigures::step_counts`].
pub const STEP_BUCKETS: usize = STEP_BOUNDS_MICROS.len() + 1;

/// A node: its machine, its process, and the work since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFigures {
    /// What the system says, some seconds ago.
    pub machine: MachineFigures,
    /// When its certificate ends, in seconds since 1970; 0 when it has none. On a gateway that encrypts its API, that of
    /// the two certificates of whose life the least is left.
    pub certificate_expires_unix_s: u64,
    /// Seconds that this certificate lasts in all.
    pub certificate_life_s: u64,
    /// Turns that were begun at its engines.
    pub turns: u64,
    /// Tokens that its engines made.
    pub tokens: u64,
    /// Restarts of its engines.
    pub restarts: u64,
    /// Models that were loaded, reloads after a loss included.
    pub model_loads: u64,
    /// Models that left the memory: for being idle, to make room, or as told.
    pub model_unloads: u64,
    /// Turns of other members that run or are held here now.
    pub hosted_turns: u64,
    /// Tasks of its runtime that live.
    pub tasks: u64,
    /// Actors that live.
    pub actors: u64,
    /// The most by which a timer of 100 ms was late within the last seconds, in microseconds.
    pub lag_micros: u64,
    /// Polls of handlers that held a thread for too long.
    pub long_polls: u64,
    /// Where its API is served, on a gateway.
    pub api: Option<ApiPort>,
}

/// A port at which a gateway serves its API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiPort {
    /// Its number.
    pub port: u16,
    /// Whether it speaks HTTPS.
    pub is_encrypted: bool,
    /// Whether only its own machine reaches it.
    pub is_loopback: bool,
}

/// A machine and one process on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineFigures {
    /// Bytes of memory in all.
    pub memory_bytes: u64,
    /// Bytes of memory that could be had without swapping.
    pub memory_bytes_available: u64,
    /// Bytes of the disk that holds the data folder; 0 when unknown.
    pub disk_bytes: u64,
    /// Bytes that are free on it.
    pub disk_bytes_free: u64,
    /// Milliseconds of processor time of the process; an engine in a process of its own is not counted.
    pub cpu_ms: u64,
    /// Resident bytes of the process; an engine in a process of its own is not counted.
    pub resident_bytes: u64,
    /// Descriptors that the process has open; 0 where the system does not say.
    pub open_fds: u64,
    /// Descriptors that it may have open; 0 where the system does not say.
    pub fds_max: u64,
    /// Files of the process that are to be gone after its end: sockets of engines, unfinished downloads.
    pub temp_files: u64,
    /// How hot the machine is.
    pub thermal: ThermalState,
}

/// Whether a machine is slowed down by its heat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThermalState {
    /// It is not.
    Nominal,
    /// A little.
    Fair,
    /// Much.
    Serious,
    /// It is about to be stopped.
    Critical,
    /// The system does not say.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ThermalState {
    /// Every state, the unknown one last.
    pub const ALL: [Self; 5] = [Self::Nominal, Self::Fair, Self::Serious, Self::Critical, Self::Unknown];

    /// The word of metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Nominal => "nominal",
            Self::Fair => "fair",
            Self::Serious => "serious",
            Self::Critical => "critical",
        }
    }
}

/// A replica since it was loaded, over all restarts of its engine, so that no figure ever falls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaFigures {
    /// Prompt tokens that were looked up in the prefix tree.
    pub prompt_tokens: u64,
    /// Of these, tokens that were found.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Tokens that were guessed and computed ahead.
    pub guessed_tokens: u64,
    /// Of these, those that were right.
    pub accepted_tokens: u64,
    /// Prompt tokens whose KV came back from disk.
    pub restored_tokens: u64,
    /// Bytes of KV on disk now.
    pub prefix_disk_bytes: u64,
    /// Blocks of KV that sequences hold now, so that they cannot be given to others.
    pub kv_blocks_held: u64,
    /// Blocks of KV that left the prefix tree to make room.
    pub evicted_blocks: u64,
    /// Files of KV on disk that were removed to make room.
    pub evicted_files: u64,
    /// Files of KV on disk that were damaged, and were removed.
    pub broken_files: u64,
    /// Steps by how long they took: one count per bucket of [`STEP_BOUNDS_MICROS`], not summed up. Empty before the
    /// first step.
    pub step_counts: Vec<u64>,
    /// Microseconds of these steps together.
    pub step_micros: u64,
    /// Sequences in the batches of these steps together.
    pub step_sequences: u64,
}

impl ReplicaFigures {
    /// Adds a step.
    pub fn count_step(&mut self, micros: u32, sequences: u32) {
        let bucket = STEP_BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.step_counts.resize(STEP_BUCKETS, 0);
        self.step_counts[bucket] += 1;
        self.step_micros += u64::from(micros);
        self.step_sequences += u64::from(sequences);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_in_the_bucket_that_reaches_it() {
        let mut figures = ReplicaFigures::default();
        for micros in [0, 250, 251, 5_000_000, u32::MAX] {
            figures.count_step(micros, 2);
        }
        assert_eq!(figures.step_counts.len(), STEP_BUCKETS);
        assert_eq!((figures.step_counts[0], figures.step_counts[1]), (2, 1));
        assert_eq!((figures.step_counts[13], figures.step_counts[14]), (1, 1));
        assert_eq!(figures.step_sequences, 10);
    }

    #[test]
    fn what_another_version_does_not_say_or_says_besides_is_no_error() {
        let said = serde_json::json!({"turns": 3, "machine": {"thermal": "molten"}, "moon": 1});
        let figures: NodeFigures = serde_json::from_value(said).unwrap();
        assert_eq!((figures.turns, figures.machine.thermal), (3, ThermalState::Unknown));
    }
}
