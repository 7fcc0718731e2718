//! `cargo xtask bench`: what Pomona costs and how fast it is, on this machine. Builds release binaries, takes
//! every measurement several times and prints the spread, so that a number can be doubted.

mod engine;
mod gateway;
mod gateways;
mod latency;
mod load;
mod machine;
mod memory;
mod peers;
mod relay;
mod scale;
mod sessions;
mod start;
mod streams;
mod survive;
mod table;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use pomona_tests::build;

use crate::workspace;
use table::Table;

/// What to measure and how to say it.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    beside: Option<Beside>,
    /// Prints JSON instead of Markdown.
    #[arg(long)]
    json: bool,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measures only these groups.
    #[arg(long = "group", value_name = "NAME", num_args = 1..)]
    groups: Vec<Group>,
}

/// What is measured side by side with others and takes rounds and options of its own.
#[derive(Subcommand)]
enum Beside {
    /// The gateway next to proxies and routers of others, which are installed for it.
    Peers(gateways::PeersArguments),
}

/// What belongs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// The engine alone: decode, prefill, share of memory bandwidth.
    Engine,
    /// What readers of one engine wait for: beside a long prompt, in a second turn, with guesses.
    Latency,
    /// The built-in model through the whole gateway.
    Streams,
    /// Processor time of the gateway, with a scripted engine.
    Gateway,
    /// Resident memory of connections and streams.
    Memory,
    /// From start to first token.
    Start,
    /// Tokens per second of one to eight nodes.
    Scale,
    /// Processor time of a token on its way over a link.
    Relay,
    /// What readers see of lost and drained nodes.
    Survive,
    /// Durable sessions: tokens, memory, waking, reading.
    Sessions,
    /// The engine beside llama.cpp, which is installed for it; only if it is the one group that is named.
    EnginePeers,
}

/// Binaries of the release profile.
pub(crate) struct Binaries {
    pub(crate) pomona: PathBuf,
    pub(crate) test_engine: PathBuf,
}

/// Measures and prints; `true` when no target was missed.
pub(crate) fn run(arguments: &BenchArguments) -> Result<bool> {
    if let Some(Beside::Peers(arguments)) = &arguments.beside {
        return gateways::run(arguments);
    }
    if arguments.groups == [Group::EnginePeers] {
        return run_peers(arguments);
    }
    let wanted = |group: Group| arguments.groups.is_empty() || arguments.groups.contains(&group);
    let binaries = build_release()?;
    let machine = machine::describe()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table = Table::default();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        if wanted(Group::Engine) {
            engine::measure(&mut table)?;
        }
        if wanted(Group::Latency) {
            latency::measure(&mut table)?;
        }
        runtime.block_on(async {
            if wanted(Group::Streams) {
                streams::measure(&binaries, &mut table).await?;
            }
            if wanted(Group::Gateway) {
                gateway::measure(&binaries, &mut table).await?;
            }
            if wanted(Group::Memory) {
                memory::measure(&binaries, &mut table).await?;
            }
            if wanted(Group::Start) {
                start::measure(&binaries, &mut table).await?;
            }
            if wanted(Group::Scale) {
                scale::measure(&binaries, &mut table).await?;
            }
            if wanted(Group::Relay) {
                relay::measure(&binaries, &mut table).await?;
            }
            if wanted(Group::Survive) {
                survive::measure(&binaries, &mut table).await?;
            }
            if wanted(Group::Sessions) {
                sessions::measure(&binaries, &mut table).await?;
            }
            anyhow::Ok(())
        })?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&table.json(&machine))?);
    } else {
        print!("{machine}\n{}", table.markdown());
    }
    Ok(table.all_met())
}

/// The comparison takes its rounds by itself, so that both sides take turns.
fn run_peers(arguments: &BenchArguments) -> Result<bool> {
    let machine = machine::describe()?;
    let mut table = Table::default();
    peers::measure(arguments.rounds, &mut table)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&table.json(&machine))?);
    } else {
        print!("{machine}\n{}", table.markdown());
    }
    Ok(table.all_met())
}

/// Builds what is measured.
pub(crate) fn build_release() -> Result<Binaries> {
    let root = workspace::root();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "pomona-node", "--package", "pomona-tests", "--bins"])
        .current_dir(&root)
        .status()
        .context("cargo cannot be started")?;
    ensure!(status.success(), "the release build failed");
    let release = build::target_dir(&root).join("release");
    Ok(Binaries { pomona: release.join("pomona"), test_engine: release.join("test-engine") })
}
