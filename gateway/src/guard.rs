//! What happens to every request, in order: host, origin, method, key, place; then the route's handler; then
//! CORS, metrics and the log. [`crate::accept`] calls [`serve`] for each request of a TCP connection,
//! [`crate::HttpConnection`] for each of a QUIC connection.
//!
//! A handler of a route that needs a key finds whose it is as `Extension<Principal>`.
//!
//! One function instead of a stack of layers: nothing is boxed that the handler does not need, and the order
//! can be read.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use bytes::Bytes;
use futures::FutureExt;
use hyper::header::{ACCESS_CONTROL_REQUEST_METHOD, ALT_SVC, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use pomona_protocol::Principal;
use tower::Service;

use crate::anthropic::error::refuse;
use crate::errors::{ApiError, RefusalCode};
use crate::routes::{self, Route, UNKNOWN_ROUTE};
use crate::state::{Connection, RequestSpan, Shared};
use crate::watched_body::WatchedBody;
use crate::{auth, hosts};

/// Which trace a request belongs to, by W3C Trace Context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a connection's requests need.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) shared: Arc<Shared>,
    pub(crate) router: Router,
    pub(crate) connection: Arc<Connection>,
}

/// Where a request goes that was let through.
enum Passed {
    /// To its handler.
    Handler,
    /// Nowhere: a browser asks beforehand, and is answered here.
    Preflight,
}

/// Answers one request.
pub(crate) async fn serve<B>(guard: Guard, request: Request<B>) -> Result<Response, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let started = Instant::now();
    let Guard { shared, mut router, connection } = guard;
    connection.asked();
    let method = request.method().clone();
    let route = routes::find(request.uri().path());
    let label = route.map_or(UNKNOWN_ROUTE, |route| route.template);
    let mut granted = None;
    let mut request = request.map(Body::new);
    let span = request_span(&shared, &request, route);
    let polls = shared.handle.long_polls();
    let passed = pass(&shared, &connection, &mut request, route, span.clone(), &mut granted);
    let mut response = match passed {
        Err(refused) => refuse(label, refused),
        Ok(Passed::Preflight) => preflight(),
        Ok(Passed::Handler) => {
            let handled = AssertUnwindSafe(router.call(request)).catch_unwind();
            let answered = polls.watch(label, handled).await;
            answered.unwrap_or_else(|_| Ok(panicked(label))).unwrap_or_else(|never| match never {})
        }
    };
    if let Some(origin) = granted {
        hosts::grant(response.headers_mut(), origin);
    }
    if connection.ends.is_encrypted
        && let Some(elsewhere) = shared.alt_svc.get()
    {
        response.headers_mut().insert(ALT_SVC, elsewhere.clone());
    }
    shared.metrics.request_ended(label, response.status().as_str());
    if let Some(RefusalCode(code)) = response.extensions().get::<RefusalCode>() {
        shared.metrics.request_rejected(code);
    }
    if let Some(span) = span {
        span.answered(response.status().as_u16());
    }
    if route.is_some_and(|route| route.takes_permit) {
        response = response.map(|body| WatchedBody::wrap(body, label, polls));
    }
    tracing::debug!(
        %method,
        route = label,
        status = response.status().as_u16(),
        latency_us = started.elapsed().as_micros() as u64,
        "request"
    );
    Ok(response)
}

fn pass(
    shared: &Shared,
    connection: &Arc<Connection>,
    request: &mut Request<Body>,
    route: Option<&Route>,
    span: Option<RequestSpan>,
    granted: &mut Option<HeaderValue>,
) -> Result<Passed, ApiError> {
    shared.hosts.check_host(request, connection.ends.local)?;
    *granted = shared.hosts.check_origin(request)?;
    let Some(route) = route else { return Ok(Passed::Handler) };
    if request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return Ok(Passed::Preflight);
    }
    if !route.takes(request.method()) {
        return Err(ApiError::method_not_allowed(route.allowed()));
    }
    let known = auth::Known { keys: &shared.keys, signed_out: &shared.signed_out };
    let from = auth::From {
        loopback: connection.ends.peer.ip().to_canonical().is_loopback(),
        port: connection.ends.local.port(),
        foreign_page: granted.is_some(),
    };
    let key = auth::check(known, route.access, from, request)?;
    if let Some(key) = key {
        request.extensions_mut().insert(Principal(key.0));
    }
    if route.takes_permit {
        request.extensions_mut().insert(shared.permit(key, span)?);
    } else if let Some(span) = span {
        request.extensions_mut().insert(span);
    }
    request.extensions_mut().insert(Arc::clone(connection));
    Ok(Passed::Handler)
}

/// The span of a request that works on turns or asks for them, if it is recorded.
fn request_span(shared: &Shared, request: &Request<Body>, route: Option<&Route>) -> Option<RequestSpan> {
    let route = route.filter(|route| route.is_traced)?;
    let asked = request.headers().get(TRACEPARENT).and_then(|context| context.to_str().ok()?.parse().ok());
    let mut span = shared.handle.request_span(asked)?;
    span.set("http.route", route.template);
    span.set("http.request.method", request.method().as_str());
    Some(RequestSpan::new(span))
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    hosts::grant_preflight(response.headers_mut());
    response
}

fn panicked(label: &str) -> Response {
    tracing::error!("a handler panicked");
    let message = "internal error: the handler of this route broke";
    refuse(label, ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message))
}
