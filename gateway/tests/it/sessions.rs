//! What the routes of `/v3` refuse before a session is asked.

use serde_json::{Value, json};

use crate::server::Server;

const SESSION: &str = "ses_00000000000000000000000000000001";

/// Method, path, body, status, code and param.
type Refusal = (&'static str, String, Value, u16, &'static str, &'static str);

fn refusals() -> Vec<Refusal> {
    let at = |rest: &str| format!("/v3/sessions/{SESSION}{rest}");
    let of = |rest: &str| format!("/v3/sessions{rest}");
    let bad = |method, path, body, param| (method, path, body, 400, "invalid_request", param);
    let turn = |n: u8| format!("turn_{n:032x}");
    vec![
        bad("GET", of("/ses_1"), Value::Null, "id"),
        bad("GET", of("/nothing"), Value::Null, "id"),
        bad("DELETE", of("/turn_00000000000000000000000000000001"), Value::Null, "id"),
        bad("GET", of("/%ff/events"), Value::Null, "id"),
        bad("POST", of("/x/turns"), json!({"input": "x"}), "id"),
        bad("GET", of("?limit=0"), Value::Null, "limit"),
        bad("GET", of("?limit=201"), Value::Null, "limit"),
        bad("GET", of("?limit=x"), Value::Null, "limit"),
        bad("GET", of("?tag=%00"), Value::Null, "tag"),
        bad("POST", of(""), json!({"titel": "x"}), "titel"),
        bad("POST", of(""), json!({"title": 5}), "title"),
        bad("POST", of(""), json!({"sampling": {"top_p": 2}}), "sampling.top_p"),
        bad("POST", of(""), json!({"sampling": {"top_p": "x"}}), "sampling.top_p"),
        bad("POST", of(""), json!({"tags": ["a", ""]}), "tags[1]"),
        bad("POST", of(""), json!({"context": "forget"}), "context"),
        bad("POST", of(""), json!({"seed": -1}), "seed"),
        bad("PATCH", at(""), json!({"shared": {"ann": "read"}}), "shared"),
        bad("PATCH", at(""), json!({"expected_seq": -1}), "expected_seq"),
        bad("POST", at("/turns"), json!({}), "input"),
        bad("POST", at("/turns"), json!({"input": 5}), "input"),
        bad("POST", at("/turns"), json!({"input": "x", "turn": turn(1)}), "turn"),
        bad("POST", at("/turns"), json!({"input": "x", "parent": "1"}), "parent"),
        bad("POST", at("/turns"), json!({"input": "x", "more": 1}), "more"),
        bad("POST", at("/edit"), json!({"turn": turn(1)}), "input"),
        bad("POST", at("/edit"), json!({"turn": turn(1), "input": "x", "parent": turn(2)}), "parent"),
        bad("POST", at("/regenerate"), json!({"turn": turn(1), "input": "x"}), "input"),
        bad("POST", at("/cancel"), json!({"turn": 1}), "turn"),
        bad("POST", at("/cancel"), json!({"title": "x"}), "title"),
        bad("POST", at("/choose"), json!({}), "turn"),
        bad("POST", at("/fork"), json!({"title": "a\u{7}"}), "title"),
        bad("POST", of("/import"), json!({"format": "x", "title": "", "model": "m", "turns": []}), "format"),
        bad("GET", at("/export?format=pdf"), Value::Null, "format"),
        bad("GET", at("/events?after=-1"), Value::Null, "after"),
        bad("GET", at("/events?after=99999999999999999999"), Value::Null, "after"),
        bad("GET", at("/events?coalesce_ms=1001"), Value::Null, "coalesce_ms"),
        bad("GET", at("/events?name=%1b"), Value::Null, "name"),
        bad("GET", "/v3/audit?after=x".to_owned(), Value::Null, "after"),
        bad("GET", "/v3/audit?limit=1001".to_owned(), Value::Null, "limit"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_request_to_a_session_is_told_what_is_wrong() {
    let server = Server::start().await;
    for (method, path, body, status, code, param) in refusals() {
        let mut request = server.request(method, &path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let given = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        let error = &answer["error"];
        assert_eq!((given, error["code"].as_str()), (status, Some(code)), "{method} {path} {body}: {answer}");
        assert_eq!(error["param"], param, "{method} {path} {body}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_for_those_who_have_a_key() {
    let server = Server::start().await;
    for path in ["/v3/sessions", &format!("/v3/sessions/{SESSION}/events"), "/v3/audit"] {
        let response = server.request_without_key("GET", path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401, "{path}");
    }
    let response = server.request("PUT", &format!("/v3/sessions/{SESSION}")).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 405);
    assert_eq!(response.headers()["allow"], "GET, HEAD, PATCH, DELETE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_names_for_one_request_are_refused() {
    let server = Server::start().await;
    let path = format!("/v3/sessions/{SESSION}/turns");
    let request = server.request("POST", &path).header("idempotency-key", "a");
    let response = request.json(&json!({"input": "x", "idempotency_key": "b"})).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 400);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"]["param"], "idempotency_key");
    let request = server.request("GET", &format!("/v3/sessions/{SESSION}/events?after=1"));
    let response = request.header("last-event-id", "x").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 400, "the header goes before the query");
}
