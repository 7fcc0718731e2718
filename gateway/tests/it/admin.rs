//! What an admin asks of the cluster, as far as the gateway decides it.

use reqwest::Response;
use serde_json::{Value, json};

use crate::server::{KEY, Server};

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
