//! `POST /v1/chat`: one message in, one answer out, always the same conversation. For programs that want nothing else.
//!
//! The conversation is a session like any other; without a name it is the key's own lasting one, made on first use. The
//! answer is read from the session's log, so a turn goes on when the client goes away, and is there when it asks again
//! with the same `Idempotency-Key`.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use pomona_actors::{SessionStream, Sessions};
use pomona_protocol::said::plain_text;
use pomona_protocol::{
    Cause, ContextPolicy, FinishReason, Message, ModelCard, ModelId, NewSession, Principal, Role, Sampling,
    SessionAttach, SessionCommand, SessionEvent, SessionEventBody, SessionId, SessionNews, SessionReply,
    SessionRequest, SessionSettings, SessionView, TraceContext, TurnAsk, TurnId, TurnState,
};
use serde::{Deserialize, Serialize};

use crate::body::read_json;
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::{Permit, Shared};
use crate::v3::asking::{self, Address};
use crate::v3::bodies::{checked_model, new_session_id};
use crate::v3::extract::{idempotency_key, parse_id};

/// The idempotency key from which a client's lasting session has its id.
const LASTING: &str = "v1/chat";
/// How often in a row a session is read again without getting on, before we give up.
const READS_MAX: u32 = 20;
/// Pause before it is read again: a session that moves needs a moment.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// What is said.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct PlainRequest {
    /// The message.
    #[schema(min_length = 1)]
    message: String,
    /// The conversation; the key's own lasting one when left out.
    session: Option<String>,
    /// Which model answers; the session's when left out.
    model: Option<String>,
}

/// What is answered.
#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct PlainAnswer {
    /// The whole answer, without what was thought before it.
    answer: String,
    /// The conversation.
    session: String,
    /// The turn.
    turn: String,
    /// Which model answered.
    model: String,
}

/// A message that may be sent.
struct Plain {
    session: SessionId,
    /// Whether the session is made when there is none.
    is_lasting: bool,
    ask: TurnAsk,
}

