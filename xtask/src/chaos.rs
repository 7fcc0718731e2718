//! `cargo xtask chaos`: one gateway, some nodes and many streams while nodes are killed, stopped, cut off, moved and
//! drained, from a printed seed. Every answer is compared with the one that nobody disturbed; the table says how long
//! the silence was.

mod faults;
mod report;
mod streams;

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use clap::Args;
use pomona_tests::random::Random;
use pomona_tests::{Cluster, netns};

use crate::bench::{self, Binaries};
use faults::Kill;
pub(crate) use report::{Counted, Report};
use streams::Seen;

/// How much of what.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChaosArguments {
    /// How often something happens to a node.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) kills: u32,
    /// Streams at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) streams: u32,
    /// Nodes behind the gateway.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=32))]
    pub(crate) nodes: u32,
    /// Tokens of each answer.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(16..=100_000))]
    pub(crate) tokens: u32,
    /// Repeats a run: kinds, victims and moments are drawn from it.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Takes the scripted engine at a person's speed, so that the processors of this machine are no part of the
    /// measurement.
    #[arg(long)]
    pub(crate) paced: bool,
    /// Stays on loopback: no cable is cut and no address changed.
    #[arg(long)]
    pub(crate) loopback: bool,
    /// Prints JSON instead of Markdown.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs and prints; `true` when no answer differed. Times are told and do not decide.
pub(crate) fn run(arguments: &ChaosArguments) -> Result<bool> {
    let binaries = bench::build_release()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(measure(&binaries, arguments))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report.json())?);
    } else {
        print!("{}", report.markdown());
    }
    Ok(report.is_intact())
}

/// The whole run, for this command and for the benchmarks.
pub(crate) async fn measure(binaries: &Binaries, arguments: &ChaosArguments) -> Result<Report> {
    let seed = arguments.seed.unwrap_or_else(clock_seed);
    eprintln!("repeat with --seed {seed}");
    let mut cluster = start(binaries, arguments).await?;
    let expected = streams::undisturbed(cluster.api(), arguments).await.context("without any fault")?;
    let over = AtomicBool::new(false);
    let api = cluster.api().clone().telling_resumed();
    let disturb = async {
        let done = disturb(&mut cluster, arguments, seed).await;
        over.store(true, Ordering::Release);
        done
    };
    let asking = streams::ask_until(&api, arguments, &over);
    let (kills, seen): (Result<Vec<Kill>>, Result<Vec<Seen>>) = tokio::join!(disturb, asking);
    let kills = kills.with_context(|| cluster.printed())?;
    let counted = counted(&cluster).await?;
    Ok(Report::new(seed, &kills, &seen?, &expected, counted))
}

/// What the gateway has counted itself.
async fn counted(cluster: &Cluster) -> Result<Counted> {
    let api = cluster.api();
    let gap_sum_s = api.metric("pomona_failover_gap_seconds_sum").await?;
    let gaps = api.metric("pomona_failover_gap_seconds_count").await?;
    Ok(Counted {
        failovers: api.metric("pomona_failovers_total").await?,
        suspicions: api.metric("pomona_node_suspicions_total").await?,
        mean_gap_ms: if gaps > 0.0 { gap_sum_s / gaps * 1e3 } else { 0.0 },
    })
}

fn clock_seed() -> u64 {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    clock.as_nanos() as u64 % 1_000_000_007
}

async fn start(binaries: &Binaries, arguments: &ChaosArguments) -> Result<Cluster> {
    let mut builder = Cluster::builder()
        .program(&binaries.pomona)
        .nodes(arguments.nodes as usize)
        .set("engine.threads", 1)
        .set_at_gateways("turn.attempts_max", 100);
    if arguments.paced {
        let script = format!("tokens={} pace={} prefill_us=200", arguments.tokens, streams::PACE);
        builder = builder.engine(&binaries.test_engine, &script);
    }
    match netns::available().filter(|_| !arguments.loopback) {
        _ if arguments.loopback => {}
        None => builder = builder.lan(),
        Some(why) => eprintln!("no cable is cut and no address changed: {why}"),
    }
    builder.start().await
}

async fn disturb(cluster: &mut Cluster, arguments: &ChaosArguments, seed: u64) -> Result<Vec<Kill>> {
    let mut random = Random::new(seed);
    let kinds = faults::possible(cluster);
    let mut kills = Vec::new();
    for number in 1..=arguments.kills {
        let kind = kinds[random.below(kinds.len() as u64) as usize];
        let kill = faults::happen(cluster, kind, &mut random).await;
        kills.push(kill.with_context(|| format!("{number} of {}: {}", arguments.kills, kind.name()))?);
        if number % 20 == 0 {
            eprintln!("{number} of {}", arguments.kills);
        }
    }
    Ok(kills)
}
