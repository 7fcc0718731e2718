//! Deliberately broken shells: each breaks one contract, and the simulator has to notice. A simulator that cannot fail
//! proves nothing.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// Frames are taken by turn, not by stream, so that an older attempt is heard.
    AcceptStaleAttempt,
    /// Frames are shown without asking the ledger.
    SkipLedger,
    /// A turn that is cancelled while it speaks gets two terminal events.
    DoubleTerminal,
    /// A place is not given back after the first attempt.
    ForgetPermit,
    /// A new attempt does not say what was shown.
    ReplayFromZero,
    /// Reports of an older process are taken for the newest.
    IgnoreBoot,
    /// A node loads what does not fit.
    OvercommitMemory,
}

impl Break {
    /// All of them.
    pub(crate) const ALL: [Break; 7] = [
        Break::AcceptStaleAttempt,
        Break::SkipLedger,
        Break::DoubleTerminal,
        Break::ForgetPermit,
        Break::ReplayFromZero,
        Break::IgnoreBoot,
        Break::OvercommitMemory,
    ];

    /// The word of the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Break::AcceptStaleAttempt => "accept-stale-attempt",
            Break::SkipLedger => "skip-ledger",
            Break::DoubleTerminal => "double-terminal",
            Break::ForgetPermit => "forget-permit",
            Break::ReplayFromZero => "replay-from-zero",
            Break::IgnoreBoot => "ignore-boot",
            Break::OvercommitMemory => "overcommit-memory",
        }
    }
}
