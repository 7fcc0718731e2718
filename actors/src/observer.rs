//! What the actors tell whoever measures them. The gateway's metrics implement this; tests may too.

use std::time::Duration;

use pomona_protocol::{ModelId, PathKind, TraceId};

use crate::trace::SpanRecord;

/// Receives observations; called from hot paths, so it must neither block nor allocate much.
pub trait Observer: Send + Sync + 'static {
    /// Takes note of one observation.
    fn record(&self, observation: Observation<'_>);

    /// Whether spans are wanted at all; without it none are made.
    fn takes_spans(&self) -> bool {
        false
    }

    /// Whether a request that belongs to no trace begins a recorded one; asked once per request.
    fn begins_trace(&self) -> bool {
        false
    }

    /// Takes a span that has ended. Must not block either.
    fn take_span(&self, _: SpanRecord) {}
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A client connected.
    ClientConnected,
    /// A client's connection ended.
    ClientDisconnected,
    /// A turn was accepted.
    TurnAccepted,
    /// A turn got its place at a replica.
    TurnPlaced {
        /// The model that answers.
        model: &'a ModelId,
        /// Time in the gateway's queue.
        waited: Duration,
    },
    /// The first token of a turn arrived.
    FirstToken {
        /// The model that answers.
        model: &'a ModelId,
        /// Time since the turn was accepted.
        after: Duration,
        /// The trace that the turn belongs to, if it is recorded.
        trace: Option<TraceId>,
    },
    /// Further tokens of a turn arrived.
    Tokens {
        /// The model that answers.
        model: &'a ModelId,
        /// Time since the previous ones.
        gap: Duration,
        /// The trace that the turn belongs to, if it is recorded.
        trace: Option<TraceId>,
    },
    /// A turn lost its replica with tokens shown, or before; it will be tried again.
    TurnRetried {
        /// Code of the cause.
        cause: &'static str,
        /// Tokens that were shown already.
        shown: u32,
    },
    /// A turn shows its first token after it lost a replica.
    Failover {
        /// Code of the cause.
        cause: &'static str,
        /// From the moment the loss was noticed to that token.
        gap: Duration,
    },
    /// A link to a member was opened, lost, or moved to another kind of network.
    Links {
        /// Members linked over the LAN now.
        lan: u32,
        /// Members linked over a WAN now.
        wan: u32,
    },
    /// A link was measured.
    RoundTrip {
        /// The kind of network.
        path: PathKind,
        /// Its round trip.
        rtt: Duration,
    },
    /// A member moved from one kind of network to this one.
    PathSwitched {
        /// The kind of network it is reached over now.
        path: PathKind,
    },
    /// A member began to be silent; its turns move.
    NodeSuspected,
    /// Members by state.
    Nodes {
        /// Members that report.
        alive: u32,
        /// Members that are silent.
        suspect: u32,
        /// Members that are leaving.
        draining: u32,
        /// Members without a link.
        offline: u32,
    },
    /// A turn reached its terminal event.
    TurnEnded {
        /// The model that was asked for; it need not exist.
        model: &'a ModelId,
        /// `stop`, `length`, `cancelled`, or the code of the cause.
        outcome: &'static str,
        /// Time since the turn was accepted.
        after: Duration,
        /// From the first place at a replica to the first token, if there was one.
        prefill: Option<Duration>,
        /// From the first token to the last one, if there was one.
        decode: Option<Duration>,
        /// The trace that the turn belongs to, if it is recorded.
        trace: Option<TraceId>,
        /// Tokens of the prompt, as far as known.
        prompt_tokens: u32,
        /// Of these, tokens from the prefix tree.
        cached_tokens: u32,
        /// Tokens of the answer.
        completion_tokens: u32,
        /// Of these, tokens that were guessed and found right.
        accepted_tokens: u32,
    },
    /// Turns wait at the gateway.
    QueueDepth(u32),
    /// A child was restarted.
    Restarted {
        /// `engine_lost`, `engine_stalled`, …
        cause: &'static str,
    },
    /// A timer fired.
    Lag {
        /// By how much it was late.
        late: Duration,
    },
    /// A handler held a thread for longer than [`crate::LONG_POLL`].
    LongPoll {
        /// Which: an actor, or a route of the gateway.
        handler: &'static str,
        /// For how long.
        took: Duration,
    },
}

/// Measures nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn record(&self, _: Observation<'_>) {}
}
