//! What a session's machine is told and what it wants done.

use pomona_protocol::{
    Cause, Principal, SessionEvent, SessionLive, SessionReply, SessionRequest, SessionSummary, TurnEvent,
    TurnId, TurnRequest,
};

/// Limits of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Turns that may wait.
    pub queue_max: u32,
    /// Turns in all.
    pub turns_max: u32,
}

/// What can happen to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// Somebody asks something. Answered by one `Effect::Reply` with this number, now or when it is written.
    Command {
        /// Names the question; never used twice by one activation.
        number: u64,
        /// What is asked. Its session is this one.
        request: Box<SessionRequest>,
        /// Tells a repeated request from another one with the same idempotency key.
        digest: u64,
        /// Random: the id of a turn, if this makes one.
        turn: TurnId,
        /// Random: its seed, if it has none of its own.
        seed: u64,
    },
    /// The running turn said something. Ignored unless `run` is the newest.
    Turn {
        /// Which start.
        run: u32,
        /// In order.
        events: Vec<TurnEvent>,
    },
    /// Everything up to this number is written, and what had to be synced is synced.
    Written {
        /// The number.
        seq: u64,
    },
    /// The log is full, or does not answer: what was appended behind the last `Written` is lost, and stays unknown to
    /// everybody.
    WriteFailed {
        /// Why.
        cause: Cause,
    },
    /// Another activation writes this session.
    Fenced,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write this behind what was appended before.
    Append(Box<Batch>),
    /// Show these to every attached client; they are written.
    Publish(Vec<SessionEvent>),
    /// Show this to every attached client.
    Live(SessionLive),
    /// Answer a question.
    Reply {
        /// Which.
        number: u64,
        /// The answer.
        reply: Result<SessionReply, Cause>,
    },
    /// Start a turn at the fleet. Its events come as `Input::Turn` with this number. At most one runs.
    Start {
        /// Counts the starts of this activation from 1.
        run: u32,
        /// What to run; `resume` holds what the log has of the answer.
        request: Box<TurnRequest>,
        /// On whose account.
        by: Principal,
    },
    /// All that the running turn said is written: it may say more. The shell passes nothing on before.
    Ready {
        /// Which start.
        run: u32,
    },
    /// End the running turn; it says so by a terminal event.
    Cancel {
        /// Which start.
        run: u32,
    },
    /// Let go of the running turn without ending it: somebody else goes on with it, or it starts again later.
    LetGo {
        /// Which start.
        run: u32,
    },
    /// Cut every client off and end this activation. Last.
    StepDown {
        /// As [`pomona_protocol::SessionNews::Cut`] has it.
        reason: &'static str,
    },
    /// Delete the log from the store, then answer the question and step down.
    Delete {
        /// Which question.
        number: u64,
        /// Who deletes.
        by: Principal,
    },
}

/// What goes into the log in one piece.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Where the log must end before.
    pub expected_seq: u64,
    /// The events, dense.
    pub events: Vec<SessionEvent>,
    /// Whether the disk must have them before anybody hears of them.
    pub synced: bool,
    /// What lists show from now on, when it changed.
    pub summary: Option<SessionSummary>,
    /// Texts to be found: the turn, 0 for what was asked or 1 for the answer, the text.
    pub texts: Vec<(TurnId, u8, String)>,
    /// Who did what: the action and its turn, if any.
    pub audit: Vec<(Principal, &'static str, Option<TurnId>)>,
}
