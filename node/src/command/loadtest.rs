//! `pomona loadtest`: load as users make it, and an honest account. What is measured, and how, is the library's; here it gets its
//! gateway, its files and its screen.

mod asked;
mod compare;
mod execute;
mod files;
mod gateway;
mod levels;
mod live;
mod load;
mod soak;

use std::process::ExitCode;

use anyhow::Context;
use pomona_loadtest::plan::Plan;
use pomona_loadtest::report::Report;
use pomona_loadtest::trace;
use pomona_loadtest::verdict;
use tokio::runtime::{Builder, Runtime};

use crate::cli::{ChaosArgs, Global, LoadArgs, LoadtestCommand, OutArgs, ReplayArgs, ReportArgs, RunArgs};
use crate::exit::Exit;
use crate::output;

use execute::Job;
use files::Outputs;
use gateway::Gateway;

/// Largest trace that is read.
const TRACE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Runs what was asked for.
pub(super) fn run(command: LoadtestCommand, global: &Global) -> anyhow::Result<ExitCode> {
    // 1 is the word for a missed objective, so what has no number of its own may not end with it.
    run_command(command, global).map_err(|error| match Exit::of(&error) {
        Exit::Failed => Exit::Invalid.because(error),
        _ => error,
    })
}

fn run_command(command: LoadtestCommand, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        LoadtestCommand::Run(args) => run_once(args, global),
        LoadtestCommand::Replay(args) => replay(args, global),
        LoadtestCommand::Report(args) => report_again(&args, global),
        LoadtestCommand::Soak(args) => soak::run(args, global),
        LoadtestCommand::Sweep(args) => levels::sweep(args, global),
        LoadtestCommand::Find(args) => levels::find(args, global),
        LoadtestCommand::Compare(args) => compare::run(args, global),
    }
}

fn run_once(args: RunArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let RunArgs { load: flags, chaos, out, dry_run } = args;
    let load = load::load(&flags)?;
    let plan = load.plan(flags.seed);
    let words = load.to_string();
    if dry_run {
        return load::tell(&plan, &words, global);
    }
    whole_run(&flags, &chaos, &out, plan, (words, load.rate()), global)
}

fn replay(args: ReplayArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let ReplayArgs { trace: path, speed, load: flags, chaos, out, dry_run } = args;
    let text = files::read(&path, TRACE_BYTES_MAX)?;
    let lines = trace::parse(&text).map_err(|error| Exit::Usage.because(error))?;
    let load = load::load(&flags)?;
    let plan = load.replay(&lines, speed, flags.seed);
    let words =
        format!("{} of {} at {speed} times its speed", load::count(lines.len(), "request"), path.display());
    if dry_run {
        return load::tell(&plan, &words, global);
    }
    whole_run(&flags, &chaos, &out, plan, (words, None), global)
}

/// One run from its plan to its report.
fn whole_run(
    flags: &LoadArgs,
    chaos: &ChaosArgs,
    out: &OutArgs,
    plan: Plan,
    (words, rate): (String, Option<f64>),
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let outputs = Outputs::of(out, global)?;
    let runtime = runtime()?;
    let (report, ran) = runtime.block_on(async {
        let gateway = Gateway::find(global, flags.model.as_deref()).await?;
        let mut job = Job::new(flags, words, rate);
        job.faults = gateway.faults(chaos, plan.length).await?;
        job.checks = chaos.check_texts as usize;
        let ran = job.run(&gateway, plan).await?;
        let report = job.report(&gateway, &ran, outputs.slo());
        anyhow::Ok((report, ran))
    })?;
    outputs.write(&report, Some(&ran.records))?;
    Ok(code(&report))
}

fn report_again(args: &ReportArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let report = files::read_report(&args.report)?;
    let outputs = Outputs::again(args, global);
    outputs.write(&report, None)?;
    Ok(code(&report))
}

/// What the report says, as an exit code.
fn code(report: &Report) -> ExitCode {
    ExitCode::from(verdict::exit_code(&report.verdict))
}

/// Streams are many and cheap; the gateway may well run on the same machine and wants its share.
fn runtime() -> anyhow::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = (cores / 2).clamp(1, 8);
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// One dim line for a person.
fn remark(text: &str) {
    output::remark(&format!("{dim}{text}{dim:#}", dim = output::DIM));
}
