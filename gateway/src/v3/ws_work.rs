//! What the WebSocket has the sessions do, and what came of it.

use pomona_actors::{SessionStream, Sessions, Span};
use pomona_protocol::v3::{AcceptedBody, DoneBody};
use pomona_protocol::{SessionAttach, SessionCommand, SessionId, SessionReply, SessionRequest};

use crate::errors::ApiError;
use crate::v3::asking::{self, Address};
use crate::v3::feed::{self, Feed, Pace};
use crate::v3::ws_messages::{Done, Ref};

/// Something that was asked has been done, or will not be.
pub(super) struct Concluded {
    pub(super) session: SessionId,
    pub(super) reference: Option<Ref>,
    pub(super) is_attach: bool,
    pub(super) outcome: Result<Outcome, ApiError>,
}

/// What was done.
pub(super) enum Outcome {
    /// The client is attached as soon as the socket takes this.
    Attached(Box<Attached>),
    /// The client is to be detached.
    Detached,
    /// The session's answer to a command.
    Replied(SessionReply),
}

/// A session that can be read.
pub(super) struct Attached {
    pub(super) feed: Feed<SessionStream>,
    /// Where its log ended when it was looked at, which is behind the attachment.
    pub(super) head_seq: u64,
}

/// Asks a session something; `span` ends with the answer.
pub(super) async fn ask(
    sessions: Sessions,
    reference: Option<Ref>,
    request: SessionRequest,
    span: Option<Span>,
) -> Concluded {
    let session = request.session;
    let replied = sessions.ask(request).await;
    if let (Some(mut span), Err(cause)) = (span, &replied) {
        span.fail(cause.code());
    }
    let outcome = replied.map(Outcome::Replied).map_err(ApiError::from);
    Concluded { session, reference, is_attach: false, outcome }
}

/// Attaches to a session.
pub(super) async fn attach(
    sessions: Sessions,
    reference: Option<Ref>,
    wish: SessionAttach,
    pace: Pace,
) -> Concluded {
    let session = wish.session;
    let outcome = attached(&sessions, wish, pace).await.map(|attached| Outcome::Attached(Box::new(attached)));
    Concluded { session, reference, is_attach: true, outcome }
}

async fn attached(sessions: &Sessions, wish: SessionAttach, pace: Pace) -> Result<Attached, ApiError> {
    let to = Address::new(wish.session, wish.by);
    let feed = feed::attach(sessions, wish, pace).await?;
    let view = asking::view(sessions, to, SessionCommand::Show).await?;
    Ok(Attached { feed, head_seq: view.head_seq })
}

/// A session's answer to a command, as the client reads it.
pub(super) fn done(session: SessionId, reply: SessionReply) -> Result<Done, ApiError> {
    let session = session.to_string();
    match reply {
        SessionReply::Accepted { turn, seq, is_new } => {
            Ok(Done::Accepted(AcceptedBody { session, turn: turn.to_string(), seq, is_new }))
        }
        SessionReply::Done { seq } => Ok(Done::Over(DoneBody { session, seq })),
        reply @ SessionReply::View(_) => Err(asking::unexpected(&reply).into()),
    }
}
