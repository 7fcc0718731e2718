//! A load generator that looks at nothing it does not need: the machine is shared with what is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::future::try_join_all;
use pomona_tests::{Answer, Api, Socket};
use serde_json::{Value, json};

/// The body of a turn; the words are for a scripted engine.
pub(super) fn turn(words: &str, tokens: u32) -> Value {
    json!({
        "model": "sprout",
        "messages": [{"role": "user", "content": words}],
        "max_tokens": tokens,
        "ignore_eos": true,
        "seed": 1,
    })
}

/// Sends `count` requests without stream over `connections` that are kept open.
pub(super) async fn requests(api: &Api, connections: u32, count: u32, body: &Value) -> Result<()> {
    let one = async |api: Api| {
        for _ in 0..count / connections {
            let (status, answer) = api.chat(body).await?;
            ensure!(status == 200, "{status} {answer}");
        }
        anyhow::Ok(())
    };
    let clients: Result<Vec<Api>> = (0..connections).map(|_| Api::new(&api.url, &api.key)).collect();
    try_join_all(clients?.into_iter().map(one)).await?;
    Ok(())
}

/// Opens `count` streams at once and reads them to their ends; the time from the first to the last byte.
pub(super) async fn streams(api: &Api, count: u32, body: &Value) -> Result<Duration> {
    let started = Instant::now();
    try_join_all((0..count).map(|_| drain(api, body))).await?;
    Ok(started.elapsed())
}

/// Runs `count` turns at once over `sockets` WebSockets to their ends.
pub(super) async fn sockets(api: &Api, sockets: u32, count: u32, body: &Value) -> Result<()> {
    let one = async || {
        let mut socket = Socket::connect(api).await?;
        for turn in 0..count / sockets {
            socket.start(&turn.to_string(), body).await?;
        }
        socket.until(|socket| socket.answers.values().all(Answer::is_over)).await?;
        for answer in socket.answers.values() {
            answer.check_complete()?;
            ensure!(
                body["max_tokens"] == answer.tokens,
                "{} tokens of {}",
                answer.tokens,
                body["max_tokens"]
            );
        }
        anyhow::Ok(())
    };
    try_join_all((0..sockets).map(|_| one())).await?;
    Ok(())
}

/// Bytes at the end of a stream that hold its usage.
const TAIL_BYTES: usize = 512;

async fn drain(api: &Api, body: &Value) -> Result<()> {
    let mut body = body.clone();
    body["stream_options"] = json!({"include_usage": true});
    let response = api.open_stream(&body).await?;
    ensure!(response.status() == 200, "a stream answered {}", response.status());
    let mut bytes = response.bytes_stream();
    let mut tail = Vec::new();
    while let Some(chunk) = bytes.next().await {
        tail.extend_from_slice(&chunk.context("a stream broke")?);
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
    }
    // What was not delivered must not be counted.
    let (tail, tokens) = (String::from_utf8_lossy(&tail).into_owned(), &body["max_tokens"]);
    let counted = tail.contains(&format!("\"completion_tokens\":{tokens},"));
    ensure!(counted && tail.contains("[DONE]"), "a stream without {tokens} tokens ended with {tail}");
    Ok(())
}
