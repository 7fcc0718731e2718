//! Responses that were stored: retrieve, stream again, cancel, delete, list what was asked.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::StatusCode;
use pomona_actors::Sessions;
use pomona_protocol::{
    AnswerForm, Cause, Principal, Sampling, SessionCommand, SessionId, SessionView, TurnId, TurnView,
};
use serde::Serialize;
use tokio::time::timeout;

use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::responses::listed::{ListedItem, listed};
use crate::responses::object::{Answer, Echo, Head, response_id, turn_of};
use crate::responses::request::not_found;
use crate::responses::sequence::{Sequence, last_number};
use crate::state::Shared;
use crate::turnlog::body::{Held, TurnBody};
use crate::turnlog::lasting;
use crate::turnlog::source::{Follower, Heard, Source};
use crate::v3::extract::Query;

/// How long a cancel waits for the end of its turn before it answers with the response as it is.
const CANCEL_TIME: Duration = Duration::from_secs(10);
/// Items on a page, as many as OpenAI's API gives.
const ITEMS_MAX: u64 = 100;
/// Items on a page when the client does not say.
const ITEMS_DEFAULT: u64 = 20;

/// A stored response.
struct Found {
    sessions: Sessions,
    by: Principal,
    view: Box<SessionView>,
    turn: TurnView,
}

impl Found {
    /// Finds it; what may not be read is not there.
    async fn by_id(
        shared: &Shared,
        by: Principal,
        id: Result<Path<String>, PathRejection>,
    ) -> Result<Self, ApiError> {
        let Path(id) = id.map_err(|_| not_found("?"))?;
        let turn = turn_of(&id).ok_or_else(|| not_found(&id))?;
        let sessions = shared.handle.sessions();
        let found = async {
            let session = sessions.session_of(by, turn).await?;
            lasting::show(&sessions, session, by).await
        };
        let mut view = found.await.map_err(|cause| match cause {
            Cause::UnknownSession { .. } | Cause::UnknownTurn { .. } => not_found(&id),
            cause => cause.into(),
        })?;
        let place = view.turns.iter().position(|view| view.turn == turn).ok_or_else(|| not_found(&id))?;
        let turn = view.turns[place].clone();
        // What the others said is not needed again.
        view.turns.iter_mut().for_each(|turn| (turn.answer, turn.marks) = Default::default());
        Ok(Self { sessions, by, view, turn })
    }

    async fn answer(&self) -> Answer {
        answer_of(&self.sessions, self.view.id, self.by, &self.turn).await
    }
}

/// A response of a session.
pub(crate) async fn load(
    sessions: &Sessions,
    session: SessionId,
    by: Principal,
    turn: TurnId,
) -> Result<Answer, Cause> {
    let view = lasting::show(sessions, session, by).await?;
    let unknown = || Cause::UnknownTurn { turn: turn.to_string() };
    let turn = view.turns.iter().find(|view| view.turn == turn).ok_or_else(unknown)?;
    Ok(answer_of(sessions, session, by, turn).await)
}

/// The view of a turn knows no instructions and no sampling; its first event does, as long as it is kept.
async fn answer_of(sessions: &Sessions, session: SessionId, by: Principal, turn: &TurnView) -> Answer {
    let first = sessions.events(session, by, turn.accepted_seq.saturating_sub(1), 1).await;
    let head = first.ok().and_then(|events| Head::of(Some(session), events.first()?));
    let head = head.filter(|head| head.turn == turn.turn).unwrap_or_else(|| Head {
        turn: turn.turn,
        session: Some(session),
        created_ms: turn.accepted_ms,
        model: turn.model.0.clone(),
        instructions: None,
        sampling: Sampling::default(),
        form: AnswerForm::default(),
        previous: turn.parent,
        echo: Echo::default(),
    });
    Answer::of(head, turn)
}

