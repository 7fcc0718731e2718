//! What an admin sees when a node dies: an event, a notice, a signed call of the webhook, and the logs of the machines
//! that are left.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pomona_tests::Cluster;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{eventually, fleet, turn};

const SOON: Duration = Duration::from_secs(60);
const SECRET: &str = "apple-pie-with-cinnamon";

/// A call of the webhook.
struct Call {
    head: String,
    body: Vec<u8>,
}

impl Call {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    fn notice(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// Whether the signature is the HMAC of time and body.
    fn is_signed(&self) -> bool {
        let time = self.header("x-pomona-timestamp").unwrap_or_default();
        let signed = [time.as_bytes(), b".", &self.body].concat();
        self.header("x-pomona-signature") == Some(&format!("sha256={}", hmac(SECRET.as_bytes(), &signed)))
    }
}

/// HMAC-SHA256 of a short key, in hex.
fn hmac(key: &[u8], data: &[u8]) -> String {
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x36)).chain_update(data).finalize();
    let outer = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes one call, and answers with `status`.
async fn take(listener: &TcpListener, status: &str) -> Result<Call> {
    let (mut socket, _) = tokio::time::timeout(SOON, listener.accept()).await.context("nobody calls")??;
    let mut bytes = Vec::new();
    loop {
        let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let call = Call { head, body: bytes[end + 4..].to_vec() };
            let length: usize = call.header("content-length").context("no length")?.parse()?;
            if call.body.len() >= length {
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                socket.write_all(answer.as_bytes()).await?;
                return Ok(call);
            }
        }
        ensure!(socket.read_buf(&mut bytes).await? > 0, "the call was cut off");
    }
}

/// The events of a stream, by kind.
struct Feed {
    response: reqwest::Response,
    text: String,
    ready: VecDeque<Value>,
}

impl Feed {
    async fn open(cluster: &Cluster, path: &str) -> Result<Self> {
        let response = cluster.api().request(Method::GET, path).send().await?;
        ensure!(response.status() == 200, "{}", response.status());
        Ok(Self { response, text: String::new(), ready: VecDeque::new() })
    }

    async fn until(&mut self, what: &str, mut condition: impl FnMut(&Value) -> bool) -> Result<Value> {
        let began = Instant::now();
        while began.elapsed() < SOON {
            while let Some(event) = self.ready.pop_front() {
                if condition(&event) {
                    return Ok(event);
                }
            }
            let chunk = tokio::time::timeout(SOON, self.response.chunk()).await.context("silence")??;
            self.text.push_str(&String::from_utf8_lossy(&chunk.context("the stream ended")?));
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
                    self.ready.push_back(serde_json::from_str(data)?);
                }
                self.text = rest.to_owned();
            }
        }
        bail!("{what} does not come")
    }
}

async fn notices(cluster: &Cluster, query: &str) -> Result<Vec<Value>> {
    let (status, body) = cluster.api().get_json(&format!("/admin/notifications{query}")).await?;
    ensure!(status == 200, "{status} {body}");
    Ok(body["notifications"].as_array().context("no list")?.clone())
}

/// Lines of an answer of the logs, by type.
async fn logs(cluster: &Cluster, query: &str) -> Result<Vec<Value>> {
    let (status, text) = cluster.api().get(&format!("/admin/logs?{query}")).await?;
    ensure!(status == 200, "{status} {text}");
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn of_node<'a>(lines: &'a [Value], kind: &'a str, node: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["type"] == kind && line["node"] == node)
}

#[tokio::test]
async fn the_death_of_a_node_is_an_event_a_notice_and_a_signed_call() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut cluster = fleet("tokens=8")
        .set_at_gateways("notifications.webhook_url", format!("http://{}/hook", listener.local_addr()?))
        .set_at_gateways("notifications.webhook_secret", SECRET)
        .set_at_gateways("notifications.webhook_private", true)
        // The disk of the machine that runs the tests is not their business.
        .set_at_gateways("notifications.disk_bytes_min", 0)
        .set_at_gateways("notifications.store_slow_ms", 0)
        // Neither is the other node lost because it had no processor for a while.
        .set("link.lan_idle_ms", 10_000)
        .nodes(2)
        .start()
        .await?;
    let mut feed = Feed::open(&cluster, "/admin/events").await?;
    let first = feed.until("the snapshot", |event| event["type"] == "snapshot").await?;
    ensure!(first["fleet"]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 3), "{first}");
    let n1 = cluster.position("n1")?;
    cluster.nodes[n1].kill()?;
    let is_gone = |event: &Value| event["node"]["name"] == "n1" && event["node"]["state"] == "offline";
    feed.until("the node's event", is_gone).await?;
    let is_lost = |event: &Value| event["notice"]["kind"] == "node_lost" && event["notice"]["name"] == "n1";
    let event = feed.until("the notice's event", is_lost).await?;
    let id = event["notice"]["id"].as_str().context("no id")?.to_owned();
    // The first call fails; the second one is the same.
    let refused = take(&listener, "503 Service Unavailable").await?;
    let call = take(&listener, "204 No Content").await?;
    ensure!(call.is_signed() && refused.is_signed(), "{}", call.head);
    ensure!(call.notice()?["id"] == id.as_str() && call.body == refused.body, "{:?}", call.notice());
    ensure!(call.header("x-pomona-event") == Some("node_lost"), "{}", call.head);
    let open = notices(&cluster, "?open=true").await?;
    ensure!(open.iter().any(|notice| notice["id"] == id.as_str() && notice["name"] == "n1"), "{open:?}");
    let (status, body) =
        cluster.api().send(Method::POST, &format!("/admin/notifications/{id}/ack"), &json!({})).await?;
    ensure!(status == 200 && body["acknowledged"]["by"].is_string(), "{status} {body}");
    feed.until("the acknowledgement", |event| event["notice"]["acknowledged"]["by"].is_string()).await?;
    ensure!(notices(&cluster, "?open=true").await?.iter().all(|notice| notice["id"] != id.as_str()));
    cluster.nodes[n1].start()?;
    feed.until("the return", |event| event["notice"]["kind"] == "node_back").await?;
    let back = take(&listener, "200 OK").await?;
    ensure!(back.notice()?["kind"] == "node_back" && back.is_signed(), "{:?}", back.notice());
    cluster.restart_gateway().await?;
    let is_kept = async || {
        let kept = notices(&cluster, "").await?;
        Ok(kept.iter().any(|notice| notice["id"] == id.as_str() && notice["acknowledged"]["by"].is_string()))
    };
    eventually("the notice is there after a restart", SOON, is_kept).await?;
    Ok(())
}

