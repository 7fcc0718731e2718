//! The description of the API that machines read, made from the handlers and types themselves.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::state::Shared;

#[derive(OpenApi)]
#[openapi(
    info(title = "Pomona", description = "Language models out of Macs, in OpenAI's dialect."),
    paths(
        crate::openai::chat::create,
        crate::openai::completions::create,
        crate::ws::open,
        crate::openai::models::list,
        crate::openai::models::one,
        crate::admin::healthz,
        crate::admin::readyz,
        crate::admin::metrics,
        crate::admin::status,
        crate::admin::tokens::list,
        crate::admin::tokens::create,
        crate::admin::tokens::revoke,
        crate::admin::nodes::list,
        crate::admin::nodes::one,
        crate::admin::nodes::remove,
        crate::admin::nodes::drain,
        crate::admin::nodes::undrain,
        crate::admin::nodes::rename,
        crate::admin::loading::load,
        crate::admin::loading::unload,
        document,
        crate::page::html,
        crate::page::script,
        crate::page::style,
    ),
    modifiers(&Key)
)]
struct Document;

/// Adds the one way to show who one is.
struct Key;

impl Modify for Key {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// Made on first use; it never changes afterwards.
static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Document::openapi);

/// This document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "the OpenAPI description of this server")))]
pub(crate) async fn document(State(shared): State<Arc<Shared>>) -> Response {
    let mut document = DOCUMENT.clone();
    document.info.version.clone_from(&shared.version);
    let mut response = Response::new(Body::from(document.to_json().unwrap_or_default()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::{Access, ROUTES};

    #[test]
    fn every_route_is_described_with_its_access() {
        let document: serde_json::Value = serde_json::from_str(&DOCUMENT.to_json().unwrap()).unwrap();
        assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
        for route in ROUTES {
            for endpoint in route.endpoints {
                let method = endpoint.method.as_str().to_lowercase();
                let operation = &document["paths"][route.template][&method];
                assert!(operation.is_object(), "{method} {} is not described", route.template);
                let is_open = operation["security"].is_null();
                assert_eq!(is_open, route.access == Access::Open, "{}", route.template);
            }
        }
        let methods = |path: &serde_json::Value| path.as_object().unwrap().len();
        let described: usize = document["paths"].as_object().unwrap().values().map(methods).sum();
        assert_eq!(described, ROUTES.iter().map(|route| route.endpoints.len()).sum::<usize>());
    }
}
