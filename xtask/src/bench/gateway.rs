//! Processor time that the gateway takes for a request and for a token, with a scripted engine behind it:
//! the engine's own time is in another process and not counted.

use std::time::Duration;

use anyhow::Result;
use pomona_tests::{Launch, Pomona, system};
use serde_json::Value;

use super::table::{Table, Target};
use super::{Binaries, load};

const REQUESTS: u32 = 20_000;
/// Connections kept open for requests: some, and enough to keep the gateway busy, which the target is for.
const CONNECTIONS: [(u32, Target); 2] = [(8, Target::None), (32, Target::AtMost(35.0))];
const PACED_STREAMS: u32 = 64;
/// 50 tokens per second and stream, as fast as people read.
const PACED_TOKENS: u32 = 400;
const FAST_STREAMS: u32 = 8;
const FAST_TOKENS: u32 = 5_000;

pub(super) async fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let pomona = Launch::default()
        .program(&binaries.pomona)
        .engine(&binaries.test_engine, "tokens=1000000")
        .start()
        .await?;
    let one = load::turn("go", 1);
    for (connections, target) in CONNECTIONS {
        load::requests(&pomona.api, connections, 1_000, &one).await?;
        let cost = cpu(&pomona, load::requests(&pomona.api, connections, REQUESTS, &one)).await?;
        let name = format!("gateway, one request without stream, {connections} connections");
        table.add(&name, "CPU-µs", target, per(cost, REQUESTS));
    }

    let paced = load::turn("pace_us=20000", PACED_TOKENS);
    let cost = stream_cost(&pomona, PACED_STREAMS, &paced).await?;
    let name = format!("gateway, one streamed token, {PACED_STREAMS} streams at 50 tokens/s");
    table.add(&name, "CPU-µs", Target::AtMost(20.0), per(cost, PACED_STREAMS * PACED_TOKENS));

    let fast = load::turn("go", FAST_TOKENS);
    let cost = stream_cost(&pomona, FAST_STREAMS, &fast).await?;
    let name = format!("gateway, one streamed token, {FAST_STREAMS} streams as fast as they go");
    table.add(&name, "CPU-µs", Target::AtMost(20.0), per(cost, FAST_STREAMS * FAST_TOKENS));
    Ok(())
}

async fn stream_cost(pomona: &Pomona, count: u32, body: &Value) -> Result<Duration> {
    cpu(pomona, async {
        load::streams(&pomona.api, count, body).await?;
        Ok(())
    })
    .await
}

async fn cpu(pomona: &Pomona, work: impl Future<Output = Result<()>>) -> Result<Duration> {
    let before = system::cpu_time(pomona.pid())?;
    work.await?;
    Ok(system::cpu_time(pomona.pid())?.saturating_sub(before))
}

fn per(cost: Duration, count: u32) -> f64 {
    cost.as_secs_f64() * 1e6 / f64::from(count)
}
