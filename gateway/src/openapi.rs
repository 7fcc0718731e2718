//! The description of the API that machines read, made from the handlers and types themselves.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use utoipa::openapi::Required;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::state::Shared;

#[derive(OpenApi)]
#[openapi(
    info(title = "Pomona", description = "Language models out of Macs, in OpenAI's dialect."),
    paths(
        crate::openai::chat::create,
        crate::openai::completions::create,
        crate::openai::embeddings::create,
        crate::responses::create::create,
        crate::responses::stored::retrieve,
        crate::responses::stored::remove,
        crate::responses::stored::cancel,
        crate::responses::stored::input_items,
        crate::anthropic::create::create,
        crate::anthropic::count::count,
        crate::ws::open,
        crate::plain_chat::create,
        crate::openai::models::list,
        crate::openai::models::one,
        crate::v3::sessions::list,
        crate::v3::sessions::create,
        crate::v3::transfer::import,
        crate::v3::sessions::one,
        crate::v3::sessions::update,
        crate::v3::sessions::remove,
        crate::v3::turns::ask,
        crate::v3::turns::cancel,
        crate::v3::turns::edit,
        crate::v3::turns::regenerate,
        crate::v3::turns::choose,
        crate::v3::sessions::fork,
        crate::v3::transfer::export,
        crate::v3::events::stream,
        crate::v3::topics::stream,
        crate::v3::ws::open,
        crate::v3::audit::list,
        crate::v3::prometheus::discover,
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
        crate::admin::models::remove,
        crate::admin::models::placement,
        crate::admin::loading::load,
        crate::admin::loading::unload,
        crate::admin::loading::pin,
        crate::admin::loading::unpin,
        crate::admin::hub::search,
        crate::admin::hub::look,
        crate::admin::downloads::list,
        crate::admin::downloads::create,
        crate::admin::downloads::remove,
        crate::admin::downloads::pause,
        crate::admin::downloads::resume,
        crate::admin::fleet::view,
        crate::admin::fleet::events,
        crate::admin::fleet::cancel_turn,
        crate::admin::notices::list,
        crate::admin::notices::acknowledge,
        crate::admin::logs::lines,
        crate::admin::policy::read,
        document,
        crate::signin::me,
        crate::signin::sign_in,
        crate::signin::link,
        crate::signin::sign_out,
    ),
    modifiers(&Key, &Bodies)
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

/// Where no body is as good as an empty object.
const BODY_MAY_BE_MISSING: &[&str] =
    &["/v3/sessions/{id}/cancel", "/v3/sessions/{id}/fork", "/v3/sessions/{id}/regenerate"];

/// Adds the bodies of `/v3`, whose types are shared with clients and know nothing of OpenAPI.
struct Bodies;

impl Modify for Bodies {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.components.get_or_insert_default().schemas.extend(crate::v3::schema::bodies());
        for path in BODY_MAY_BE_MISSING {
            let post = document.paths.paths.get_mut(*path).and_then(|item| item.post.as_mut());
            if let Some(body) = post.and_then(|post| post.request_body.as_mut()) {
                body.required = Some(Required::False);
            }
        }
    }
}

/// Made on first use; it never changes afterwards.
static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Document::openapi);

/// This document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "the OpenAPI description of this server")))]
pub(crate) async fn document(State(shared): State<Arc<Shared>>) -> Response {
    // Every page asks for it, and making it takes milliseconds.
    let text = shared.description.get_or_init(|| {
        let mut document = DOCUMENT.clone();
        document.info.version.clone_from(&shared.version);
        document.to_json().unwrap_or_default().into()
    });
    let mut response = Response::new(Body::from(text.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::{Access, ROUTES};

    /// Every `$ref` in `value`.
    fn references(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(|name| name.as_str()).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(&DOCUMENT.to_json().unwrap()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.iter().any(|name| name.ends_with("/NewSession")), "{found:?}");
        for name in found {
            assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name}");
        }
    }

    #[test]
    fn a_body_that_may_be_missing_is_described_so() {
        let document: serde_json::Value = serde_json::from_str(&DOCUMENT.to_json().unwrap()).unwrap();
        for path in BODY_MAY_BE_MISSING {
            let body = &document["paths"][path]["post"]["requestBody"];
            assert!(body["content"]["application/json"]["schema"]["$ref"].is_string(), "{path}: {body}");
            assert_eq!(body["required"], false, "{path}");
        }
        let turns = &document["paths"]["/v3/sessions/{id}/turns"]["post"]["requestBody"];
        assert_ne!(turns["required"], false);
    }

    #[test]
    fn the_web_app_knows_this_very_description() {
        let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/openapi.json");
        let kept: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(kept).unwrap()).unwrap();
        let mut now: serde_json::Value = serde_json::from_str(&DOCUMENT.to_json().unwrap()).unwrap();
        now["info"]["version"] = kept["info"]["version"].clone();
        assert!(kept == now, "save GET /openapi.json as web/openapi.json and run `npm run gen:api` in web/");
    }

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
