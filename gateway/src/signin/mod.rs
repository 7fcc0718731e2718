//! Browsers sign in: with a key that somebody pastes, or with the one-time code of a link. What they get is a cookie
//! that scripts cannot read ([`cookie`]); [`crate::auth`] takes it in place of a key.
//!
//! Accounts of people belong here as well: another way to a [`KeyId`].

pub(crate) mod codes;
pub(crate) mod cookie;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use hyper::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use hyper::{Request, StatusCode};
use pomona_protocol::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::read_json;
use crate::errors::ApiError;
use crate::keys::KeyId;
use crate::state::{Connection, Shared};

/// Where a browser takes the code of a link; it stands behind `#`, which browsers send to nobody.
const SIGN_IN_PAGE: &str = "/signin#code=";

/// Whose browser or program this is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// Id of the key.
    key: String,
    /// What to call whoever has it.
    name: &'static str,
    /// What it may do. Every key may do everything today.
    role: &'static str,
    cluster: String,
    /// Id of the gateway's machine.
    node: String,
    /// What people call that machine.
    gateway: String,
    version: String,
}

/// One of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// A key of this gateway.
    key: Option<String>,
    /// The code of a link.
    code: Option<String>,
}

/// A link that signs one browser in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Link {
    /// Path on this gateway; the code in it works once.
    path: String,
    /// Seconds for which it works.
    expires_in_s: u64,
}

/// Whose key or cookie a request showed.
#[utoipa::path(
    get,
    path = "/v3/me",
    responses(
        (status = 200, description = "id, name and role of the key, and whom it asked", body = Me),
        (status = 401, description = "no key and no cookie, or one that is not valid here", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn me(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(Principal(key)): Extension<Principal>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let status = shared.handle.status().await.map_err(ApiError::from)?;
    let me = Me {
        key: format!("key_{key:016x}"),
        name: "admin",
        role: "admin",
        cluster: status.cluster,
        node: status.node.0,
        gateway: status.name,
        version: status.version,
    };
    let mut response = Json(me).into_response();
    let name = cookie::name(connection.ends.local.port());
    let now = SystemTime::now();
    // A browser that is used stays signed in.
    if let Some(shown) = cookie::shown(request.headers(), &name)
        && cookie::is_to_renew(shown, now)
    {
        give(&shared, &connection, KeyId(key), now, response.headers_mut())?;
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Signs a browser in.
#[utoipa::path(
    post,
    path = "/v3/sign-in",
    request_body = SignIn,
    responses(
        (status = 204, description = "signed in; the cookie is set"),
        (status = 400, description = "neither a key nor a code, or both", body = crate::errors::ErrorBody),
        (status = 401, description = "`invalid_api_key`, or `code_invalid`: used, old or never given", body = crate::errors::ErrorBody),
        (status = 408, description = "the body did not come in time", body = crate::errors::ErrorBody),
        (status = 413, description = "the body is too large", body = crate::errors::ErrorBody),
        (status = 415, description = "the body is not `application/json`", body = crate::errors::ErrorBody),
    )
)]
pub(crate) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let asked: SignIn = read_json(request, &shared.limits).await?;
    let key = match (asked.key, asked.code) {
        (Some(key), None) => shared.keys.find(key.trim().as_bytes()).ok_or_else(|| {
            ApiError::unauthorized(
                "this API key is not valid here; `pomona key show` prints the one of this gateway",
            )
        })?,
        (None, Some(code)) => shared.codes.take(&code, Instant::now()).ok_or_else(|| {
            let message = "this link was used, is too old or was never given; `pomona web` makes a new one";
            ApiError::new(StatusCode::UNAUTHORIZED, "code_invalid", message)
        })?,
        _ => {
            let message = "a sign-in has either `key` or `code`";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", message));
        }
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    give(&shared, &connection, key, SystemTime::now(), response.headers_mut())?;
    Ok(response)
}

/// Takes the cookie away. What the browser had no longer works.
#[utoipa::path(post, path = "/v3/sign-out", responses((status = 204, description = "signed out")))]
pub(crate) async fn sign_out(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    request: Request<Body>,
) -> Response {
    let name = cookie::name(connection.ends.local.port());
    if let Some(shown) = cookie::shown(request.headers(), &name) {
        let now = SystemTime::now();
        if cookie::check(&shared.keys, shown, now).is_some() {
            shared.signed_out.add(shown, now);
        }
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(value) = HeaderValue::try_from(cookie::removed(&name)) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

/// Makes a link that signs one browser in as whoever asks.
#[utoipa::path(
    post,
    path = "/v3/sign-in/link",
    responses(
        (status = 201, description = "the path of the link, and for how long it works", body = Link),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn link(
    State(shared): State<Arc<Shared>>,
    Extension(Principal(key)): Extension<Principal>,
) -> Result<Response, ApiError> {
    let path = path(&shared, KeyId(key))?;
    let mut response =
        (StatusCode::CREATED, Json(Link { path, expires_in_s: codes::LIFE.as_secs() })).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Makes links for whoever starts the gateway.
#[derive(Clone)]
pub struct SignInLinks(pub(crate) Arc<Shared>);

impl SignInLinks {
    /// Path of a new link, which signs one browser in with the first key of the key file.
    pub fn path(&self) -> Option<String> {
        path(&self.0, self.0.keys.first()?).ok()
    }
}

/// The path of a new link.
fn path(shared: &Shared, key: KeyId) -> Result<String, ApiError> {
    let code = shared.codes.make(key, Instant::now()).map_err(no_randomness)?;
    Ok(format!("{SIGN_IN_PAGE}{code}"))
}

fn give(
    shared: &Shared,
    connection: &Connection,
    key: KeyId,
    now: SystemTime,
    headers: &mut hyper::HeaderMap,
) -> Result<(), ApiError> {
    let secret =
        shared.keys.cookie_secret(key).ok_or_else(|| ApiError::unauthorized("this key was removed"))?;
    let value = cookie::make(&secret, key, now).map_err(no_randomness)?;
    let name = cookie::name(connection.ends.local.port());
    let line = cookie::set(&name, &value, shared.tls.is_some());
    headers.insert(SET_COOKIE, HeaderValue::try_from(line).map_err(|_| internal("a cookie is no header"))?);
    Ok(())
}

fn no_randomness(error: getrandom::Error) -> ApiError {
    internal(&format!("the system has no random bytes: {error}"))
}

fn internal(message: &str) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message.to_owned())
}
