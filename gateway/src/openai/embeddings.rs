//! `POST /v1/embeddings`: each input is one turn that embeds it; a bounded number of them run side by side, and the
//! answer keeps their order. They end with the client.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt};
use pomona_protocol::{
    AnswerForm, Cause, FinishReason, ModelId, Sampling, Task, TurnEvent, TurnId, TurnInput, TurnRequest,
};
use serde::{Deserialize, Serialize};

use crate::body::read_json;
use crate::errors::ApiError;
use crate::form::shown;
use crate::openai::answer::{json_response, with_request_id};
use crate::openai::models::check_served;
use crate::openai::plan::{start, turn_request};
use crate::openai::sampling::whole;
use crate::state::{Connection, Permit, Shared, Whose};

/// Inputs of one request, as many as OpenAI's API takes.
const INPUTS_MAX: usize = 2048;
/// Turns of one request that run at the same time, so that a long list leaves room for others.
const AT_ONCE: usize = 8;

/// Texts to embed. Unknown fields are ignored.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct EmbeddingRequest {
    /// Which model; `GET /v1/models` lists them.
    model: String,
    /// A text, texts, or token ids; at most 2048 inputs, none of them empty.
    input: EmbeddingInput,
    /// Numbers wanted per vector, where the model allows fewer than it has.
    #[schema(minimum = 1)]
    dimensions: Option<i64>,
    /// `float` or `base64`: 32-bit floats, the lowest byte first.
    encoding_format: Option<String>,
}

/// What is embedded.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(
    untagged,
    expecting = "expected a string, a list of strings, a list of token ids, or a list of such lists"
)]
pub(crate) enum EmbeddingInput {
    /// A text.
    Text(String),
    /// Token ids, used as they stand.
    Tokens(Vec<u32>),
    /// Texts, each by itself.
    Texts(Vec<String>),
    /// Lists of token ids, each by itself.
    TokenLists(Vec<Vec<u32>>),
}

/// The vectors.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EmbeddingList<'a> {
    /// `list`.
    object: &'static str,
    /// One for each input, in their order.
    data: Vec<EmbeddingBody>,
    model: &'a str,
    usage: EmbeddingUsage,
}

/// One vector.
#[derive(Serialize, utoipa::ToSchema)]
struct EmbeddingBody {
    /// `embedding`.
    object: &'static str,
    /// Which input.
    index: usize,
    embedding: Vector,
}

/// Numbers, or their bytes.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum Vector {
    /// Numbers.
    Floats(Vec<f32>),
    /// Their bytes in base64.
    Base64(String),
}

/// Tokens used.
#[derive(Default, Serialize, utoipa::ToSchema)]
struct EmbeddingUsage {
    prompt_tokens: u32,
    total_tokens: u32,
}

