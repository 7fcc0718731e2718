//! Requests in a closed loop over connections that stay open.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::join_all;
use tokio::time::Instant;

use super::Report;
use super::connection::Connection;
use super::events::Events;
use super::meter::{Meter, Window};

/// Failures of one connection before it gives up, with a pause behind each.
const FAILURES_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn run(
    meter: Meter<'_>,
    request: &[u8],
    connections: u32,
    streamed: bool,
    warm: Duration,
    window: Duration,
) -> Result<Report> {
    let window = Window::after(warm, window);
    let clients = join_all((0..connections).map(|_| client(&meter, request, streamed, window)));
    let (watched, _) = tokio::join!(meter.watch(window), clients);
    Ok(meter.report(watched?))
}

/// Asks until the window is over; opens a new connection when one fails.
async fn client(meter: &Meter<'_>, request: &[u8], streamed: bool, window: Window) {
    for _ in 0..FAILURES_MAX {
        match tokio::time::timeout_at(window.end, ask_on(meter, request, streamed, window)).await {
            // What is under way at the end is nobody's fault.
            Err(_) | Ok(Ok(())) => return,
            Ok(Err(error)) => meter.fail(&error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks on one connection until the window is over.
async fn ask_on(meter: &Meter<'_>, request: &[u8], streamed: bool, window: Window) -> Result<()> {
    let mut connection = Connection::open(meter.address()).await?;
    let mut answer = Vec::new();
    while Instant::now() < window.end {
        let asked = Instant::now();
        connection.ask(request).await?;
        let (mut events, mut tokens, mut first) = (Events::default(), 0, None);
        answer.clear();
        while connection.more(&mut answer).await? {
            if streamed {
                tokens += events.take(&answer).tokens;
                answer.clear();
                if tokens > 0 {
                    first.get_or_insert_with(Instant::now);
                }
            }
        }
        ensure!(!streamed || tokens == 1, "an answer of one token had {tokens}");
        let now = Instant::now();
        if window.holds(now) {
            meter.see(|seen| {
                seen.done += 1;
                seen.latency.add(first.unwrap_or(now) - asked);
            });
        }
    }
    Ok(())
}
