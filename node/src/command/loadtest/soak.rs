//! `pomona loadtest soak`: a mixed load for long, with faults, and whether the gateway comes back to where it began.

use std::process::ExitCode;
use std::time::Duration;

use pomona_loadtest::arrival::Arrival;
use pomona_loadtest::lengths::Lengths;
use pomona_loadtest::load::Load;
use pomona_loadtest::run::chaos::Fault;
use pomona_loadtest::{soak, verdict};

use crate::cli::{FaultList, Global, SoakArgs};

use super::execute::Job;
use super::files::Outputs;
use super::gateway::Gateway;
use super::load;

/// How long a soak lasts when nobody says it.
const DURATION_S: f64 = 1800.0;
/// Before the first fault and behind the last the load alone is seen.
const QUIET: Duration = Duration::from_secs(20);

/// Every way of asking, some who leave and some who are slow.
fn mixed() -> anyhow::Result<Load> {
    Ok(Load {
        arrival: Arrival::Poisson { rate: 2.0 },
        duration_s: DURATION_S,
        prompt_words: "uniform:10-150".parse::<Lengths>()?,
        output_tokens: "uniform:16-128".parse::<Lengths>()?,
        transports: Some("sse:40,whole:10,websocket:25,session:25".parse()?),
        turns: Some("uniform:1-3".parse::<Lengths>()?),
        think_ms: Lengths::Fixed(500),
        cancels: 0.05,
        slow_readers: 0.05,
        ..Load::default()
    })
}

/// Runs it.
pub(super) fn run(args: SoakArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let SoakArgs { faults_on, faults_every, rest, load: flags, mut chaos, out } = args;
    let outputs = Outputs::of(&out, global)?;
    let load = load::load_from(&flags, mixed()?)?;
    let plan = load.plan(flags.seed);
    let drawn: Vec<Fault> = soak::faults(&faults_on, plan.length, QUIET, faults_every, flags.seed);
    chaos.chaos.push(FaultList(drawn));
    let (report, ran) = super::runtime()?.block_on(async {
        let gateway = Gateway::find(global, flags.model.as_deref()).await?;
        let mut job = Job::new(&flags, load.to_string(), load.rate());
        job.faults = gateway.faults(&chaos, plan.length).await?;
        job.checks = chaos.check_texts as usize;
        job.rest = rest;
        let ran = job.run(&gateway, plan).await?;
        let mut report = job.report(&gateway, &ran, outputs.slo());
        soak::judge(&mut report, ran.ended_ms);
        anyhow::Ok((report, ran))
    })?;
    outputs.write(&report, Some(&ran.records))?;
    Ok(ExitCode::from(verdict::exit_code(&report.verdict)))
}