/// Embeds texts.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    request_body = EmbeddingRequest,
    responses(
        (status = 200, description = "the vectors", body = EmbeddingList),
        (status = "4XX", description = "the request cannot be served, for one because the model makes no embeddings", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the vectors could not be made", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(permit): Extension<Permit>,
    request: Request,
) -> Result<Response, ApiError> {
    let request: EmbeddingRequest = read_json(request, &shared.limits).await?;
    let is_base64 = check_encoding(request.encoding_format.as_deref())?;
    let dimensions = whole("dimensions", request.dimensions, 1)?;
    let inputs = check_input(request.input)?;
    let model = ModelId(request.model);
    check_served(&shared, &model)?;
    let requests = turns(&model, inputs, dimensions)?;
    let first = requests.first().map_or(TurnId(0), |request| request.turn);
    let runs = requests.into_iter().map(|request| embed(&connection, permit.whose(), request));
    let embedded = futures::stream::iter(runs).buffered(AT_ONCE).try_collect::<Vec<_>>().await;
    let answered = embedded.map(|embedded| json_response(&list(&model, embedded, is_base64)));
    Ok(with_request_id(answered.unwrap_or_else(IntoResponse::into_response), first))
}

fn check_encoding(given: Option<&str>) -> Result<bool, ApiError> {
    match given {
        None | Some("float") => Ok(false),
        Some("base64") => Ok(true),
        Some(other) => {
            let message = format!("encoding_format is `{}`; known are float and base64", shown(other));
            Err(ApiError::invalid("encoding_format", message))
        }
    }
}

fn check_input(input: EmbeddingInput) -> Result<Vec<TurnInput>, ApiError> {
    let inputs: Vec<TurnInput> = match input {
        EmbeddingInput::Text(text) => vec![TurnInput::Text(text)],
        EmbeddingInput::Tokens(tokens) if tokens.is_empty() => Vec::new(),
        EmbeddingInput::Tokens(tokens) => vec![TurnInput::Tokens(tokens)],
        EmbeddingInput::Texts(texts) => texts.into_iter().map(TurnInput::Text).collect(),
        EmbeddingInput::TokenLists(lists) => lists.into_iter().map(TurnInput::Tokens).collect(),
    };
    let count = inputs.len();
    if count == 0 || count > INPUTS_MAX {
        let message = format!("input has {count} entries; the range is 1 to {INPUTS_MAX}");
        return Err(ApiError::invalid("input", message));
    }
    let is_empty = |input: &TurnInput| match input {
        TurnInput::Text(text) => text.is_empty(),
        TurnInput::Tokens(tokens) => tokens.is_empty(),
        TurnInput::Messages(messages) => messages.is_empty(),
    };
    if let Some(at) = inputs.iter().position(is_empty) {
        return Err(ApiError::invalid(format!("input[{at}]"), "an empty text has no embedding"));
    }
    Ok(inputs)
}

/// One turn per input.
fn turns(
    model: &ModelId,
    inputs: Vec<TurnInput>,
    dimensions: Option<u32>,
) -> Result<Vec<TurnRequest>, ApiError> {
    let requests = inputs.into_iter().map(|input| {
        let request = turn_request(model.clone(), input, Sampling::default(), AnswerForm::default())?;
        Ok(TurnRequest { task: Task::Embed { dimensions }, ..request })
    });
    requests.collect()
}

/// The vector of one input, and the tokens that it had.
async fn embed(
    connection: &Connection,
    whose: Whose,
    request: TurnRequest,
) -> Result<(Vec<f32>, u32), ApiError> {
    let model = request.model.clone();
    let mut events = start(&connection.client, request, whose).await?;
    loop {
        match events.next().await {
            Some(
                TurnEvent::Queued { .. }
                | TurnEvent::Started { .. }
                | TurnEvent::Prefill { .. }
                | TurnEvent::Resumed { .. },
            ) => {}
            Some(TurnEvent::Finished { reason: FinishReason::Cancelled, .. }) => {
                return Err(Cause::Cancelled.into());
            }
            Some(TurnEvent::Finished { embedding, usage, .. }) if !embedding.is_empty() => {
                return Ok((embedding, usage.prompt_tokens));
            }
            // It speaks in place of embedding.
            Some(TurnEvent::Tokens { .. } | TurnEvent::Finished { .. }) => return Err(speaks(&model)),
            Some(TurnEvent::Failed { cause }) => return Err(cause.into()),
            None => {
                let message = "the turn ended without a terminal event".to_owned();
                return Err(Cause::Internal { message }.into());
            }
        }
    }
}

fn speaks(model: &ModelId) -> ApiError {
    let message = format!("`{}` makes no embeddings; ask a model that does", shown(&model.0));
    ApiError::unsupported("embeddings_not_supported", "model", message)
}

fn list(model: &ModelId, embedded: Vec<(Vec<f32>, u32)>, is_base64: bool) -> EmbeddingList<'_> {
    let mut usage = EmbeddingUsage::default();
    let body = |(index, (vector, tokens)): (usize, (Vec<f32>, u32))| {
        usage.prompt_tokens = usage.prompt_tokens.saturating_add(tokens);
        let embedding = if is_base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            Vector::Base64(STANDARD.encode(bytes))
        } else {
            Vector::Floats(vector)
        };
        EmbeddingBody { object: "embedding", index, embedding }
    };
    let data = embedded.into_iter().enumerate().map(body).collect();
    usage.total_tokens = usage.prompt_tokens;
    EmbeddingList { object: "list", data, model: &model.0, usage }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn inputs(input: Value) -> Result<Vec<TurnInput>, String> {
        let input = serde_json::from_value(input).map_err(|error| error.to_string())?;
        check_input(input).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn every_shape_of_input_is_read() {
        let text = |text: &str| TurnInput::Text(text.to_owned());
        let tokens = |tokens: &[u32]| TurnInput::Tokens(tokens.to_vec());
        for (input, expected) in [
            (json!("a"), vec![text("a")]),
            (json!(["a", "b"]), vec![text("a"), text("b")]),
            (json!([1, 2]), vec![tokens(&[1, 2])]),
            (json!([[1], [2, 3]]), vec![tokens(&[1]), tokens(&[2, 3])]),
        ] {
            assert_eq!(inputs(input), Ok(expected));
        }
        for (input, says) in [
            (json!([]), "0 entries"),
            (json!(""), "empty text"),
            (json!(["a", ""]), "empty text"),
            (json!([[]]), "empty text"),
            (json!(vec!["a"; 2049]), "2049 entries"),
            (json!({"text": "a"}), "expected a string"),
            (json!([1, "a"]), "expected a string"),
            (json!([-1]), "expected a string"),
        ] {
            assert!(inputs(input.clone()).unwrap_err().contains(says), "{input:.60}");
        }
    }

    #[test]
    fn vectors_keep_their_order_in_both_encodings() {
        let embedded = vec![(vec![0.5, -1.0], 3), (vec![0.25, 0.1], 4)];
        let model = ModelId::from("m");
        let floats = serde_json::to_value(list(&model, embedded.clone(), false)).unwrap();
        assert_eq!(
            floats.to_string(),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]},{"object":"embedding","index":1,"embedding":[0.25,0.10000000149011612]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}"#
        );
        let bytes = serde_json::to_value(list(&model, embedded, true)).unwrap();
        assert_eq!(bytes["data"][0]["embedding"], "AAAAPwAAgL8=");
    }
}
