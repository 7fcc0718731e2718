//! `POST /v1/messages/count_tokens`: an engine renders and tokenises the prompt as if to answer it, says how long it is,
//! and is let off.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use pomona_protocol::{Cause, Principal, SessionEventBody};
use serde::Serialize;

use crate::anthropic::create::pass;
use crate::anthropic::error::Refusal;
use crate::anthropic::request::CountRequest;
use crate::body::read_json;
use crate::openai::answer::json_response;
use crate::state::{Connection, Permit, Shared};
use crate::turnlog::source::Heard;

/// How long a prompt is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TokenCount {
    input_tokens: u32,
}

/// Counts the tokens of a conversation.
#[utoipa::path(
    post,
    path = "/v1/messages/count_tokens",
    request_body = CountRequest,
    responses(
        (status = 200, description = "how many tokens the prompt has", body = TokenCount),
        (status = "4XX", description = "the request cannot be served", body = crate::anthropic::error::RefusalBody),
        (status = "5XX", description = "the tokens could not be counted", body = crate::anthropic::error::RefusalBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn count(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(by): Extension<Principal>,
    Extension(permit): Extension<Permit>,
    request: Request,
) -> Result<Response, Refusal> {
    let request: CountRequest = read_json(request, &shared.limits).await?;
    let asked = request.check(shared.api.messages_max)?;
    let (mut source, _) = pass(&connection, by, &permit, asked).await?;
    loop {
        let Heard::Event(event) = source.next().await? else { continue };
        match event.body {
            SessionEventBody::Started { prompt_tokens, .. } => {
                return Ok(json_response(&TokenCount { input_tokens: prompt_tokens }));
            }
            SessionEventBody::Failed { cause, .. } => return Err(cause.into()),
            SessionEventBody::Finished { .. } => return Err(Cause::Cancelled.into()),
            _ => {}
        }
    }
}
