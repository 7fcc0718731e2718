//! Streams of the Responses and the Messages API go on behind a gateway that was killed: what is heard before and after
//! it is byte for byte what somebody hears who was never cut off.

use anyhow::{Context, Result, ensure};
use pomona_tests::{Api, Cluster};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::fleet;

const TOKENS: usize = 300;
/// At 200 tokens a second the answer outlives its gateway.
const SCRIPT: &str = "tokens=300 pace_us=5000";
/// Events that are heard before the kill.
const HEARD: usize = 40;

async fn slow() -> Result<Cluster> {
    fleet(SCRIPT).nodes(1).start().await
}

/// The numbered events of a stream, as they stand in it, up to its end or to this many.
async fn events(mut stream: Response, limit: usize) -> Result<Vec<String>> {
    ensure!(stream.status() == 200, "the stream is refused: {}", stream.text().await?);
    let mut unread = Vec::new();
    let mut events = Vec::new();
    while events.len() < limit {
        let Some(bytes) = stream.chunk().await? else { break };
        unread.extend_from_slice(&bytes);
        while let Some(end) = unread.windows(2).position(|two| two == b"\n\n") {
            let event = String::from_utf8(unread.drain(..end + 2).collect())?;
            if event.starts_with("id: ") || event.contains("\"sequence_number\":") {
                events.push(event);
            }
        }
    }
    events.truncate(limit);
    Ok(events)
}

fn data(event: &str) -> Result<Value> {
    let data = event.lines().find_map(|line| line.strip_prefix("data: ")).context("an event without data")?;
    Ok(serde_json::from_str(data)?)
}

/// Every number stands once, in order. One is left out: that of a text behind the last token, since there is none.
fn check_numbers(events: &[String], number: impl Fn(&str) -> Option<u64>) -> Result<()> {
    let numbers: Vec<u64> = events.iter().filter_map(|event| number(event)).collect();
    ensure!(numbers.len() == events.len(), "an event has no number: {events:?}");
    ensure!(numbers.is_sorted_by(|one, next| one < next), "a number stands twice: {numbers:?}");
    let left_out = numbers.last().map_or(0, |last| last + 1 - numbers.len() as u64);
    ensure!(numbers.first() == Some(&0) && left_out == 1, "numbers are missing: {numbers:?}");
    Ok(())
}

async fn stream(api: &Api, path: &str) -> Result<Vec<String>> {
    events(api.request(Method::GET, path).send().await?, usize::MAX).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_in_the_background_goes_on_behind_any_number() -> Result<()> {
    let mut cluster = slow().await?;
    let api = cluster.api().clone();
    let body = json!({"model": "sprout", "input": "go", "background": true, "stream": true});
    let asked = api.request(Method::POST, "/v1/responses").json(&body).send().await?;
    let mut heard = events(asked, HEARD).await?;
    cluster.restart_gateway().await?;
    let id = data(&heard[0])?["response"]["id"].as_str().context("no id")?.to_owned();
    let number = |event: &str| data(event).ok()?["sequence_number"].as_u64();
    let last = number(&heard[HEARD - 1]).context("no number")?;
    heard.extend(stream(&api, &format!("/v1/responses/{id}?stream=true&starting_after={last}")).await?);
    let whole = stream(&api, &format!("/v1/responses/{id}?stream=true")).await?;
    ensure!(heard == whole, "{heard:?}\nis not\n{whole:?}");
    check_numbers(&heard, number)?;
    let end = data(heard.last().context("no end")?)?;
    ensure!(end["type"] == "response.completed", "{end}");
    let (_, retrieved) = api.get(&format!("/v1/responses/{id}")).await?;
    ensure!(serde_json::from_str::<Value>(&retrieved)? == end["response"], "{retrieved}\nis not\n{end}");
    ensure!(end["response"]["usage"]["output_tokens"] == TOKENS, "{end}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_with_a_key_goes_on_behind_any_number() -> Result<()> {
    let mut cluster = slow().await?;
    let api = cluster.api().clone();
    let messages = json!([{"role": "user", "content": "go"}]);
    let body = json!({"model": "sprout", "messages": messages, "max_tokens": TOKENS, "stream": true});
    let ask = || api.request(Method::POST, "/v1/messages").json(&body).header("idempotency-key", "a");
    let mut heard = events(ask().send().await?, HEARD).await?;
    cluster.restart_gateway().await?;
    let number = |event: &str| event.lines().next()?.strip_prefix("id: ")?.parse().ok();
    let last = number(&heard[HEARD - 1]).context("no number")?;
    heard.extend(events(ask().header("last-event-id", last).send().await?, usize::MAX).await?);
    let whole = events(ask().send().await?, usize::MAX).await?;
    ensure!(heard == whole, "{heard:?}\nis not\n{whole:?}");
    check_numbers(&heard, number)?;
    let end = heard.last().context("no end")?;
    ensure!(data(end)?["type"] == "message_stop", "{end}");
    Ok(())
}
