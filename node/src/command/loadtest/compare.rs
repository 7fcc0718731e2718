//! `pomona loadtest compare`: two gateways in turn, in windows of the same requests. What differs by more than chance, the
//! library says.

use std::process::ExitCode;

use pomona_loadtest::compare::{Compare, CompareSettings, Side};
use pomona_loadtest::{html, words};

use crate::cli::{CompareArgs, Global};
use crate::exit::Exit;

use super::execute::Job;
use super::files::Outputs;
use super::gateway::Gateway;
use super::load;

/// Asks A and B in turn.
pub(super) fn run(args: CompareArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let outputs = Outputs::of_table(&args.out, global)?;
    let load = load::load(&args.load)?;
    let seed = args.load.seed;
    let settings = CompareSettings { rounds: args.rounds, seed, fail_if: args.fail_if };
    let mut compare = Compare::new(settings).map_err(|error| Exit::Usage.because(error))?;
    super::runtime()?.block_on(async {
        let a = Gateway::find(global, args.load.model.as_deref()).await?;
        let model = args.with_model.as_deref().unwrap_or(&a.model);
        let b = Gateway::other(global, &args.with, args.with_key_file.as_deref(), model).await?;
        let stop = tokio_util::sync::CancellationToken::new();
        while let Some((side, round)) = compare.next() {
            let (name, gateway, number) = if side == Side::A { ("A", &a, 0) } else { ("B", &b, 1) };
            let words = format!("{name}, round {} of {}: {load}", round + 1, args.rounds);
            let mut job = Job::new(&args.load, words, load.rate());
            job.stop = stop.clone();
            // Both may ask the same engines in the end, so B says it in other words.
            let plan = load.plan(seed.wrapping_add(u64::from(round))).reworded(number);
            let ran = job.run(gateway, plan).await?;
            if ran.was_stopped {
                break;
            }
            compare.done(&job.report(gateway, &ran, outputs.slo()));
        }
        anyhow::Ok(())
    })?;
    let result = compare.result();
    outputs.say(&result, html::comparison_page, words::comparison)?;
    let exit = match () {
        () if !result.invalid.is_empty() || result.figures.is_empty() => Exit::Invalid,
        () if result.is_failed => Exit::Failed,
        () => Exit::Ok,
    };
    Ok(exit.into())
}