/// Answers one message.
#[utoipa::path(
    post,
    path = "/v1/chat",
    request_body = PlainRequest,
    params(("idempotency-key" = Option<String>, Header, description = "a repeated request with the same key asks nothing twice and gets the same answer")),
    responses(
        (status = 200, description = "the answer", body = PlainAnswer),
        (status = 404, description = "no such session, or somebody else's; no such model", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the answer could not be made", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    Extension(permit): Extension<Permit>,
    request: Request,
) -> Result<Response, ApiError> {
    let key = idempotency_key(request.headers())?;
    let plain = check(read_json(request, &shared.limits).await?, by, key)?;
    let sessions = shared.handle.sessions();
    let (turn, seq) = accepted(&sessions, by, &plain, &shared.handle.models(), permit.whose().trace).await?;
    let mut reading = Reading::new(turn, seq);
    while !reading.read(&sessions, by, plain.session).await? {}
    let Reading { answer, model, .. } = reading;
    let (session, turn) = (plain.session.to_string(), turn.to_string());
    Ok(json_response(&PlainAnswer { answer, session, turn, model }))
}

fn check(request: PlainRequest, by: Principal, idempotency_key: Option<String>) -> Result<Plain, ApiError> {
    let session = match &request.session {
        Some(session) => parse_id("session", session)?,
        None => new_session_id(by, Some(LASTING))?,
    };
    let model = request.model.map(|model| checked_model(Some(model), &[])).transpose()?;
    if request.message.is_empty() {
        return Err(ApiError::invalid("message", "message is empty; it is what the model answers"));
    }
    let input = vec![Message::text(Role::User, request.message)];
    let ask = TurnAsk { input, idempotency_key, model, ..TurnAsk::default() };
    Ok(Plain { session, is_lasting: request.session.is_none(), ask })
}

/// Asks, and makes the lasting session first if there is none. Gives the turn and the number of its first event.
async fn accepted(
    sessions: &Sessions,
    by: Principal,
    plain: &Plain,
    served: &[ModelCard],
    trace: Option<TraceContext>,
) -> Result<(TurnId, u64), ApiError> {
    let request = |command| SessionRequest::new(plain.session, by, command);
    let ask = || SessionRequest { trace, ..request(SessionCommand::Ask(plain.ask.clone())) };
    let mut replied = sessions.ask(ask()).await;
    if plain.is_lasting && matches!(replied, Err(Cause::UnknownSession { .. })) {
        let new = lasting_session(plain.ask.model.as_ref(), served)?;
        sessions.ask(request(SessionCommand::Create(new))).await?;
        replied = sessions.ask(ask()).await;
    }
    match replied? {
        SessionReply::Accepted { turn, seq, .. } => Ok((turn, seq)),
        other => Err(asking::unexpected(&other).into()),
    }
}

/// A conversation without end. It has the model that is served first, so that one odd request does not choose for all
/// later ones, and leaves out its oldest turns rather than refuse the next one.
fn lasting_session(asked: Option<&ModelId>, served: &[ModelCard]) -> Result<NewSession, ApiError> {
    let model = match (served.first(), asked) {
        (None, Some(asked)) => asked.clone(),
        _ => checked_model(None, served)?,
    };
    let settings = SessionSettings {
        model,
        system: None,
        sampling: Sampling::default(),
        seed: None,
        context: ContextPolicy::DropOldest,
    };
    let (title, tags, turns) = (String::new(), Vec::new(), Vec::new());
    Ok(NewSession { title, tags, settings, forked_from: None, turns })
}

/// What was read of a turn so far.
struct Reading {
    turn: TurnId,
    /// The last number that was read.
    cursor: u64,
    answer: String,
    model: String,
    /// How often it was read since something new came.
    reads: u32,
}

impl Reading {
    /// `seq` is the number of the turn's first event.
    fn new(turn: TurnId, seq: u64) -> Self {
        Self { turn, cursor: seq.saturating_sub(1), answer: String::new(), model: String::new(), reads: 0 }
    }

    /// Reads until the turn has ended, which it says, or until the session lets go of us.
    async fn read(
        &mut self,
        sessions: &Sessions,
        by: Principal,
        session: SessionId,
    ) -> Result<bool, ApiError> {
        self.reads += 1;
        if self.reads > 1 {
            tokio::time::sleep(READ_PAUSE).await;
        }
        let wish = SessionAttach::new(session, by, String::new(), self.cursor);
        match sessions.attach(wish).await {
            Ok(stream) => self.follow(session, stream).await,
            // The events of an ended turn may be gone; the turn itself stays.
            Err(Cause::CursorGone { .. }) => {
                let to = Address::new(session, by);
                self.look_up(asking::view(sessions, to, SessionCommand::Show).await?)
            }
            Err(cause @ Cause::SessionMoved) => self.again(cause),
            Err(cause) => Err(cause.into()),
        }
    }

    async fn follow(&mut self, session: SessionId, mut stream: SessionStream) -> Result<bool, ApiError> {
        while let Some(news) = stream.next().await {
            match news {
                SessionNews::Event(event) => {
                    if self.take(event)? {
                        return Ok(true);
                    }
                }
                SessionNews::CaughtUp { .. } | SessionNews::Live(_) => {}
                SessionNews::Cut { reason } => return self.cut(session, &reason),
            }
        }
        self.again(Cause::SessionMoved)
    }

    /// Takes in an event; says whether it was the turn's last one.
    fn take(&mut self, event: SessionEvent) -> Result<bool, ApiError> {
        let Some(event) = event.after(self.cursor) else { return Ok(false) };
        self.cursor = event.seq;
        self.reads = 0;
        if event.body.turn() != Some(self.turn) {
            return Ok(false);
        }
        match event.body {
            SessionEventBody::Accepted { model, .. } => self.model = model.0,
            SessionEventBody::Tokens { text, marks, .. } => self.answer.push_str(&plain_text(&text, &marks)),
            SessionEventBody::Finished { reason: FinishReason::Cancelled, .. } => {
                return Err(Cause::Cancelled.into());
            }
            SessionEventBody::Finished { text, marks, .. } => {
                self.answer.push_str(&plain_text(&text, &marks));
                return Ok(true);
            }
            SessionEventBody::Failed { cause, .. } => return Err(cause.into()),
            _ => {}
        }
        Ok(false)
    }

    /// What to do about a cut: read on, or say why not.
    fn cut(&mut self, session: SessionId, reason: &str) -> Result<bool, ApiError> {
        match reason {
            "deleted" => Err(Cause::UnknownSession { session: session.to_string() }.into()),
            "shutting_down" => Err(Cause::ShuttingDown.into()),
            "store" => {
                let message = "the answer was made and cannot be read now; ask again".to_owned();
                self.again(Cause::StoreFailed { message })
            }
            _ => self.again(Cause::SessionMoved),
        }
    }

    /// Takes the turn from a view of its session.
    fn look_up(&mut self, view: SessionView) -> Result<bool, ApiError> {
        let Some(turn) = view.turns.into_iter().find(|turn| turn.turn == self.turn) else {
            return Err(Cause::UnknownTurn { turn: self.turn.to_string() }.into());
        };
        match turn.state {
            TurnState::Finished(FinishReason::Cancelled) => Err(Cause::Cancelled.into()),
            TurnState::Finished(_) => {
                (self.answer, self.model) = (plain_text(&turn.answer, &turn.marks), turn.model.0);
                Ok(true)
            }
            TurnState::Failed(cause) => Err(cause.into()),
            TurnState::Queued | TurnState::Running => self.again(Cause::SessionMoved),
        }
    }

    /// Another look, unless there were too many.
    fn again(&self, cause: Cause) -> Result<bool, ApiError> {
        if self.reads < READS_MAX { Ok(false) } else { Err(cause.into()) }
    }
}

#[cfg(test)]
mod tests;
