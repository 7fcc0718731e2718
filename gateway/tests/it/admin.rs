//! What an admin asks of the cluster, as far as the gateway decides it.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};

use crate::server::{KEY, PATIENCE, Server};

async fn said(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    (status, answer["error"]["message"].as_str().unwrap_or(&text).to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_body_is_refused_by_name() {
    let server = Server::start().await;
    let token = |ttl_s: i64, uses: i64| json!({"role": "node", "ttl_s": ttl_s, "uses": uses});
    for (path, body, says) in [
        ("/admin/tokens", token(0, 1), "ttl_s is 0; the range is 1 to 2592000"),
        ("/admin/tokens", token(2_592_001, 1), "ttl_s is 2592001"),
        ("/admin/tokens", token(60, 1001), "uses is 1001; the range is 1 to 1000"),
        ("/admin/tokens", json!({"role": "king", "ttl_s": 1, "uses": 1}), "known are node and gateway"),
        ("/admin/tokens", json!({"role": "node", "uses": 1}), "missing field `ttl_s`"),
        ("/admin/tokens", json!({"role": "node", "ttl_s": 1, "uses": 1, "user": 1}), "unknown field `user`"),
        ("/admin/nodes/here/rename", json!({"name": ""}), "name is empty"),
        ("/admin/nodes/here/rename", json!({"name": "x".repeat(65)}), "name has 65 bytes"),
        ("/admin/nodes/here/rename", json!({"name": "a\u{7}"}), "control character"),
        ("/admin/nodes/here/rename", json!({}), "missing field `name`"),
        ("/admin/models/tiny/load", json!({"node": ""}), "node is empty"),
        ("/admin/models/tiny/load", json!({"nodes": "x"}), "unknown field `nodes`"),
        ("/admin/models/tiny/unload", json!([1]), "expected a string"),
        ("/admin/models/tiny/pin", json!({"node": "a\u{7}"}), "control character"),
        ("/admin/models/tiny/unpin", json!({"on": true}), "unknown field `on`"),
    ] {
        let (status, message) = said(server.post(path, &body).await).await;
        assert_eq!(status, 400, "{path} {body}: {message}");
        assert!(message.contains(says), "{path} {body}: {message}");
    }
    let long = format!("/admin/nodes/{}/drain", "x".repeat(200));
    let (status, message) = said(server.request("POST", &long).send().await.unwrap()).await;
    assert!(status == 400 && message.contains("200 bytes"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_found_by_name_and_unknown_ones_are_404() {
    let server = Server::start().await;
    let nodes: Value = server.request("GET", "/admin/nodes").send().await.unwrap().json().await.unwrap();
    assert_eq!(nodes["nodes"][0]["is_here"], true);
    let name = nodes["nodes"][0]["name"].as_str().unwrap();
    let one = server.request("GET", &format!("/admin/nodes/{name}")).send().await.unwrap();
    assert_eq!(one.json::<Value>().await.unwrap()["node"], nodes["nodes"][0]["node"]);
    for (method, path) in [
        ("GET", "/admin/nodes/nobody"),
        ("DELETE", "/admin/nodes/nobody"),
        ("POST", "/admin/nodes/nobody/drain"),
        ("POST", "/admin/nodes/nobody/undrain"),
    ] {
        let (status, message) = said(server.request(method, path).send().await.unwrap()).await;
        assert_eq!(status, 404, "{method} {path}: {message}");
        assert!(message.contains("nobody"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_placement_says_where_a_model_is() {
    let server = Server::start().await;
    let asked = Instant::now();
    let placement = loop {
        let answer = server.request("GET", "/admin/models/tiny/placement").send().await.unwrap();
        let placement: Value = answer.json().await.unwrap();
        // Its folder is looked at while it is being loaded.
        if placement["nodes"][0]["has_weights"] == true {
            break placement;
        }
        assert!(asked.elapsed() < PATIENCE, "{placement}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let place = &placement["nodes"][0];
    assert_eq!((&placement["model"], &placement["best"]), (&json!("tiny"), &Value::Null));
    assert_eq!(
        (&place["node"], &place["reason"], &place["fits"]),
        (&json!("here"), &json!("has_it"), &json!(false))
    );
    assert_eq!(place["max_bytes"], 1u64 << 30);
    for (method, path, status) in [
        ("GET", "/admin/models/none/placement", 404),
        ("DELETE", "/admin/models/none", 404),
        ("DELETE", "/admin/models/tiny", 409),
        // This one knows no hub.
        ("GET", "/admin/hub/models?q=x", 409),
        ("GET", "/admin/hub/model?repo=a/b", 409),
    ] {
        let (got, message) = said(server.request(method, path).send().await.unwrap()).await;
        assert_eq!(got, status, "{method} {path}: {message}");
    }
    for path in ["/admin/models/tiny/placement", "/admin/policy", "/admin/hub/models?q=x"] {
        assert_eq!(server.request_without_key("GET", path).send().await.unwrap().status(), 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_are_told_without_a_secret_and_the_page_may_ask_the_addresses() {
    let server = Server::with(|config| {
        config.gateway.addresses = vec!["http://192.168.1.7:9999".to_owned()];
        config.gateway.allowed_hosts = vec!["orchard.local".to_owned()];
        config.fleet.pinned = vec!["tiny".to_owned()];
        config.restart.max_attempts = 4;
        config.store.url = Some("postgres://me:sesame@db.example/pomona".to_owned());
        config.notifications.webhook_secret = Some("sesame".to_owned());
    })
    .await;
    let text = server.request("GET", "/admin/policy").send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("sesame") && !text.contains("db.example") && !text.contains(KEY), "{text}");
    let policy: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&policy["restart"]["max_attempts"], &policy["restart"]["enabled"]),
        (&json!(4), &json!(true))
    );
    let hosts = json!({
        "hosts": true, "memory_bytes_max": 1u64 << 30, "load_on_demand": true, "idle_unload_ms": 0,
        "pinned": ["tiny"], "replicas": [],
    });
    assert_eq!(policy["hosts"], hosts);
    assert_eq!(policy["access"], json!({"allowed_hosts": ["orchard.local"], "allowed_origins": []}));
    assert_eq!(policy["addresses"], json!(["http://192.168.1.7:9999"]));
    let page = server.request_without_key("GET", "/settings").send().await.unwrap();
    let allowed = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(allowed.ends_with("connect-src 'self' http://192.168.1.7:9999"), "{allowed}");
}

/// The gateway of these tests has no links, and so no authority.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_refused_where_the_authority_is_not_held() {
    let server = Server::start().await;
    let wish = json!({"role": "node", "ttl_s": 60, "uses": 1});
    for request in [
        server.request("GET", "/admin/tokens"),
        server.request("POST", "/admin/tokens").json(&wish),
        server.request("DELETE", "/admin/tokens/0123456789abcdef"),
    ] {
        let (status, message) = said(request.send().await.unwrap()).await;
        assert_eq!(status, 409, "{message}");
        assert!(message.contains("does not hold the cluster's authority"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_says_which_methods_it_takes() {
    let server = Server::start().await;
    for (method, path, allow) in [
        ("PUT", "/admin/tokens", "GET, HEAD, POST"),
        ("POST", "/admin/nodes/here", "GET, HEAD, DELETE"),
        ("GET", "/admin/nodes/here/drain", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
    ] {
        let response = server.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), 405, "{method} {path}");
        assert_eq!(response.headers()["allow"], allow, "{method} {path}");
    }
}

/// A page of somebody else must not act through a visitor's browser, whichever method it uses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_something_refuses_foreign_origins() {
    let server = Server::start().await;
    let document: Value =
        server.request_without_key("GET", "/openapi.json").send().await.unwrap().json().await.unwrap();
    let mut checked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "get") {
            for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
                let path = path.replace("{id}", "here");
                let request = server.request(&method.to_uppercase(), &path).header("origin", origin);
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), 403, "{method} {path} from {origin}");
                assert!(response.headers().get("access-control-allow-origin").is_none());
                checked += 1;
            }
        }
    }
    assert!(checked >= 3 * 10, "{checked}");
    let nodes = server.request_without_key("GET", "/admin/nodes").bearer_auth(KEY).send().await.unwrap();
    assert_eq!(nodes.status(), 200, "nothing was removed");
}
