//! From what a client says over the WebSocket to work that is begun, or refused by name.

use hyper::{HeaderMap, StatusCode};
use pomona_actors::Span;
use pomona_protocol::{SessionAttach, SessionCommand, SessionId, SessionRequest, TraceContext};

use crate::errors::ApiError;
use crate::v3::bodies::Asked;
use crate::v3::extract::{SEQ_MAX, client_name, coalesce, parse_id};
use crate::v3::feed::Pace;
use crate::v3::ws_messages::{AttachBody, Head, Ref, Said};
use crate::v3::ws_socket::Socket;
use crate::v3::ws_work::{Concluded, Outcome, ask, attach};

/// Commands of one socket that may be under way, besides attaching; more pin memory and gain nothing, since each takes
/// about one commit.
const COMMANDS_MAX: usize = 32;
/// What spans call this route.
const ROUTE: &str = "/v3/ws";

impl Socket {
    /// Begins what was asked of a session. Its answer comes by [`Socket::conclude`].
    pub(super) fn begin(&mut self, head: &Head, said: Said) -> Result<(), ApiError> {
        let Some(session) = &head.session else {
            return Err(ApiError::invalid("session", "session is missing; it names what this is asked of"));
        };
        let session: SessionId = parse_id("session", session)?;
        let reference = head.reference.clone();
        let command = match said {
            Said::Attach(body) => return self.begin_attach(session, reference, body),
            Said::Detach => None,
            Said::Submit(body) => {
                let asked = Asked::read(*body, None, self.shared.api.messages_max)?;
                let expected_seq = asked.expected_seq;
                Some((asked.into_ask()?, expected_seq))
            }
            Said::Cancel(body) => {
                let turn = body.turn.map(|turn| parse_id("turn", &turn)).transpose()?;
                Some((SessionCommand::Cancel { turn }, None))
            }
            Said::Typing => {
                let name = self.names.get(&session).cloned().unwrap_or_default();
                Some((SessionCommand::Typing { name }, None))
            }
            // Answered before anybody comes here.
            Said::Ping => return Ok(()),
        };
        if self.lanes.len() - self.attaching >= COMMANDS_MAX {
            let text =
                format!("{COMMANDS_MAX} commands of this socket are under way; wait for their replies");
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_commands", text));
        }
        match command {
            Some((command, expected_seq)) => {
                let asks = matches!(command, SessionCommand::Ask(_));
                let (span, trace) = if asks { self.trace(head) } else { (None, None) };
                let request = SessionRequest { session, by: self.client.by, expected_seq, command, trace };
                self.lanes.push(session, ask(self.shared.handle.sessions(), reference, request, span));
            }
            None => self.lanes.push(session, async move {
                Concluded { session, reference, is_attach: false, outcome: Ok(Outcome::Detached) }
            }),
        }
        Ok(())
    }

    /// The trace of a turn that a message asks for: its own, else that in which the client opened the socket, else maybe a new one.
    fn trace(&self, head: &Head) -> (Option<Span>, Option<TraceContext>) {
        let asked = head.traceparent.as_deref().and_then(|asked| asked.parse().ok());
        if asked.is_none() && self.client.is_in_trace {
            return (None, self.permit.whose().trace);
        }
        let mut span = self.shared.handle.request_span(asked);
        if let Some(span) = &mut span {
            span.set("http.route", ROUTE);
        }
        let trace = span.as_ref().map(Span::context);
        (span, trace)
    }

    fn begin_attach(
        &mut self,
        session: SessionId,
        reference: Option<Ref>,
        body: AttachBody,
    ) -> Result<(), ApiError> {
        let name = client_name(body.name.as_deref().unwrap_or_default())?;
        let coalesce = match body.coalesce_ms {
            None => self.client.coalesce,
            asked => coalesce(asked, &HeaderMap::new(), &self.shared.session)?,
        };
        let after = body.after;
        if after > SEQ_MAX {
            return Err(ApiError::invalid("after", format!("after is {after}; the range is 0 to {SEQ_MAX}")));
        }
        if self.feeds.contains(session) && !self.lanes.is_busy(session) {
            return Err(already_attached());
        }
        let limit = self.shared.api.websocket_sessions_max;
        if self.feeds.len() + self.attaching >= limit as usize {
            let text = format!("{limit} sessions are attached already (api.websocket_sessions_max)");
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_sessions", text));
        }
        self.names.insert(session, name.clone());
        self.attaching += 1;
        let pace = Pace { coalesce, heartbeat: None };
        let wish = SessionAttach::new(session, self.client.by, name, after);
        self.lanes.push(session, attach(self.shared.handle.sessions(), reference, wish, pace));
        Ok(())
    }
}

/// A second attachment to one session.
pub(super) fn already_attached() -> ApiError {
    let text = "this socket is attached to the session already; detach first";
    ApiError::new(StatusCode::CONFLICT, "already_attached", text)
}

/// The end of an attachment that there is not.
pub(super) fn not_attached() -> ApiError {
    let text = "this socket is not attached to the session; it may have been cut off";
    ApiError::new(StatusCode::CONFLICT, "not_attached", text)
}
