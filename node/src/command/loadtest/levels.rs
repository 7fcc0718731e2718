//! `pomona loadtest sweep` and `find`: runs at one level of load after the other. Which level is next, and when it ends, the
//! library decides.

use std::process::ExitCode;

use pomona_loadtest::find::{Find, FindSettings};
use pomona_loadtest::load::Load;
use pomona_loadtest::report::Report;
use pomona_loadtest::report::find::FindEnd;
use pomona_loadtest::report::sweep::LevelUnit;
use pomona_loadtest::slo::Slo;
use pomona_loadtest::sweep::{Sweep, SweepSettings};
use pomona_loadtest::{html, words};
use tokio_util::sync::CancellationToken;

use crate::cli::{FindArgs, Global, LoadArgs, SweepArgs};
use crate::exit::Exit;

use super::execute::Job;
use super::files::Outputs;
use super::gateway::Gateway;
use super::load;

/// What `find` holds a load against when nobody says it: what people who wait for text put up with.
const SLO_DEFAULT: &str = "error_share = 0.01\n[ttft_ms]\np95 = 1000\n[itl_ms]\np95 = 200\n";

/// Runs of one load at many levels.
struct Levels {
    gateway: Gateway,
    flags: LoadArgs,
    load: Load,
    stop: CancellationToken,
}

impl Levels {
    async fn find(global: &Global, flags: LoadArgs, load: Load) -> anyhow::Result<Self> {
        let gateway = Gateway::find(global, flags.model.as_deref()).await?;
        Ok(Self { gateway, flags, load, stop: CancellationToken::new() })
    }

    /// The report at a level; `None` when the user ended it.
    async fn run(&self, level: f64, repeat: u32, slo: Option<&Slo>) -> anyhow::Result<Option<Report>> {
        let load = self.load.at_level(level);
        let mut job = Job::new(&self.flags, load.to_string(), load.rate());
        job.stop = self.stop.clone();
        let seed = self.flags.seed.wrapping_add(u64::from(repeat));
        let plan = load.plan(seed).reworded(level.to_bits());
        let ran = job.run(&self.gateway, plan).await?;
        Ok((!ran.was_stopped).then(|| job.report(&self.gateway, &ran, slo)))
    }
}

fn unit(load: &Load) -> LevelUnit {
    if load.arrival.is_open() { LevelUnit::PerSecond } else { LevelUnit::Clients }
}

/// Rising levels, and where the knee is.
pub(super) fn sweep(args: SweepArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let SweepArgs { levels, load: flags, out } = args;
    let outputs = Outputs::of_table(&out, global)?;
    let load = load::load(&flags)?;
    let mut sweep = Sweep::new(SweepSettings { unit: unit(&load), levels })
        .map_err(|error| Exit::Usage.because(error))?;
    super::runtime()?.block_on(async {
        let runs = Levels::find(global, flags, load).await?;
        while let Some(level) = sweep.next() {
            let Some(report) = runs.run(level, 0, outputs.slo()).await? else { break };
            sweep.done(&report);
        }
        anyhow::Ok(())
    })?;
    let result = sweep.result();
    outputs.say(&result, html::sweep_page, words::sweep)?;
    let is_known = result.points.iter().any(|point| point.invalid.is_empty());
    Ok(if is_known { Exit::Ok } else { Exit::Invalid }.into())
}

/// The highest level within the objectives.
pub(super) fn find(args: FindArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let FindArgs { from, to, repeats, precision, load: flags, out } = args;
    let outputs = Outputs::of_table(&out, global)?;
    let slo = match outputs.slo() {
        Some(slo) => slo.clone(),
        None => Slo::parse(SLO_DEFAULT)?,
    };
    let load = load::load(&flags)?;
    let settings = FindSettings { unit: unit(&load), low: from, high: to, repeats, precision };
    let mut find = Find::new(settings).map_err(|error| Exit::Usage.because(error))?;
    super::runtime()?.block_on(async {
        let runs = Levels::find(global, flags, load).await?;
        while let Some((level, repeat)) = find.next() {
            let Some(report) = runs.run(level, repeat, Some(&slo)).await? else { break };
            find.done(&report);
        }
        anyhow::Ok(())
    })?;
    let result = find.result();
    outputs.say(&result, html::find_page, words::find)?;
    let exit = match (result.ended, result.best) {
        (FindEnd::Invalid, _) => Exit::Invalid,
        (_, Some(_)) => Exit::Ok,
        (_, None) => Exit::Failed,
    };
    Ok(exit.into())
}
