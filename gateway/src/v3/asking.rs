//! Asking a session, and taking the one kind of answer that a command has.

use pomona_actors::Sessions;
use pomona_protocol::v3::{AcceptedBody, DoneBody};
use pomona_protocol::{
    Cause, Principal, SessionCommand, SessionId, SessionReply, SessionRequest, SessionView, TraceContext,
};

/// Who asks what session, and where its log must end for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    /// The session.
    pub(crate) session: SessionId,
    /// Who asks.
    pub(crate) by: Principal,
    /// Refuse unless the log ends here.
    pub(crate) expected_seq: Option<u64>,
    /// The trace of a turn that this makes.
    pub(crate) trace: Option<TraceContext>,
}

impl Address {
    /// Wherever the log ends, in no trace.
    pub(crate) fn new(session: SessionId, by: Principal) -> Self {
        Self { session, by, expected_seq: None, trace: None }
    }
}

/// A command that is answered by a view: `Show`, `Create`.
pub(crate) async fn view(
    sessions: &Sessions,
    to: Address,
    command: SessionCommand,
) -> Result<SessionView, Cause> {
    match ask(sessions, to, command).await? {
        SessionReply::View(view) => Ok(*view),
        other => Err(unexpected(&other)),
    }
}

/// The session, or `None` where there is none that the asker may see.
pub(crate) async fn find(sessions: &Sessions, to: Address) -> Result<Option<SessionView>, Cause> {
    match view(sessions, to, SessionCommand::Show).await {
        Ok(view) => Ok(Some(view)),
        Err(Cause::UnknownSession { .. }) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// A command that is answered by an accepted turn: `Ask`, `Edit`, `Regenerate`.
pub(crate) async fn accepted(
    sessions: &Sessions,
    to: Address,
    command: SessionCommand,
) -> Result<AcceptedBody, Cause> {
    match ask(sessions, to, command).await? {
        SessionReply::Accepted { turn, seq, is_new } => {
            Ok(AcceptedBody { session: to.session.to_string(), turn: turn.to_string(), seq, is_new })
        }
        other => Err(unexpected(&other)),
    }
}

/// A command that is answered by being done.
pub(crate) async fn done(
    sessions: &Sessions,
    to: Address,
    command: SessionCommand,
) -> Result<DoneBody, Cause> {
    match ask(sessions, to, command).await? {
        SessionReply::Done { seq } => Ok(DoneBody { session: to.session.to_string(), seq }),
        other => Err(unexpected(&other)),
    }
}

async fn ask(sessions: &Sessions, to: Address, command: SessionCommand) -> Result<SessionReply, Cause> {
    let Address { session, by, expected_seq, trace } = to;
    sessions.ask(SessionRequest { session, by, expected_seq, command, trace }).await
}

/// The session answered a question that was not asked.
pub(crate) fn unexpected(reply: &SessionReply) -> Cause {
    let kind = match reply {
        SessionReply::View(_) => "a view",
        SessionReply::Accepted { .. } => "an accepted turn",
        SessionReply::Done { .. } => "a done",
    };
    Cause::Internal { message: format!("a session answered with {kind}") }
}
