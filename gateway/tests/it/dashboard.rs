//! What a dashboard reads: the fleet and its feed, notices, logs; and the turn that it ends.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::server::{MODEL, PATIENCE, Server};

/// One event of a stream.
#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

/// A reader of `/admin/events`.
struct Reader {
    response: Response,
    text: String,
    ready: VecDeque<Event>,
}

impl Reader {
    async fn open(server: &Server, last: Option<&str>) -> Self {
        let mut request = server.request("GET", "/admin/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self { response, text: String::new(), ready: VecDeque::new() }
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("an event comes");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream goes on")).unwrap());
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let Some(data) = field("data: ") {
                    let (id, kind) = (field("id: ").unwrap(), field("event: ").unwrap());
                    self.ready.push_back(Event { id, kind, data: serde_json::from_str(&data).unwrap() });
                }
                self.text = rest.to_owned();
            }
        }
    }

    async fn until(&mut self, what: &str, condition: impl Fn(&Event) -> bool) -> Event {
        for _ in 0..500 {
            let event = self.next().await;
            if condition(&event) {
                return event;
            }
        }
        panic!("{what} does not come");
    }
}

async fn get(server: &Server, path: &str) -> (StatusCode, Value) {
    let response = server.request("GET", path).send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_begins_with_everything_and_goes_on_with_changes() {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, None).await;
    let first = reader.next().await;
    assert_eq!(first.kind, "snapshot");
    let fleet = &first.data["fleet"];
    assert_eq!((&fleet["gateway"], &fleet["nodes"][0]["is_here"]), (&json!("here"), &json!(true)));
    assert_eq!(fleet["nodes"][0]["replicas"][0]["model"], MODEL);
    assert_eq!(fleet["nodes"][0]["replicas"][0]["state"], "ready");
    reader.until("rates", |event| event.kind == "rates").await;
    // Long enough to be cancelled before it is over.
    let body =
        json!({"max_tokens": 1900, "ignore_eos": true, "stream": true, "logprobs": true, "top_logprobs": 20});
    let answer = server.chat(body).await;
    let started = reader.until("a start", |event| event.data["started"][0].is_object()).await;
    let turn = &started.data["started"][0];
    assert_eq!((&turn["model"], turn["key"].as_str().unwrap().len()), (&json!(MODEL), 4 + 16));
    let id = turn["id"].as_str().unwrap().to_owned();
    let cancelled = server.request("POST", &format!("/admin/turns/{id}/cancel")).send().await.unwrap();
    assert_eq!(cancelled.status(), 202);
    let ended = reader.until("an end", |event| event.data["ended"][0]["id"] == id.as_str()).await;
    assert_eq!(ended.data["ended"][0]["outcome"], "cancelled");
    answer.text().await.unwrap();
    let again = server.request("POST", &format!("/admin/turns/{id}/cancel")).send().await.unwrap();
    assert_eq!(again.status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_gets_what_was_missed_and_strangers_everything() {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, None).await;
    let first = reader.next().await;
    let second = reader.until("rates", |event| event.kind == "rates").await;
    drop(reader);
    server.chat(json!({})).await.text().await.unwrap();
    let mut back = Reader::open(&server, Some(&first.id)).await;
    assert_eq!(back.until("the same rates", |event| event.kind != "node").await.id, second.id);
    for stranger in ["", "x", "1-99999999", "ffffff-1", "1-x"] {
        assert_eq!(Reader::open(&server, Some(stranger)).await.next().await.kind, "snapshot", "{stranger}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_bounded_and_give_their_places_back() {
    let server = Server::start().await;
    let mut readers = Vec::new();
    for _ in 0..64 {
        readers.push(Reader::open(&server, None).await);
    }
    let refused = server.request("GET", "/admin/events").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    drop(readers);
    for _ in 0..200 {
        let response = server.request("GET", "/admin/events").send().await.unwrap();
        if response.status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no place came back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_the_feed_with_a_word() {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, None).await;
    reader.next().await;
    server.shutdown.cancel();
    let cut = reader.until("the cut", |event| event.kind == "cut").await;
    assert_eq!(cut.data["reason"], "shutting_down");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fleet_shows_rates_and_a_history_after_turns() {
    let server = Server::start().await;
    server.chat(json!({"max_tokens": 16, "ignore_eos": true})).await.text().await.unwrap();
    let mut reader = Reader::open(&server, None).await;
    let is_counted = |event: &Event| event.kind == "rates" && event.data["rates"]["turn_ms"]["count"] == 1;
    reader.until("the turn in the rates", is_counted).await;
    let (status, fleet) = get(&server, "/admin/fleet").await;
    assert_eq!(status, 200);
    assert!(!fleet["history"].as_array().unwrap().is_empty());
    assert!(fleet["rates"]["first_token_ms"]["p95"].as_f64().unwrap() > 0.0, "{}", fleet["rates"]);
    assert_eq!(fleet["turns"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routes_of_a_dashboard_need_a_key_and_refuse_nonsense_by_name() {
    let server = Server::start().await;
    for path in ["/admin/fleet", "/admin/events", "/admin/notifications", "/admin/logs"] {
        assert_eq!(server.request_without_key("GET", path).send().await.unwrap().status(), 401, "{path}");
    }
    for (method, path, status, says) in [
        ("POST", "/admin/turns/nonsense/cancel", 400, "turn id"),
        ("POST", "/admin/turns/turn_00000000000000000000000000000001/cancel", 404, "no turn"),
        ("POST", "/admin/notifications/7/ack", 400, "notice id"),
        ("POST", "/admin/notifications/ntc_0000000000000007/ack", 404, "no notice"),
        ("GET", "/admin/notifications?limit=0", 400, "limit"),
        ("GET", "/admin/notifications?open=perhaps", 400, "open"),
        ("GET", "/admin/logs?level=loud", 400, "known are error"),
        ("GET", "/admin/logs?limit=10001", 400, "limit"),
        ("GET", "/admin/logs?since=yesterday", 400, "since"),
        ("GET", "/admin/logs?node=nobody", 404, "nobody"),
        ("GET", "/admin/logs?node=nobody&follow=true", 404, "nobody"),
        ("GET", "/admin/logs?follow=true&download=true", 400, "exclude"),
    ] {
        let response = server.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        let body: Value = response.json().await.unwrap();
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{method} {path}: {message}");
    }
    let long = format!("/admin/logs?text={}", "x".repeat(300));
    assert_eq!(server.request("GET", &long).send().await.unwrap().status(), 400);
}

/// The machine of these tests keeps no log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_a_log_is_named() {
    let server = Server::start().await;
    let text = server.request("GET", "/admin/logs").send().await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!((&lines[0]["type"], &lines[0]["node"]), (&json!("missing"), &json!("here")));
    assert_eq!(lines[1], json!({"type": "end", "next": null, "is_cut": false}));
}
