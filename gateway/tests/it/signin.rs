//! Browsers that sign in: by key, by link, and what their cookie opens.

use futures::StreamExt;
use reqwest::Response;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::server::{KEY, Server};

/// As a browser does: with the `Origin` of the gateway's own page.
async fn sign_in(server: &Server, body: Value) -> Response {
    let request = server.request_without_key("POST", "/v3/sign-in").header("origin", server.url(""));
    request.json(&body).send().await.unwrap()
}

/// The cookie of an answer, as it is sent back.
fn cookie(response: &Response) -> String {
    let line = response.headers()["set-cookie"].to_str().unwrap();
    for word in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(line.contains(word), "{line}");
    }
    assert!(!line.contains("Secure"), "nothing is encrypted here: {line}");
    line.split(';').next().unwrap().to_owned()
}

async fn me(server: &Server, cookie: &str) -> Response {
    server.request_without_key("GET", "/v3/me").header("cookie", cookie).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pasted_key_signs_in_and_out() {
    let server = Server::start().await;
    let answer = sign_in(&server, json!({ "key": format!(" {KEY}\n") })).await;
    assert_eq!(answer.status(), 204);
    let cookie = cookie(&answer);
    let said: Value = me(&server, &cookie).await.json().await.unwrap();
    assert_eq!(said["gateway"], "here");
    assert!(said["key"].as_str().unwrap().starts_with("key_"), "{said}");

    let ask = |origin: String| {
        let request = server.request_without_key("POST", "/v3/sessions").header("cookie", cookie.clone());
        let request = if origin.is_empty() { request } else { request.header("origin", origin) };
        request.json(&json!({})).send()
    };
    // There is no store behind this server: what is asked for is not done, but it is no question of the key.
    assert_ne!(ask(server.url("")).await.unwrap().status(), 401);
    assert_eq!(ask(String::new()).await.unwrap().status(), 401, "a change without Origin is no browser's");
    assert_eq!(ask("http://127.0.0.1:1".to_owned()).await.unwrap().status(), 403);

    let out = server.request_without_key("POST", "/v3/sign-out").header("cookie", cookie.clone());
    let out = out.header("origin", server.url("")).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(me(&server, &cookie).await.status(), 401, "the cookie is worth nothing any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_signs_one_browser_in() {
    let server = Server::start().await;
    assert_eq!(server.request_without_key("POST", "/v3/sign-in/link").send().await.unwrap().status(), 401);
    let made = server.request("POST", "/v3/sign-in/link").send().await.unwrap();
    assert_eq!(made.status(), 201);
    let link: Value = made.json().await.unwrap();
    assert_eq!(link["expires_in_s"], 600);
    let code = link["path"].as_str().unwrap().strip_prefix("/signin#code=").unwrap().to_owned();
    let first = sign_in(&server, json!({ "code": code })).await;
    assert_eq!(me(&server, &cookie(&first)).await.status(), 200);
    let second = sign_in(&server, json!({ "code": code })).await;
    assert_eq!(second.status(), 401);
    let said: Value = second.json().await.unwrap();
    assert_eq!(said["error"]["code"], "code_invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_sign_in_is_refused() {
    let server = Server::start().await;
    for (body, status, code) in [
        (json!({}), 400, "invalid_request"),
        (json!({ "key": KEY, "code": "x" }), 400, "invalid_request"),
        (json!({ "password": "x" }), 400, "invalid_request"),
        (json!({ "key": "pom_wrong" }), 401, "invalid_api_key"),
        (json!({ "code": "" }), 401, "code_invalid"),
    ] {
        let answer = sign_in(&server, body.clone()).await;
        assert_eq!(answer.status(), status, "{body}");
        assert!(!answer.headers().contains_key("set-cookie"), "{body}");
        let said: Value = answer.json().await.unwrap();
        assert_eq!(said["error"]["code"], code, "{body}");
    }
    for cookie in ["pomona_1=x", "pomona_=", "=", "a;b=;c"] {
        assert_eq!(me(&server, cookie).await.status(), 401, "{cookie}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_opens_by_the_cookie_for_pages_of_this_gateway() {
    let server = Server::start().await;
    let cookie = cookie(&sign_in(&server, json!({ "key": KEY })).await);
    let open = async |origin: String| {
        let mut request = server.url("/v1/chat/stream").replace("http", "ws").into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        tokio_tungstenite::connect_async(request).await
    };
    let (mut socket, _) = open(server.url("")).await.unwrap();
    socket.close(None).await.unwrap();
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    assert!(open("http://127.0.0.1:1".to_owned()).await.is_err());
}