#[tokio::test]
async fn logs_of_every_machine_come_through_the_gateway_and_who_is_missing_is_named() -> Result<()> {
    let mut cluster = fleet("tokens=8").set("log.level", "debug").nodes(2).start().await?;
    ensure!(cluster.api().chat(&turn("go", 3, 100)).await?.0 == 200);
    // A busy machine may not answer the first time.
    eventually("every machine answers", SOON, async || {
        Ok(logs(&cluster, "limit=1").await?.iter().all(|line| line["type"] != "missing"))
    })
    .await?;
    let lines = logs(&cluster, "limit=10000").await?;
    for node in ["n1", "n2"] {
        ensure!(of_node(&lines, "line", node).count() > 0, "no line of {node}");
    }
    let times: Vec<u64> = lines.iter().filter_map(|line| line["at_us"].as_u64()).collect();
    ensure!(times.is_sorted() && times.len() > 10, "{}", times.len());
    let infos = logs(&cluster, "level=info&node=n1&limit=10000").await?;
    let is_right = |line: &Value| line["node"] == "n1" && line["level"] != "debug";
    ensure!(infos.iter().filter(|line| line["type"] == "line").all(is_right), "{infos:?}");
    let peers = logs(&cluster, "actor=peer&text=in+use").await?;
    ensure!(peers.iter().any(|line| line["target"].as_str().is_some_and(|target| target.contains("peer"))));
    let (status, file) = cluster.api().get("/admin/logs?download=true&node=n2").await?;
    ensure!(status == 200 && file.lines().count() > 5 && file.contains("\"type\":\"end\""), "{file}");
    let mut follow = Feed::open(&cluster, "/admin/logs?follow=true&limit=1").await?;
    follow.until("a first line", |line| line["type"] == "line").await?;
    let n1 = cluster.position("n1")?;
    cluster.nodes[n1].kill()?;
    // A question on its way fails before the end of the link is written, one behind it at once.
    let (mut has_ended, mut missing) = (false, 0);
    let both = |line: &Value| {
        has_ended |= line["message"] == "a link ended";
        missing += u32::from(line["type"] == "missing" && line["node"] == "n1");
        has_ended && missing > 0
    };
    follow.until("the end of its link and the missing machine", both).await?;
    ensure!(missing == 1, "named {missing} times");
    let lines = logs(&cluster, "limit=10").await?;
    ensure!(of_node(&lines, "missing", "n1").count() == 1, "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn a_running_turn_shows_without_its_words_and_can_be_ended() -> Result<()> {
    let cluster = fleet("tokens=2000 pace=20").nodes(1).start().await?;
    let api = cluster.api().clone();
    let words = "quincunx-marmalade";
    let asked = async { api.chat(&turn(&format!("{words} tokens=2000"), 3, 2000)).await };
    let ended = async {
        let mut feed = Feed::open(&cluster, "/admin/events").await?;
        let has_tokens =
            |event: &Value| event["moved"][0]["tokens"].as_u64().is_some_and(|tokens| tokens > 0);
        let moved = feed.until("progress", has_tokens).await?;
        let (_, view) = cluster.api().get("/admin/fleet").await?;
        ensure!(!view.contains(words), "{view}");
        let view: Value = serde_json::from_str(&view)?;
        let id = moved["moved"][0]["id"].as_str().context("no id")?;
        ensure!(view["turns"][0]["id"] == id && view["turns"][0]["node"].is_string(), "{view}");
        let (status, body) =
            cluster.api().send(Method::POST, &format!("/admin/turns/{id}/cancel"), &json!({})).await?;
        ensure!(status == 202, "{status} {body}");
        feed.until("its end", |event| event["ended"][0]["outcome"] == "cancelled").await?;
        anyhow::Ok(())
    };
    let (answer, ended) = tokio::join!(asked, ended);
    ended?;
    answer?;
    Ok(())
}
