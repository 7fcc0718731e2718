//! Who may ask, under which name, from which page.

use serde_json::Value;

use crate::server::{KEY, Server};

/// What `/openapi.json` says of every route; a unit test holds it equal to the router.
async fn routes(server: &Server) -> Vec<(String, String, bool)> {
    let document: Value =
        server.request_without_key("GET", "/openapi.json").send().await.unwrap().json().await.unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            // Metrics are open to this machine, which a test is.
            let needs_key = operation.get("security").is_some() && path != "/metrics";
            routes.push((method.to_uppercase(), path.replace("{id}", "tiny"), needs_key));
        }
    }
    routes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_that_is_not_open_needs_a_right_key() {
    let server = Server::start().await;
    let routes = routes(&server).await;
    assert!(routes.len() >= 24, "{routes:?}");
    for (method, path, needs_key) in routes {
        let request = || server.request_without_key(&method, &path);
        let credentials = [
            ("none", request(), false),
            ("wrong", request().bearer_auth("pom_wrong"), false),
            ("empty", request().bearer_auth(""), false),
            ("basic", request().basic_auth("user", Some(KEY)), false),
            ("cookie", request().header("cookie", format!("key={KEY}")), false),
            ("query", server.request_without_key(&method, &format!("{path}?api_key={KEY}")), false),
            ("bearer", request().bearer_auth(KEY), true),
            ("x-api-key", request().header("x-api-key", KEY), true),
        ];
        for (name, request, is_right) in credentials {
            let status = request.send().await.unwrap().status();
            let refused = status == 401;
            assert_eq!(refused, needs_key && !is_right, "{method} {path} with {name}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_key_is_told_how_to_show_one() {
    let server = Server::start().await;
    let response = server.request_without_key("GET", "/v1/models").send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "invalid_api_key");
    assert!(answer["error"]["message"].as_str().unwrap().contains("Authorization: Bearer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_host_or_origin_is_refused_before_the_key_is_looked_at() {
    let server = Server::with(|config| {
        config.gateway.allowed_hosts = vec!["orchard.local".to_owned()];
        config.gateway.allowed_origins = vec!["https://chat.example".to_owned()];
    })
    .await;
    let own_origin = server.url("");
    for (header, value, status, code) in [
        ("host", "evil.example", 403, "host_not_allowed"),
        ("host", "orchard.local", 200, ""),
        ("host", "localhost", 200, ""),
        ("origin", "https://evil.example", 403, "origin_not_allowed"),
        ("origin", "null", 403, "origin_not_allowed"),
        ("origin", "https://chat.example", 200, ""),
        ("origin", &own_origin, 200, ""),
    ] {
        let response = server.request("GET", "/v1/models").header(header, value).send().await.unwrap();
        assert_eq!(response.status(), status, "{header}: {value}");
        let granted = response.headers().get("access-control-allow-origin").cloned();
        assert_eq!(granted.is_some(), value == "https://chat.example", "{header}: {value}");
        let answer: Value = response.json().await.unwrap();
        if status == 403 {
            assert_eq!(answer["error"]["code"], code);
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(value) && message.contains("gateway.allowed_"), "{message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_may_ask_beforehand_only_for_allowed_pages() {
    let server = Server::with(|config| {
        config.gateway.allowed_origins = vec!["https://chat.example".to_owned()];
    })
    .await;
    for (origin, status) in [("https://chat.example", 204), ("https://evil.example", 403)] {
        let request = server
            .request_without_key("OPTIONS", "/v1/chat/completions")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, content-type");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        let allowed = response.headers().get("access-control-allow-headers");
        assert_eq!(
            allowed.is_some_and(|value| value.to_str().unwrap().contains("authorization")),
            status == 204
        );
    }
    // A refusal must be readable by the page as well.
    let refused = server.request_without_key("GET", "/v1/models").header("origin", "https://chat.example");
    let response = refused.send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["access-control-allow-origin"], "https://chat.example");
}
