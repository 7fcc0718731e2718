//! The one table of routes: path, who may call it, and what answers. The router, the guard, the metrics and
//! the tests all read it, so a route cannot be served without its access being stated.

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, delete, get, patch, post};
use hyper::{Method, Uri};

use crate::admin::{downloads, fleet, hub, loading, logs, nodes, notices, policy, tokens};
use crate::errors::ApiError;
use crate::openai::{chat, completions, embeddings, models};
use crate::state::Shared;
use crate::v3::{audit, events, prometheus, sessions, topics, transfer, turns};
use crate::{admin, anthropic, openapi, plain_chat, responses, signin, v3, web, ws};

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
    /// Path as axum writes it, with at most one `{id}`, and the label of its metrics.
    pub(crate) template: &'static str,
    /// Who may call it, whatever the method.
    pub(crate) access: Access,
    /// Whether it works on turns and so takes a place under `limits.requests_max`.
    pub(crate) takes_permit: bool,
    /// Whether it works on turns or asks for them, so that it is told in traces.
    pub(crate) is_traced: bool,
    /// What it does, by method.
    pub(crate) endpoints: &'static [Endpoint],
}

/// One method of a path.
pub(crate) struct Endpoint {
    /// The method.
    pub(crate) method: Method,
    handler: fn() -> MethodRouter<Arc<Shared>>,
}

impl Route {
    /// Whether it has this method; HEAD is a GET without its body.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        let asked = if *method == Method::HEAD { &Method::GET } else { method };
        self.endpoints.iter().any(|endpoint| endpoint.method == *asked)
    }

    /// Its methods, as the `Allow` header lists them.
    pub(crate) fn allowed(&self) -> String {
        let names = self.endpoints.iter().map(|endpoint| match endpoint.method {
            Method::GET => "GET, HEAD",
            _ => endpoint.method.as_str(),
        });
        names.collect::<Vec<_>>().join(", ")
    }

    fn is_at(&self, path: &str) -> bool {
        let Some((before, rest)) = self.template.split_once('{') else { return self.template == path };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let id = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
    }
}

/// Label of requests to paths that do not exist.
pub(crate) const UNKNOWN_ROUTE: &str = "unknown";

/// Values of the `route` label, known beforehand: every template, then [`UNKNOWN_ROUTE`].
pub(crate) const ROUTE_LABELS: &[&str] = &route_labels();

const fn route_labels() -> [&'static str; ROUTES.len() + PAGES.len() + 1] {
    let mut labels = [UNKNOWN_ROUTE; ROUTES.len() + PAGES.len() + 1];
    let mut index = 0;
    while index < ROUTES.len() + PAGES.len() {
        let route = if index < ROUTES.len() { &ROUTES[index] } else { &PAGES[index - ROUTES.len()] };
        labels[index] = route.template;
        index += 1;
    }
    labels
}

macro_rules! route {
    ($template:literal, $access:ident, $($method:ident $handler:expr),+) => {
        route!(@ $template, $access, false, false, $($method $handler),+)
    };
    ($template:literal, $access:ident with permit, $($method:ident $handler:expr),+) => {
        route!(@ $template, $access, true, true, $($method $handler),+)
    };
    ($template:literal, $access:ident with trace, $($method:ident $handler:expr),+) => {
        route!(@ $template, $access, false, true, $($method $handler),+)
    };
    (@ $template:literal, $access:ident, $takes_permit:literal, $is_traced:literal, $($method:ident $handler:expr),+) => {
        Route {
            template: $template,
            access: Access::$access,
            takes_permit: $takes_permit,
            is_traced: $is_traced,
            endpoints: &[$(Endpoint { method: Method::$method, handler: || route!(@$method)($handler) }),+],
        }
    };
    (@GET) => { get };
    (@POST) => { post };
    (@PATCH) => { patch };
    (@DELETE) => { delete };
}

