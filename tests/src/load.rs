//! Load for a gateway that is measured: what is to be sent, and what was seen. The program `gateway-load` runs one
//! [`Plan`] and prints its [`Report`], both as JSON, so that the load has a process and a core of its own.
//!
//! It speaks to anything that knows OpenAI's chat completions over HTTP/1.1 without TLS, and it reads no more of an
//! answer than it needs to count tokens: what it costs is missing to the one that is measured.

mod connection;
mod events;
mod figures;
mod framing;
mod meter;
mod requests;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use figures::Figures;

use meter::Meter;

/// One measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Where the gateway listens.
    pub address: SocketAddr,
    /// Sent as bearer token.
    pub key: String,
    /// What is sent.
    pub work: Work,
    /// Processes whose processor time and memory count.
    pub pids: Vec<u32>,
    /// How long the measurement takes, behind the warm-up, in milliseconds.
    pub window_ms: u64,
}

/// What a measurement sends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Requests of one token in a closed loop: the next one leaves when the last one is answered.
    Requests {
        /// Connections that are kept open, each with one request at a time.
        connections: u32,
        /// Whether the answers are streams; then the latency is that of the first token.
        streamed: bool,
        /// Milliseconds before the window.
        warm_ms: u64,
    },
    /// Streams that stay open over the window and get a token every so often.
    Streams {
        /// How many.
        count: u32,
        /// Microseconds from token to token.
        every_us: u64,
        /// Milliseconds over which they are opened, evenly.
        ramp_ms: u64,
    },
}

/// What was seen in the window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Requests that were answered, or tokens that came.
    pub done: u64,
    /// Requests or streams that failed, over the whole run.
    pub failed: u64,
    /// How the first of them failed.
    pub failure: Option<String>,
    /// Processor time of the processes that count, in microseconds.
    pub cpu_us: f64,
    /// Resident bytes of these processes at the end of the window.
    pub resident_bytes: u64,
    /// Share of the window in which each core was busy, whoever used it.
    pub cores_busy: Vec<f64>,
    /// From sending a request to its answer, or to the first token of a stream.
    pub latency: Figures,
    /// From token to token of a stream.
    pub gap: Figures,
    /// How much later a token came than it was due: token `n` is due `n` intervals behind the sending of its request.
    /// Of tokens that were due in the window; those that had not come by its end count with what they were late by then.
    pub late: Figures,
}

impl Report {
    /// Processor time of one request or token, in microseconds.
    pub fn cpu_us_each(&self) -> f64 {
        self.cpu_us / (self.done.max(1) as f64)
    }
}

/// Tokens of a stream that outlasts every window.
const ENDLESS_TOKENS: u32 = 1_000_000;

/// Runs a plan to its end.
pub async fn run(plan: &Plan) -> Result<Report> {
    ensure!(plan.window_ms > 0, "a window of 0 ms measures nothing");
    let meter = Meter::new(plan);
    let window = Duration::from_millis(plan.window_ms);
    match plan.work {
        Work::Requests { connections, streamed, warm_ms } => {
            let request = request(plan, streamed, 1, 0);
            requests::run(meter, &request, connections, streamed, Duration::from_millis(warm_ms), window)
                .await
        }
        Work::Streams { count, every_us, ramp_ms } => {
            let request = request(plan, true, ENDLESS_TOKENS, every_us);
            let every = Duration::from_micros(every_us);
            streams::run(meter, &request, count, every, Duration::from_millis(ramp_ms), window).await
        }
    }
}

/// The bytes of a request. A scripted engine takes its pace from the message; a mock upstream has its own.
fn request(plan: &Plan, streamed: bool, tokens: u32, every_us: u64) -> Vec<u8> {
    let words = "Tell me in as many words as you like what grows in an orchard, and who picks it in autumn.";
    let body = json!({
        "model": "sprout",
        "messages": [{"role": "user", "content": format!("{words} pace_us={every_us}")}],
        "max_tokens": tokens,
        "stream": streamed,
        "seed": 1,
    });
    let body = body.to_string();
    let (address, key, length) = (plan.address, &plan.key, body.len());
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\naccept: */*\r\ncontent-length: {length}\r\n\r\n"
    );
    [head, body].concat().into_bytes()
}
