//! The one table of routes: path, who may call it, and what answers. The router, the guard, the metrics and
//! the tests all read it, so a route cannot be served without its access being stated.

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use hyper::{Method, Uri};

use crate::errors::ApiError;
use crate::openai::{chat, completions, models};
use crate::state::Shared;
use crate::{admin, openapi, page, ws};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody who reaches the port.
    Open,
    /// Who has a key.
    Key,
    /// Who has a key; a WebSocket may offer it as a subprotocol.
    KeyOrProtocol,
    /// This machine without a key, others with one.
    KeyUnlessLoopback,
}

/// A path of the server.
pub(crate) struct Route {
    /// Path as axum writes it, and the label of its metrics.
    pub(crate) template: &'static str,
    /// Who may call it.
    pub(crate) access: Access,
    /// Its only method.
    pub(crate) method: Method,
    /// Whether it works on turns and so takes a place under `limits.requests_max`.
    pub(crate) takes_permit: bool,
    handler: fn() -> MethodRouter<Arc<Shared>>,
}

/// Label of requests to paths that do not exist.
pub(crate) const UNKNOWN_ROUTE: &str = "unknown";

/// Values of the `route` label, known beforehand.
pub(crate) const ROUTE_LABELS: &[&str] = &[
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/chat/stream",
    "/v1/models",
    "/v1/models/{id}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/admin/status",
    "/",
    "/page.js",
    "/page.css",
    UNKNOWN_ROUTE,
];

macro_rules! route {
    ($method:ident $template:literal, $access:ident, $handler:expr) => {
        route!($method $template, $access, $handler, false)
    };
    ($method:ident $template:literal, $access:ident, $handler:expr, $takes_permit:literal) => {
        Route {
            template: $template,
            access: Access::$access,
            method: Method::$method,
            takes_permit: $takes_permit,
            handler: || route!(@$method)($handler),
        }
    };
    (@GET) => { get };
    (@POST) => { post };
}

/// Every route, the busiest first.
pub(crate) static ROUTES: &[Route] = &[
    route!(POST "/v1/chat/completions", Key, chat::create, true),
    route!(POST "/v1/completions", Key, completions::create, true),
    route!(GET "/v1/chat/stream", KeyOrProtocol, ws::open, true),
    route!(GET "/v1/models", Key, models::list),
    route!(GET "/v1/models/{id}", Key, models::one),
    route!(GET "/healthz", Open, admin::healthz),
    route!(GET "/readyz", Open, admin::readyz),
    route!(GET "/metrics", KeyUnlessLoopback, admin::metrics),
    route!(GET "/openapi.json", Open, openapi::document),
    route!(GET "/admin/status", Key, admin::status),
    route!(GET "/", Open, page::html),
    route!(GET "/page.js", Open, page::script),
    route!(GET "/page.css", Open, page::style),
];

/// The route of a path, whatever the method.
pub(crate) fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| match route.template.split_once('{') {
        None => route.template == path,
        Some((before, _)) => path.strip_prefix(before).is_some_and(|id| !id.is_empty() && !id.contains('/')),
    })
}

/// The router of the whole table.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let router =
        ROUTES.iter().fold(Router::new(), |router, route| router.route(route.template, (route.handler)()));
    router.fallback(not_found).with_state(shared)
}

async fn not_found(method: Method, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(100).collect();
    let message = format!("there is no {method} {path}; GET /openapi.json lists what there is");
    ApiError::new(hyper::StatusCode::NOT_FOUND, "route_not_found", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_metric_label() {
        let mut labels: Vec<_> = ROUTES.iter().map(|route| route.template).collect();
        labels.push(UNKNOWN_ROUTE);
        assert_eq!(labels, ROUTE_LABELS);
    }

    #[test]
    fn a_path_finds_its_route_and_no_other() {
        let template = |path: &str| find(path).map(|route| route.template);
        for route in ROUTES {
            assert_eq!(template(&route.template.replace("{id}", "sprout")), Some(route.template));
        }
        for path in ["", "/v1", "/v1/models/", "/v1/models/a/b", "/metrics/", "/V1/models", "/page.jsx"] {
            assert_eq!(template(path), None, "{path}");
        }
    }

    #[test]
    fn only_harmless_routes_are_open() {
        let open: Vec<_> =
            ROUTES.iter().filter(|route| route.access == Access::Open).map(|route| route.template).collect();
        assert_eq!(open, ["/healthz", "/readyz", "/openapi.json", "/", "/page.js", "/page.css"]);
    }
}