/// Every route of the API, the busiest first.
pub(crate) const ROUTES: &[Route] = &[
    route!("/v1/chat/completions", Key with permit, POST chat::create),
    route!("/v1/completions", Key with permit, POST completions::create),
    route!("/v1/embeddings", Key with permit, POST embeddings::create),
    route!("/v1/responses", Key with permit, POST responses::create::create),
    route!("/v1/responses/{id}", Key, GET responses::stored::retrieve, DELETE responses::stored::remove),
    route!("/v1/responses/{id}/cancel", Key, POST responses::stored::cancel),
    route!("/v1/responses/{id}/input_items", Key, GET responses::stored::input_items),
    route!("/v1/messages", Key with permit, POST anthropic::create::create),
    route!("/v1/messages/count_tokens", Key with permit, POST anthropic::count::count),
    route!("/v1/chat/stream", KeyOrProtocol with permit, GET ws::open),
    route!("/v1/chat", Key with permit, POST plain_chat::create),
    route!("/v1/models", Key, GET models::list),
    route!("/v1/models/{id}", Key, GET models::one),
    route!("/v3/sessions", Key, GET sessions::list, POST sessions::create),
    // Before `{id}`, since the first one that fits is taken.
    route!("/v3/sessions/import", Key, POST transfer::import),
    route!("/v3/sessions/{id}", Key, GET sessions::one, PATCH sessions::update, DELETE sessions::remove),
    route!("/v3/sessions/{id}/turns", Key with trace, POST turns::ask),
    route!("/v3/sessions/{id}/cancel", Key, POST turns::cancel),
    route!("/v3/sessions/{id}/edit", Key with trace, POST turns::edit),
    route!("/v3/sessions/{id}/regenerate", Key with trace, POST turns::regenerate),
    route!("/v3/sessions/{id}/choose", Key, POST turns::choose),
    route!("/v3/sessions/{id}/fork", Key, POST sessions::fork),
    route!("/v3/sessions/{id}/export", Key, GET transfer::export),
    route!("/v3/sessions/{id}/events", Key with permit, GET events::stream),
    route!("/v3/events", Key with permit, GET topics::stream),
    route!("/v3/ws", KeyOrProtocol with permit, GET v3::ws::open),
    route!("/v3/audit", Key, GET audit::list),
    route!("/v3/prometheus/sd", Key, GET prometheus::discover),
    route!("/healthz", Open, GET admin::healthz),
    route!("/readyz", Open, GET admin::readyz),
    route!("/metrics", KeyUnlessLoopback, GET admin::metrics),
    route!("/openapi.json", Open, GET openapi::document),
    route!("/admin/status", Key, GET admin::status),
    route!("/admin/tokens", Key, GET tokens::list, POST tokens::create),
    route!("/admin/tokens/{id}", Key, DELETE tokens::revoke),
    route!("/admin/nodes", Key, GET nodes::list),
    route!("/admin/nodes/{id}", Key, GET nodes::one, DELETE nodes::remove),
    route!("/admin/nodes/{id}/drain", Key, POST nodes::drain),
    route!("/admin/nodes/{id}/undrain", Key, POST nodes::undrain),
    route!("/admin/nodes/{id}/rename", Key, POST nodes::rename),
    route!("/admin/models/{id}", Key, DELETE admin::models::remove),
    route!("/admin/models/{id}/placement", Key, GET admin::models::placement),
    route!("/admin/models/{id}/load", Key, POST loading::load),
    route!("/admin/models/{id}/unload", Key, POST loading::unload),
    route!("/admin/models/{id}/pin", Key, POST loading::pin),
    route!("/admin/models/{id}/unpin", Key, POST loading::unpin),
    route!("/admin/hub/models", Key, GET hub::search),
    route!("/admin/hub/model", Key, GET hub::look),
    route!("/admin/downloads", Key, GET downloads::list, POST downloads::create),
    route!("/admin/downloads/{id}", Key, DELETE downloads::remove),
    route!("/admin/downloads/{id}/pause", Key, POST downloads::pause),
    route!("/admin/downloads/{id}/resume", Key, POST downloads::resume),
    route!("/admin/fleet", Key, GET fleet::view),
    route!("/admin/events", Key, GET fleet::events),
    route!("/admin/turns/{id}/cancel", Key, POST fleet::cancel_turn),
    route!("/admin/notifications", Key, GET notices::list),
    route!("/admin/notifications/{id}/ack", Key, POST notices::acknowledge),
    route!("/admin/logs", Key, GET logs::lines),
    route!("/admin/policy", Key, GET policy::read),
    route!("/v3/me", Key, GET signin::me),
    route!("/v3/sign-in", Open, POST signin::sign_in),
    route!("/v3/sign-in/link", Key, POST signin::link),
    route!("/v3/sign-out", Open, POST signin::sign_out),
];

