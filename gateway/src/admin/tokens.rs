//! `/admin/tokens`: what machines join with. The secret is in the answer that makes a token, and nowhere else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use pomona_protocol::{NewToken, PeerRole, TokenStatus};
use serde::{Deserialize, Serialize};

use super::{check_name, path_id};
use crate::body::read_json;
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;

/// Longest life of a token: 30 days, so that a forgotten one does not stay a way in for ever.
const TTL_S_MAX: u64 = 30 * 24 * 3600;
/// Most machines that one token may bring in.
const USES_MAX: u32 = 1000;
/// Ids are 16 digits; more is no id.
const TOKEN_ID_BYTES_MAX: usize = 64;

/// What a token is to allow.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    /// What a machine becomes with it: `node` or `gateway`.
    role: String,
    /// Seconds until it expires.
    #[schema(minimum = 1, maximum = 2_592_000)]
    ttl_s: i64,
    /// Machines that may join with it.
    #[schema(minimum = 1, maximum = 1000)]
    uses: i64,
    /// Name of the machine; its own host name when absent.
    name: Option<String>,
}

#[derive(Serialize)]
struct TokenList {
    tokens: Vec<TokenStatus>,
}

/// Makes a token.
#[utoipa::path(
    post,
    path = "/admin/tokens",
    request_body = TokenBody,
    responses(
        (status = 201, description = "`token`, shown this once, with its `id`, `expires_unix_ms` and the `addresses` in it"),
        (status = 400, description = "a value out of its range", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 409, description = "another gateway holds the authority", body = crate::errors::ErrorBody),
        (status = 408, description = "the body did not come in time", body = crate::errors::ErrorBody),
        (status = 413, description = "the body is too large", body = crate::errors::ErrorBody),
        (status = 415, description = "the body is not `application/json`", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let body: TokenBody = read_json(request, &shared.limits).await?;
    let created = shared.handle.create_token(check(body)?).await?;
    let mut response = (StatusCode::CREATED, json_response(&created)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Lists the tokens that may still be used.
#[utoipa::path(
    get,
    path = "/admin/tokens",
    responses(
        (status = 200, description = "`tokens`: id, role, name, expiry and uses left of each, without its secret"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    Ok(json_response(&TokenList { tokens: shared.handle.tokens().await? }))
}

/// Takes a token back; who joined with it stays.
#[utoipa::path(
    delete,
    path = "/admin/tokens/{id}",
    params(("id" = String, Path, description = "the token's id")),
    responses(
        (status = 204, description = "nobody joins with it any more"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such token", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn revoke(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let id = path_id(id, TOKEN_ID_BYTES_MAX)?;
    if shared.handle.revoke_token(&id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let message = format!("there is no token `{id}`; it may have been used up; GET /admin/tokens lists them");
    Err(ApiError::new(StatusCode::NOT_FOUND, "token_not_found", message))
}

fn check(body: TokenBody) -> Result<NewToken, ApiError> {
    let role = match body.role.as_str() {
        "node" => PeerRole::Node,
        "gateway" => PeerRole::Gateway,
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(ApiError::invalid("role", format!("role is `{other}`; known are node and gateway")));
        }
    };
    let ttl_s = ranged("ttl_s", body.ttl_s, TTL_S_MAX)?;
    let uses = ranged("uses", body.uses, USES_MAX)?;
    if let Some(name) = &body.name {
        check_name("name", name)?;
    }
    Ok(NewToken { role, ttl_s, uses, name: body.name })
}

/// A number from 1 to `most`.
fn ranged<T>(param: &str, value: i64, most: T) -> Result<T, ApiError>
where
    T: TryFrom<i64> + PartialOrd + Copy + std::fmt::Display,
{
    match T::try_from(value) {
        Ok(number) if value > 0 && number <= most => Ok(number),
        _ => Err(ApiError::invalid(param, format!("{param} is {value}; the range is 1 to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(role: &str, ttl_s: i64, uses: i64, name: Option<&str>) -> TokenBody {
        TokenBody { role: role.to_owned(), ttl_s, uses, name: name.map(str::to_owned) }
    }

    #[test]
    fn a_token_is_checked_field_by_field() {
        let new = check(body("gateway", 2_592_000, 1000, Some("büro"))).unwrap();
        assert_eq!((new.role, new.ttl_s, new.uses), (PeerRole::Gateway, 2_592_000, 1000));
        assert!(check(body("node", 1, 1, None)).is_ok());
        for (body, says) in [
            (body("admin", 60, 1, None), "role is `admin`; known are node and gateway"),
            (body("node", 0, 1, None), "ttl_s is 0; the range is 1 to 2592000"),
            (body("node", -5, 1, None), "ttl_s is -5"),
            (body("node", 2_592_001, 1, None), "ttl_s is 2592001"),
            (body("node", 60, 0, None), "uses is 0; the range is 1 to 1000"),
            (body("node", 60, 1001, None), "uses is 1001"),
            (body("node", 60, i64::MAX, None), "uses is 9223372036854775807"),
            (body("node", 60, 1, Some("a\tb")), "name holds a control character"),
        ] {
            let error = check(body).unwrap_err();
            assert!(error.message().contains(says), "{}", error.message());
        }
    }
}
