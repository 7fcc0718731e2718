//! What a token costs on its way over a link, with many streams at once, and whether control calls get through
//! meanwhile. The engine is a process of its own and not counted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pomona_tests::{Cluster, Launch, system};

use super::table::{Table, Target};
use super::{Binaries, load};

const STREAMS: u32 = 1000;
/// Connections that share the streams.
const SOCKETS: u32 = 10;
/// As many tokens as their streams take, and as people read.
const LOADS: [(&str, &str, u32, Target); 2] = [
    ("as fast as they go", "go", 500, Target::AtMost(3.0)),
    ("at 10 tokens/s", "pace=10", 100, Target::None),
];
/// Between two control calls.
const CALL_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let (script, limits) =
        ("tokens=1000000", [("routing.replica_turns_max", STREAMS), ("api.websocket_turns_max", STREAMS)]);
    let mut here = Launch::default().program(&binaries.pomona).engine(&binaries.test_engine, script);
    let mut far = Cluster::builder().program(&binaries.pomona).engine(&binaries.test_engine, script).nodes(1);
    for (key, value) in limits {
        here = here.set(key, value);
        far = far.set(key, value);
    }
    let here = here.start().await?;
    let cluster = far.start().await?;
    let (gateway, node) = (cluster.gateways[0].pid(), cluster.nodes[0].pid()?);
    for (what, words, tokens, target) in LOADS {
        let turn = load::turn(words, tokens);
        let per_token = |cost: Duration| cost.as_secs_f64() * 1e6 / f64::from(STREAMS * tokens);

        let before = system::cpu_time(here.pid())?;
        load::sockets(&here.api, SOCKETS, STREAMS, &turn).await?;
        let without = per_token(system::cpu_time(here.pid())?.saturating_sub(before));

        let before = [system::cpu_time(gateway)?, system::cpu_time(node)?];
        let streams = load::sockets(cluster.api(), SOCKETS, STREAMS, &turn);
        let calls = calls_during(&cluster, streams).await?;
        let [at_gateway, at_node] = [
            per_token(system::cpu_time(gateway)?.saturating_sub(before[0])),
            per_token(system::cpu_time(node)?.saturating_sub(before[1])),
        ];
        let name = |side: &str| format!("a token over a link, {STREAMS} streams {what}, {side}");
        table.add(&name("node"), "CPU-µs", target, at_node);
        table.add(
            &name("gateway, besides what it takes without a link"),
            "CPU-µs",
            target,
            at_gateway - without,
        );
        let target = Target::AtMost(20.0);
        table.add(
            &format!("a control call meanwhile, {STREAMS} streams {what}, p99"),
            "ms",
            target,
            slow_end(calls),
        );
    }
    Ok(())
}

/// Calls the node through its gateway until the streams have ended; how long each call took.
async fn calls_during(cluster: &Cluster, streams: impl Future<Output = Result<()>>) -> Result<Vec<Duration>> {
    let mut streams = std::pin::pin!(streams);
    let mut calls = Vec::new();
    loop {
        tokio::select! {
            ended = &mut streams => {
                ended.context("the streams")?;
                return Ok(calls);
            }
            () = tokio::time::sleep(CALL_EVERY) => {}
        }
        // It does not drain, so this changes nothing.
        let started = Instant::now();
        let call = async {
            cluster.drain("n1", false).await?;
            anyhow::Ok(started.elapsed())
        };
        tokio::select! {
            called = call => calls.push(called?),
            ended = &mut streams => {
                ended.context("the streams")?;
                return Ok(calls);
            }
        }
    }
}

/// In milliseconds.
fn slow_end(mut calls: Vec<Duration>) -> f64 {
    calls.sort();
    let at = (calls.len() * 99).div_ceil(100).max(1) - 1;
    calls.get(at).map_or(0.0, |call| call.as_secs_f64() * 1e3)
}