/// The web app: its pages, which are one file, and the files that they need. Open, since they hold nothing.
const PAGES: &[Route] = &[
    route!("/", Open, GET web::page),
    route!("/s/{id}", Open, GET web::page),
    route!("/sessions", Open, GET web::page),
    route!("/fleet", Open, GET web::page),
    route!("/models", Open, GET web::page),
    route!("/logs", Open, GET web::page),
    route!("/settings", Open, GET web::page),
    route!("/signin", Open, GET web::page),
    route!("/assets/{id}", Open, GET web::asset),
    route!("/theme.js", Open, GET web::asset),
    route!("/icon.svg", Open, GET web::asset),
];

fn all() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(PAGES)
}

/// The route of a path, whatever the method.
pub(crate) fn find(path: &str) -> Option<&'static Route> {
    all().find(|route| route.is_at(path))
}

/// The router of the whole table.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let endpoints = all().flat_map(|route| route.endpoints.iter().map(move |each| (route, each)));
    let router = endpoints
        .fold(Router::new(), |router, (route, endpoint)| router.route(route.template, (endpoint.handler)()));
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
        let mut labels: Vec<_> = all().map(|route| route.template).collect();
        labels.push(UNKNOWN_ROUTE);
        assert_eq!(labels, ROUTE_LABELS);
    }

    #[test]
    fn a_path_finds_its_route_and_no_other() {
        let template = |path: &str| find(path).map(|route| route.template);
        for route in all() {
            assert_eq!(template(&route.template.replace("{id}", "sprout")), Some(route.template));
        }
        for path in [
            "",
            "/v1",
            "/v1/models/",
            "/v1/models/a/b",
            "/metrics/",
            "/V1/models",
            "/theme.jsx",
            "/s/",
            "/assets/a/b",
            "/admin/nodes//drain",
            "/admin/nodes/a/b/drain",
            "/admin/nodes/a/",
            "/admin/nodes/a/paint",
            "/admin/models/a/b",
            "/v3/sessions/",
            "/v3/sessions/ses_1/paint",
            "/v3/sessions/ses_1/events/",
            "/v3/sessions//turns",
        ] {
            assert_eq!(template(path), None, "{path}");
        }
    }

    #[test]
    fn a_route_takes_its_methods_and_lists_them() {
        let node = find("/admin/nodes/mac").unwrap();
        for (method, takes) in
            [(Method::GET, true), (Method::HEAD, true), (Method::DELETE, true), (Method::POST, false)]
        {
            assert_eq!(node.takes(&method), takes, "{method}");
        }
        assert_eq!(node.allowed(), "GET, HEAD, DELETE");
        assert!(!find("/v1/completions").unwrap().takes(&Method::HEAD));
    }

    #[test]
    fn what_changes_something_needs_a_key() {
        for route in ROUTES {
            let changes = route.endpoints.iter().any(|endpoint| endpoint.method != Method::GET);
            let signs = ["/v3/sign-in", "/v3/sign-out"].contains(&route.template);
            assert!(!changes || signs || route.access == Access::Key, "{}", route.template);
        }
    }

    #[test]
    fn only_harmless_routes_are_open() {
        let open: Vec<_> =
            ROUTES.iter().filter(|route| route.access == Access::Open).map(|route| route.template).collect();
        assert_eq!(open, ["/healthz", "/readyz", "/openapi.json", "/v3/sign-in", "/v3/sign-out"]);
    }
}
