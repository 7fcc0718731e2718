//! Answers as server-sent events, read as a client reads them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{MODEL, PATIENCE, Server};

/// A stream, cut into what it consists of.
#[derive(Default)]
pub(crate) struct Transcript {
    pub(crate) comments: Vec<String>,
    pub(crate) chunks: Vec<Value>,
    pub(crate) is_done: bool,
}

impl Transcript {
    /// The text of one choice.
    pub(crate) fn text(&self, index: usize) -> String {
        let choices = self.chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
        let own = choices.filter(|choice| choice["index"] == index);
        own.filter_map(|choice| choice["delta"]["content"].as_str().or(choice["text"].as_str())).collect()
    }

    fn reasons(&self, index: usize) -> Vec<&str> {
        let choices = self.chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
        choices
            .filter(|choice| choice["index"] == index)
            .filter_map(|choice| choice["finish_reason"].as_str())
            .collect()
    }
}

/// Reads a whole stream and checks its frame.
pub(crate) fn read(stream: &str) -> Transcript {
    let mut transcript = Transcript::default();
    assert!(stream.ends_with("\n\n"), "cut in the middle: {stream}");
    for event in stream.split_terminator("\n\n") {
        assert!(!transcript.is_done, "something behind [DONE]: {event}");
        if let Some(comment) = event.strip_prefix(": ") {
            transcript.comments.push(comment.to_owned());
        } else if event == "data: [DONE]" {
            transcript.is_done = true;
        } else {
            let data = event.strip_prefix("data: ").expect("only comments and data");
            transcript.chunks.push(serde_json::from_str(data).unwrap());
        }
    }
    transcript
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_stream_ends_each_choice_once_then_usage_then_done() {
    let server = Server::start().await;
    let body = json!({"stream": true, "n": 3, "ignore_eos": true, "stream_options": {"include_usage": true}});
    let response = server.chat(body).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    assert!(response.headers()["x-request-id"].to_str().unwrap().starts_with("turn_"));
    let transcript = read(&response.text().await.unwrap());
    assert!(transcript.is_done);
    assert!(!transcript.comments.is_empty(), "bytes come before the first token");
    for index in 0..3 {
        assert_eq!(transcript.reasons(index), ["length"]);
        assert!(!transcript.text(index).is_empty());
    }
    let (last, before) = transcript.chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 24);
    assert!(before.iter().all(|chunk| chunk["usage"].is_null() && chunk["choices"][0].is_object()));
    let roles = before.iter().filter(|chunk| chunk["choices"][0]["delta"]["role"] == "assistant");
    assert_eq!(roles.count(), 3, "each choice says once who speaks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_stream_has_the_older_shape() {
    let server = Server::start().await;
    let body = json!({"model": MODEL, "prompt": "Once", "stream": true, "max_tokens": 5, "ignore_eos": true, "logprobs": 2});
    let text = server.post("/v1/completions", &body).await.text().await.unwrap();
    let transcript = read(&text);
    assert!(transcript.is_done);
    assert_eq!(transcript.reasons(0), ["length"]);
    let logprobs = transcript.chunks.iter().map(|chunk| &chunk["choices"][0]["logprobs"]);
    let offsets: Vec<u64> = logprobs
        .filter_map(|logprobs| logprobs["text_offset"].as_array())
        .flatten()
        .map(|offset| offset.as_u64().unwrap())
        .collect();
    assert_eq!(offsets.len(), 5);
    assert!(offsets[0] == 0 && offsets.is_sorted(), "{offsets:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_chunks_arrive_without_stalls() {
    let server = Server::start().await;
    let body = json!({"stream": true, "max_tokens": 64, "ignore_eos": true});
    server.chat(body.clone()).await.text().await.unwrap();
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let asked = Instant::now();
        let transcript = read(&server.chat(body.clone()).await.text().await.unwrap());
        assert!(transcript.is_done);
        best = best.min(asked.elapsed());
    }
    // A stall of 40 ms per chunk, as without TCP_NODELAY, would take 2.5 s each time; the bound leaves room for the
    // engine, and the best of five for a busy machine.
    assert!(best < Duration::from_secs(2), "{best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_takes_its_turns_along() {
    let server = Server::start().await;
    let endless = json!({"stream": true, "max_tokens": 1500, "ignore_eos": true, "n": 4});
    let mut response = server.chat(endless).await;
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    server.until_idle().await;
    assert_eq!(server.metric("pomona_turns_ended_total{outcome=\"cancelled\"}").await, 4.0);
    assert_eq!(server.metric("pomona_turns_ended_total{outcome=\"length\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_its_whole_answer_takes_its_turn_along() {
    let server = Server::start().await;
    let asked = server.chat(json!({"max_tokens": 1500, "ignore_eos": true, "n": 4}));
    let four_run = async {
        while server.system.handle().status().await.unwrap().turns_active < 4 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        _ = asked => panic!("the answer was quicker than the test expects"),
        four = tokio::time::timeout(PATIENCE, four_run) => four.expect("four turns run"),
    }
    server.until_idle().await;
    assert_eq!(server.metric("pomona_turns_ended_total{outcome=\"cancelled\"}").await, 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_streams_end_before_a_graceful_shutdown_does() {
    let mut server = Server::start().await;
    let mut response = server.chat(json!({"stream": true, "max_tokens": 200, "ignore_eos": true})).await;
    let mut stream = response.chunk().await.unwrap().unwrap().to_vec();
    server.shutdown.cancel();
    while let Some(more) = response.chunk().await.unwrap() {
        stream.extend_from_slice(&more);
    }
    assert!(read(std::str::from_utf8(&stream).unwrap()).is_done);
    let served = tokio::time::timeout(PATIENCE, server.task.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(served.connections_cut, 0);
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err(), "nothing new is accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_token_cuts_what_still_runs() {
    let mut server = Server::start().await;
    let mut response =
        server.chat(json!({"stream": true, "max_tokens": 1900, "ignore_eos": true, "n": 8})).await;
    response.chunk().await.unwrap().unwrap();
    server.shutdown.cancel();
    server.kill.cancel();
    let served = tokio::time::timeout(PATIENCE, server.task.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(served.connections_cut, 1);
    server.until_idle().await;
}
