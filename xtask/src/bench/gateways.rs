//! `cargo xtask bench peers`: Pomona's gateway side by side with proxies and routers of others. Each stands before an
//! inference server without a model that keeps the same pace, alone on the first core; server and load share the second.
//! They take turns in every round, and every figure comes with its spread.

mod install;
mod ladder;
mod measure;
mod peer;
mod peers;
mod rig;
mod running;
mod sheet;

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{Binaries, build_release, machine};
use measure::{FULL, QUICK, Round};
use rig::Rig;
use running::Subject;
use sheet::Sheet;

/// What to compare and how to say it.
#[derive(Args)]
pub(super) struct PeersArguments {
    /// Prints JSON instead of Markdown.
    #[arg(long)]
    json: bool,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measures only these gateways: `nginx,pomona` for instance.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Short windows and few streams: shows that everything runs, and little more.
    #[arg(long)]
    quick: bool,
    /// Takes release binaries from this folder instead of building them.
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
}

/// Measures and prints; `true` when no target was missed.
pub(super) fn run(arguments: &PeersArguments) -> Result<bool> {
    ensure!(
        cfg!(target_os = "linux"),
        "gateways are pinned to cores and measured by means that only Linux has"
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    ensure!(cores >= 2, "gateway and load need a core each, and this machine has one");
    let binaries = match &arguments.built {
        Some(folder) => Binaries { pomona: folder.join("pomona"), test_engine: folder.join("test-engine") },
        None => build_release()?,
    };
    allow_many_files();
    let mut sheet = Sheet::default();
    let subjects = subjects(&arguments.only, &mut sheet)?;
    let machine = machine::describe()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        // Whoever loses is dropped, and with the measurement every process that it has started.
        tokio::select! {
            measured = measure_all(&binaries, arguments, &subjects, &mut sheet) => measured,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            _ = terminated.recv() => bail!("terminated"),
        }
    })?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&sheet.json(&machine))?);
    } else {
        print!("{machine}\n{}", sheet.markdown());
    }
    Ok(sheet.all_met())
}

/// A stream is two sockets of a gateway. What is started inherits the limit.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, streams fail and say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// What can be measured here; the sheet learns what cannot.
fn subjects(only: &[String], sheet: &mut Sheet) -> Result<Vec<Subject>> {
    let names: Vec<&str> =
        running::OURS.iter().map(|(name, _)| *name).chain(peer::ALL.iter().map(|peer| peer.name)).collect();
    for name in only {
        ensure!(names.contains(&name.as_str()), "no gateway {name}; there are {}", names.join(", "));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let ours = running::OURS.iter().filter(|(name, _)| wanted(name));
    let mut subjects: Vec<Subject> = ours.map(|&(name, linked)| Subject::Ours { name, linked }).collect();
    for peer in peer::ALL.iter().filter(|peer| wanted(peer.name)) {
        eprintln!("{}: installing what is missing", peer.name);
        match install::install(peer) {
            Ok(program) => {
                sheet.is_of(peer.name, install::version(peer));
                subjects.push(Subject::Peer { peer: *peer, program });
            }
            Err(error) => sheet.is_missing(peer.name, format!("{error:#}")),
        }
    }
    Ok(subjects)
}

async fn measure_all(
    binaries: &Binaries,
    arguments: &PeersArguments,
    subjects: &[Subject],
    sheet: &mut Sheet,
) -> Result<()> {
    let rig = Rig::start(binaries).await?;
    let sizes = if arguments.quick { QUICK } else { FULL };
    for number in 0..arguments.rounds as usize {
        eprintln!("round {} of {}", number + 1, arguments.rounds);
        let mut round = Round::begin(&rig, sizes, sheet).await?;
        // Nobody comes always behind the same one.
        let (behind, first) = subjects.split_at(number % subjects.len().max(1));
        for subject in first.iter().chain(behind) {
            let name = subject.name();
            eprintln!("  {name}");
            if let Err(error) = round.measure(subject, sheet).await {
                eprintln!("  {name} failed: {error:#}");
                sheet.has_failed(name, format!("round {}: {error:#}", number + 1));
            }
        }
    }
    Ok(())
}
