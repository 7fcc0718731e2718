//! Lanes that cargo and this crate do alone.

use std::process::Command;

use anyhow::Result;
use pomona_tests::build;

use super::job::{Job, Outcome};
use crate::{sim, tidy};

/// Seeds of the simulator, and those of a full run.
const SIM_SEEDS: [u64; 2] = [1_000, 10_000];

/// Packages of whole processes, with the features that the unit tests' build of the same crates has: nothing
/// is compiled twice.
pub(super) const WHOLE: [&str; 6] =
    ["--package", "pomona-node", "--package", "pomona-tests", "--features", "pomona-tests/one-build"];

/// Asks integration tests for their heavy counts.
const FULL: &str = "POMONA_TEST_FULL";

/// The documentation is for those who read the code, so it may link what is private.
const RUSTDOC: &str = "-D warnings -A rustdoc::private-intra-doc-links";

pub(super) fn fmt(job: &mut Job) -> Result<Outcome> {
    job.cargo(&["fmt", "--all", "--", "--check", "--color", "never"])?;
    Ok(Outcome::Passed(String::new()))
}

pub(super) fn tidy(job: &mut Job) -> Result<Outcome> {
    let (files, problems) = tidy::check(&job.root)?;
    for problem in &problems {
        println!("    {problem}");
    }
    let summary = format!("{files} files, {} problems", problems.len());
    Ok(if problems.is_empty() { Outcome::Passed(summary) } else { Outcome::Failed(summary) })
}

pub(super) fn clippy(job: &mut Job) -> Result<Outcome> {
    job.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    Ok(Outcome::Passed(String::new()))
}

pub(super) fn unit(job: &mut Job) -> Result<Outcome> {
    job.cargo(&["test", "--workspace", "--exclude", "pomona-tests", "--no-fail-fast"])?;
    Ok(Outcome::Passed(count_tests(&job.log_text())))
}

pub(super) fn sim(job: &mut Job) -> Result<Outcome> {
    let seeds = SIM_SEEDS[usize::from(job.full)];
    job.run(&mut sim::SimArguments::of(seeds).command())?;
    let log = job.log_text();
    let turns = log.lines().find_map(|line| line.strip_prefix("turns "));
    let turns = turns.and_then(|line| line.split_whitespace().next()).unwrap_or("?");
    Ok(Outcome::Passed(format!("{seeds} clusters, {turns} turns")))
}

pub(super) fn processes(job: &mut Job) -> Result<Outcome> {
    build_binaries(job)?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--test", "it", "--no-fail-fast"]).args(WHOLE).env("RUST_LIB_BACKTRACE", "0");
    command.env(build::POMONA_BIN, build::target_dir(&job.root).join("debug").join("pomona"));
    if job.full {
        command.env(FULL, "1");
    }
    job.run(&mut command)?;
    Ok(Outcome::Passed(count_tests(&job.log_text())))
}

pub(super) fn doc(job: &mut Job) -> Result<Outcome> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["doc", "--workspace", "--no-deps", "--document-private-items"])
        .args(["--features", "pomona-tests/one-build"])
        .env("RUSTDOCFLAGS", RUSTDOC);
    job.run(&mut command)?;
    Ok(Outcome::Passed(String::new()))
}

/// Builds what whole-process lanes start.
pub(super) fn build_binaries(job: &mut Job) -> Result<()> {
    job.cargo(&[&["build", "--bins"], &WHOLE[..]].concat())
}

/// Adds up what the test runners have counted.
pub(super) fn count_tests(log: &str) -> String {
    let counts = log.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    let passed: u32 = counts.filter_map(|line| line.split_once(" passed")?.0.parse::<u32>().ok()).sum();
    format!("{passed} tests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_all_crates_are_added_up() {
        let log = "test result: ok. 12 passed; 0 failed;\nnoise\ntest result: ok. 3 passed; 0 failed;\n";
        assert_eq!(count_tests(log), "15 tests");
    }
}