/// Shows a response, or streams it from any number on, whether it runs still or has ended.
#[utoipa::path(
    get,
    path = "/v1/responses/{id}",
    params(
        ("id" = String, Path, description = "`resp_` and 32 hex digits"),
        ("stream" = Option<bool>, Query, description = "answers with the stream"),
        ("starting_after" = Option<u64>, Query, description = "leaves out events up to this `sequence_number`"),
    ),
    responses(
        (status = 200, description = "the response, or its stream", content((crate::responses::object::ResponseObject = "application/json"), (serde_json::Value = "text/event-stream"))),
        (status = "4XX", description = "there is no such response, or the number is none of it", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be reached", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    query: Query,
) -> Result<Response, ApiError> {
    let stream = query.flag("stream")?.unwrap_or(false);
    let after = query.number("starting_after", 0..=u64::from(u32::MAX))?;
    let found = Found::by_id(&shared, by, id).await?;
    if !stream {
        return Ok(json_response(&found.answer().await.object()));
    }
    let last = last_number(&found.turn);
    if let Some(cursor) = after.filter(|after| *after > last) {
        let error = ApiError::from(Cause::CursorAhead { cursor, head: last });
        return Err(error.with_param("starting_after"));
    }
    let Found { sessions, view, turn, .. } = found;
    let follower = Follower::attach(sessions, view.id, by, turn.turn, turn.accepted_seq).await?;
    let source = Source::Lasting(Box::new(follower));
    let keep_alive = Duration::from_secs(shared.api.sse_keep_alive_s);
    let sequence = Sequence::new(Some(view.id), after);
    Ok(TurnBody::new(source, Vec::new(), sequence, Held::default(), keep_alive).into_response())
}

/// Ends a response; one that has ended is answered as it is.
#[utoipa::path(
    post,
    path = "/v1/responses/{id}/cancel",
    params(("id" = String, Path, description = "`resp_` and 32 hex digits")),
    responses(
        (status = 200, description = "the response", body = crate::responses::object::ResponseObject),
        (status = "4XX", description = "there is no such response, or it is not the key's to cancel", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be reached", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn cancel(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let found = Found::by_id(&shared, by, id).await?;
    if found.turn.state.is_ended() {
        return Ok(json_response(&found.answer().await.object()));
    }
    let Found { sessions, view, turn, .. } = found;
    let command = SessionCommand::Cancel { turn: Some(turn.turn) };
    sessions.ask(lasting::request(view.id, by, command)).await?;
    let ends = async {
        // It had not ended here, so its end comes behind.
        let follower = Follower::attach(sessions.clone(), view.id, by, turn.turn, view.head_seq + 1).await?;
        let mut source = Source::Lasting(Box::new(follower));
        while !matches!(source.next().await?, Heard::Event(event) if event.body.is_terminal()) {}
        Ok::<_, Cause>(())
    };
    if let Ok(ended) = timeout(CANCEL_TIME, ends).await {
        ended?;
    }
    Ok(json_response(&load(&sessions, view.id, by, turn.turn).await?.object()))
}

/// What is said of a response that was deleted.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Deleted {
    id: String,
    object: &'static str,
    deleted: bool,
}

/// Deletes a response with its session. One of several of a conversation stays: the others are answers to it.
#[utoipa::path(
    delete,
    path = "/v1/responses/{id}",
    params(("id" = String, Path, description = "`resp_` and 32 hex digits")),
    responses(
        (status = 200, description = "it is gone", body = Deleted),
        (status = 409, description = "it is one of several of a conversation", body = crate::errors::ErrorBody),
        (status = "4XX", description = "there is no such response, or it is not the key's to delete", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be reached", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let found = Found::by_id(&shared, by, id).await?;
    let id = response_id(found.turn.turn);
    let (session, turns) = (found.view.id, found.view.turns.len());
    if turns > 1 {
        let message = format!(
            "`{id}` is one of {turns} responses of a conversation; DELETE /v3/sessions/{session} deletes them all"
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "response_in_conversation", message));
    }
    found.sessions.ask(lasting::request(session, by, SessionCommand::Delete)).await?;
    Ok(json_response(&Deleted { id, object: "response", deleted: true }))
}

/// A page of what a response was asked.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ItemPage {
    /// `list`.
    object: &'static str,
    /// The items.
    data: Vec<ListedItem>,
    first_id: Option<String>,
    last_id: Option<String>,
    /// Whether there are more behind `last_id`.
    has_more: bool,
}

/// Lists what a response was asked, without what stood before in its conversation.
#[utoipa::path(
    get,
    path = "/v1/responses/{id}/input_items",
    params(
        ("id" = String, Path, description = "`resp_` and 32 hex digits"),
        ("limit" = Option<u64>, Query, description = "items on a page, 1 to 100; 20 when left out", minimum = 1, maximum = 100),
        ("order" = Option<String>, Query, description = "`asc` or `desc`; `desc` when left out"),
        ("after" = Option<String>, Query, description = "id of the item behind which to go on"),
    ),
    responses(
        (status = 200, description = "the items", body = ItemPage),
        (status = "4XX", description = "there is no such response, or a parameter is wrong", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be reached", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn input_items(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    query: Query,
) -> Result<Response, ApiError> {
    let limit = query.number("limit", 1..=ITEMS_MAX)?.unwrap_or(ITEMS_DEFAULT) as usize;
    let is_ascending = match query.text("order")? {
        Some("asc") => true,
        None | Some("desc") => false,
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            return Err(ApiError::invalid("order", format!("order is `{other}`; it is asc or desc")));
        }
    };
    let found = Found::by_id(&shared, by, id).await?;
    let mut items = listed(found.turn.turn, &found.turn.input);
    if !is_ascending {
        items.reverse();
    }
    if let Some(after) = query.text("after")? {
        let place = items.iter().position(|item| item.id == after);
        let place =
            place.ok_or_else(|| ApiError::invalid("after", "after is the id of no item of this response"))?;
        items.drain(..=place);
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id_of = |item: Option<&ListedItem>| item.map(|item| item.id.clone());
    let (first_id, last_id) = (id_of(items.first()), id_of(items.last()));
    Ok(json_response(&ItemPage { object: "list", data: items, first_id, last_id, has_more }))
}
