//! One turn is one trace, from the request at the gateway to the engine of a node, and a move shows as a second attempt.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::sessions;
use pomona_tests::{Cluster, SessionSocket};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{eventually, fleet, turn};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ASKED_IN: &str = "00f067aa0ba902b7";
/// For spans to arrive: senders gather them for a moment.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events of a stream after which its engine is killed: the first one shows no token.
const EVENTS_BEFORE: usize = 5;
/// Words that must not leave the cluster.
const SECRET: &str = "orchardium";

/// Takes what is sent as OTLP over HTTP.
struct Collector {
    address: String,
    bodies: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Collector {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let bodies = Arc::<Mutex<Vec<String>>>::default();
        let (mut tasks, taken) = (JoinSet::new(), Arc::clone(&bodies));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let taken = Arc::clone(&taken);
                connections.spawn(async move { drop(take(stream, &taken).await) });
            }
        });
        Ok(Self { address, bodies, _tasks: tasks })
    }

    /// Spans of the trace that came so far.
    fn spans(&self) -> Vec<Value> {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let told = bodies.iter().filter_map(|body| serde_json::from_str::<Value>(body).ok());
        let spans = told.flat_map(|told| {
            let spans = told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().cloned();
            spans.unwrap_or_default()
        });
        spans.filter(|span| span["traceId"] == TRACE).collect()
    }
}

/// Answers every request of a connection, and keeps the bodies.
async fn take(mut stream: TcpStream, bodies: &Mutex<Vec<String>>) -> Result<()> {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break bytes.drain(..end + 4).collect::<Vec<u8>>();
            }
            ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection ended");
        };
        let head = String::from_utf8(head)?.to_lowercase();
        ensure!(head.starts_with("post /v1/traces "), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no length")?.trim().parse()?;
        while bytes.len() < length {
            ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection ended");
        }
        let body = String::from_utf8(bytes.drain(..length).collect())?;
        bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
            .await?;
    }
}

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

/// Asks, kills the engine that answers once it has shown some tokens, and reads to the end.
async fn ask_and_kill(cluster: &Cluster) -> Result<String> {
    let mut body = turn(&format!("{SECRET} pace_us=20000 tokens=300"), 1, 300);
    body["stream"] = json!(true);
    let request = cluster.api().request(reqwest::Method::POST, "/v1/chat/completions").json(&body);
    let mut response = request.header("traceparent", format!("00-{TRACE}-{ASKED_IN}-01")).send().await?;
    ensure!(response.status() == 200, "{}", response.status());
    let mut text = String::new();
    let mut is_killed = false;
    while let Some(piece) = response.chunk().await? {
        text.push_str(std::str::from_utf8(&piece)?);
        if !is_killed && text.matches("data: ").count() > EVENTS_BEFORE {
            is_killed = true;
            cluster.kill_engine(cluster.busy().await?).await?;
        }
    }
    ensure!(is_killed, "the answer ended at once: {text}");
    Ok(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_moves_is_one_trace_over_gateway_and_nodes() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = fleet("").nodes(2).set("telemetry.otlp_endpoint", &collector.address).start().await?;
    let answer = ask_and_kill(&cluster).await?;
    ensure!(answer.contains("[DONE]"), "the answer did not end");
    eventually("every span is told", PATIENCE, || {
        let spans = collector.spans();
        let are_told = named(&spans, "request").len() == 1 && named(&spans, "decode").len() >= 2;
        async move { Ok(are_told) }
    })
    .await
    .with_context(|| format!("{:#?}", collector.spans()))?;
    let spans = collector.spans();
    let request = named(&spans, "request")[0];
    assert_eq!((&request["parentSpanId"], &request["kind"]), (&json!(ASKED_IN), &json!(2)));
    let attempts = named(&spans, "attempt");
    assert!(attempts.len() >= 2, "{spans:#?}");
    for span in attempts.iter().chain(&named(&spans, "queue")) {
        assert_eq!(span["parentSpanId"], request["spanId"], "{spans:#?}");
    }
    for name in ["prefill", "decode"] {
        for span in named(&spans, name) {
            let is_below = attempts.iter().any(|attempt| attempt["spanId"] == span["parentSpanId"]);
            assert!(is_below, "{span} is below no attempt: {spans:#?}");
        }
    }
    assert!(attempts.iter().any(|attempt| attempt["status"]["code"] == 2), "no attempt failed: {spans:#?}");
    let bodies = collector.bodies.lock().unwrap_or_else(PoisonError::into_inner).concat();
    assert!(!bodies.contains(SECRET) && !bodies.contains("pom_"), "a span holds words or a key");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_holds_up_no_turn() -> Result<()> {
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let cluster = fleet("")
        .nodes(1)
        .set("telemetry.otlp_endpoint", format!("http://{nobody}"))
        .set("telemetry.sample_ratio", 1.0)
        .start()
        .await?;
    for seed in 0..20 {
        cluster.api().stream(&turn("tokens=20", seed, 20)).await?.check_complete()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_asked_in_a_session_is_in_the_trace_of_who_asked() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster =
        fleet("tokens=5").nodes(1).set("telemetry.otlp_endpoint", &collector.address).start().await?;
    let api = cluster.api();
    let session = sessions::create(api, &json!({})).await?;
    let (asked_in, question) = (format!("00-{TRACE}-{ASKED_IN}-01"), json!({"input": SECRET}));
    let path = format!("/v3/sessions/{session}/turns");
    let posted = api.request(reqwest::Method::POST, &path).header("traceparent", &asked_in).json(&question);
    ensure!(posted.send().await?.status() == 202, "it was not taken");
    let mut socket = SessionSocket::connect(api).await?;
    socket.ask(json!({"type": "attach", "session": session})).await?;
    let said = json!({"type": "submit", "session": session, "traceparent": asked_in, "input": SECRET});
    socket.ask(said).await?;
    let is_end = |told: &&Value| told["type"] == "turn.finished";
    socket.until(|told| told.iter().filter(is_end).count() == 2).await?;
    eventually("every span is told", PATIENCE, || {
        let spans = collector.spans();
        // Gateway and node send by themselves, and what belongs together not always at once.
        let are_told = ["request", "attempt", "decode"].iter().all(|name| named(&spans, name).len() == 2);
        async move { Ok(are_told) }
    })
    .await
    .with_context(|| format!("{:#?}", collector.spans()))?;
    let spans = collector.spans();
    let (requests, attempts) = (named(&spans, "request"), named(&spans, "attempt"));
    for route in [path.replace(&session, "{id}").as_str(), "/v3/ws"] {
        let is_at = |span: &&&Value| span["attributes"].to_string().contains(&format!("\"{route}\""));
        let request = requests.iter().find(is_at).with_context(|| format!("no {route}: {requests:#?}"))?;
        assert_eq!(request["parentSpanId"], ASKED_IN);
        let below = attempts.iter().filter(|attempt| attempt["parentSpanId"] == request["spanId"]);
        assert_eq!(below.count(), 1, "{spans:#?}");
    }
    for span in named(&spans, "prefill").iter().chain(&named(&spans, "decode")) {
        let is_below = attempts.iter().any(|attempt| attempt["spanId"] == span["parentSpanId"]);
        assert!(is_below, "{span} is below no attempt: {spans:#?}");
    }
    let bodies = collector.bodies.lock().unwrap_or_else(PoisonError::into_inner).concat();
    assert!(!bodies.contains(SECRET), "a span holds words");
    Ok(())
}
