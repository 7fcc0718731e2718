//! What a request says, in JSON. Written before it is due, so that the time it takes is nobody's latency.

use serde_json::{Value, json};

use crate::plan::Request;

/// Largest seed that gateways take.
const SEED_MAX: u64 = i64::MAX as u64;

/// The body of a chat completion.
pub(super) fn chat(model: &str, request: &Request, streams: bool) -> Vec<u8> {
    let mut body = chat_value(model, request);
    body["stream"] = streams.into();
    if streams {
        body["stream_options"] = json!({"include_usage": true});
    }
    body.to_string().into_bytes()
}

/// The message that starts a turn on a WebSocket.
pub(super) fn start(model: &str, request: &Request, id: &str) -> String {
    let mut body = chat_value(model, request);
    body["type"] = "start".into();
    body["id"] = id.into();
    body.to_string()
}

fn chat_value(model: &str, request: &Request) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": request.prompt.words()}],
        "max_tokens": request.output_tokens,
        "seed": seed(request),
        "ignore_eos": true,
    })
}

/// The body that makes a session.
pub(super) fn session(model: &str) -> Vec<u8> {
    json!({"title": "load test", "tags": ["loadtest"], "model": model, "context": "drop_oldest"})
        .to_string()
        .into_bytes()
}

/// The body of a turn of a session.
pub(super) fn turn(request: &Request, key: &str) -> Vec<u8> {
    json!({
        "input": request.prompt.words(),
        "sampling": {"max_tokens": request.output_tokens},
        "seed": seed(request),
        "idempotency_key": key,
    })
    .to_string()
    .into_bytes()
}

fn seed(request: &Request) -> u64 {
    request.sampler_seed & SEED_MAX
}
