//! An inference server without a model, for gateways that are measured: it speaks OpenAI's chat completions over
//! HTTP/1.1, sends the first token of a stream at once and each further one after a fixed time, and answers what routers
//! ask a server before they send it anything. It writes its address to standard output.
//!
//! Arguments: `every_us=N` is the time from token to token.
#![expect(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, interval_at};

/// Bytes of a request body; more is refused.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Tokens of an answer without `max_tokens`.
const TOKENS: u64 = 16;
const MODEL: &str = "sprout";

const TOKEN: &[u8] = b"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
\"model\":\"sprout\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"apple \"},\"finish_reason\":null}]}\n\n";
const END: &[u8] = b"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
\"model\":\"sprout\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n\
data: [DONE]\n\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let every = std::env::args().find_map(|word| word.strip_prefix("every_us=")?.parse().ok());
    let every = Duration::from_micros(every.context("every_us=N is missing")?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
    println!("{}", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(serve(stream, every));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, every: Duration) {
    // A frame must not wait for the acknowledgement of the one before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| async move { Ok::<_, Infallible>(answer(request, every).await) });
    // A connection that breaks concerns its other end.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, every: Duration) -> Response<Answer> {
    let path = request.uri().path().to_owned();
    if request.method() == Method::POST && path == "/v1/chat/completions" {
        return match read(request.into_body()).await {
            Some(body) => complete(&body, every),
            None => page(StatusCode::BAD_REQUEST, &json!({"error": {"message": "the body is no JSON"}})),
        };
    }
    match known(&path) {
        Some(value) => page(StatusCode::OK, &value),
        None => page(StatusCode::NOT_FOUND, &json!({"error": {"message": format!("no {path} here")}})),
    }
}

/// What routers ask a server of vLLM's or SGLang's kind.
fn known(path: &str) -> Option<Value> {
    Some(match path {
        "/health" | "/health_generate" | "/ping" => json!({}),
        "/v1/models" => json!({"object": "list", "data": [
            {"id": MODEL, "object": "model", "created": 1, "owned_by": "vllm", "max_model_len": 1 << 20}
        ]}),
        "/get_model_info" | "/model_info" => json!({
            "model_path": MODEL, "served_model_name": MODEL, "tokenizer_path": MODEL, "is_generation": true,
        }),
        "/get_server_info" | "/server_info" => json!({
            "model_path": MODEL, "served_model_name": MODEL, "tp_size": 1, "dp_size": 1, "version": "0.5.0",
            "max_running_requests": 4096, "internal_states": [{}],
        }),
        "/version" => json!({"version": "0.11.0"}),
        _ => return None,
    })
}

async fn read(mut body: Incoming) -> Option<Value> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > BODY_BYTES_MAX {
            return None;
        }
    }
    serde_json::from_slice(&bytes).ok()
}

fn complete(body: &Value, every: Duration) -> Response<Answer> {
    let asked = body["max_tokens"].as_u64().or_else(|| body["max_completion_tokens"].as_u64());
    let tokens = asked.unwrap_or(TOKENS);
    if body["stream"] == true {
        let pace = interval_at(Instant::now() + every, every);
        let stream = Stream { left: tokens, has_begun: false, is_over: false, pace };
        let mut response = Response::new(Answer::Stream(stream));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        return response;
    }
    let text = "apple ".repeat(tokens as usize);
    page(
        StatusCode::OK,
        &json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL,
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "length",
            }],
            "usage": {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens},
        }),
    )
}

fn page(status: StatusCode, value: &Value) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(Bytes::from(value.to_string()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A body, written by whoever polls it: a stream needs no task and no channel.
enum Answer {
    Whole(Option<Bytes>),
    Stream(Stream),
}

struct Stream {
    left: u64,
    has_begun: bool,
    is_over: bool,
    pace: Interval,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Answer::Whole(bytes) => bytes.take(),
            Answer::Stream(stream) if stream.left > 0 => {
                // Even a timer that is due at once takes up to a millisecond.
                if stream.has_begun {
                    std::task::ready!(stream.pace.poll_tick(context));
                }
                stream.has_begun = true;
                stream.left -= 1;
                Some(Bytes::from_static(TOKEN))
            }
            Answer::Stream(stream) => {
                let is_over = std::mem::replace(&mut stream.is_over, true);
                (!is_over).then(|| Bytes::from_static(END))
            }
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Answer::Whole(bytes) => {
                http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Answer::Stream(_) => http_body::SizeHint::default(),
        }
    }
}
