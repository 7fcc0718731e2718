//! Lanes in which programs of others talk to a running `pomona up`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use pomona_tests::launch::KEYS;
use pomona_tests::{Launch, Pomona, build};

use super::cargo::build_binaries;
use super::job::{Job, Outcome};
use super::tools;
use crate::workspace;

/// Pinned, so that a lane means the same tomorrow.
const OPENAI: &str = "openai==3.52.0";
const ANTHROPIC: &str = "anthropic==2.12.0";
const NODE_PACKAGES: &[&str] = &["openai@6.49.0", "@anthropic-ai/sdk@1.12.0"];
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

pub(super) fn openai_python(job: &mut Job) -> Result<Outcome> {
    python(job, OPENAI, &["openai_client.py", "responses_client.py"])
}

pub(super) fn anthropic_python(job: &mut Job) -> Result<Outcome> {
    python(job, ANTHROPIC, &["messages_client.py"])
}

/// Runs scripts of `tests/python`, whose last lines count their rules.
fn python(job: &mut Job, requirement: &str, scripts: &[&str]) -> Result<Outcome> {
    let python = match tools::python_with(job, requirement)? {
        Ok(python) => python,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    with_pomona(job, |job, pomona| {
        let mut counts = Vec::new();
        for script in scripts {
            let path = job.root.join("tests/python").join(script);
            let mut command = Command::new(&python);
            job.run(introduce(command.arg("-B").arg(path), pomona))?;
            counts.push(job.log_text().lines().next_back().unwrap_or_default().to_owned());
        }
        Ok(Outcome::Passed(counts.join("; ")))
    })
}

pub(super) fn node_clients(job: &mut Job) -> Result<Outcome> {
    let folder = match tools::node_with(job, NODE_PACKAGES)? {
        Ok(folder) => folder,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    with_pomona(job, |job, pomona| {
        let script = job.root.join("tests/node/clients.mjs");
        let mut command = Command::new("node");
        job.run_in(&folder, introduce(command.arg(script), pomona))?;
        Ok(Outcome::Passed(job.log_text().lines().next_back().unwrap_or_default().to_owned()))
    })
}

/// Tells a client where to ask, in the words of each of them.
fn introduce<'a>(command: &'a mut Command, pomona: &Pomona) -> &'a mut Command {
    let (url, key) = (&pomona.api.url, &pomona.api.key);
    command.env("OPENAI_BASE_URL", format!("{url}/v1")).env("OPENAI_API_KEY", key);
    command.env("ANTHROPIC_BASE_URL", url).env("ANTHROPIC_API_KEY", key);
    command.env("POMONA_URL", url).env("POMONA_KEY", key).env("OTHER_API_KEY", KEYS[1])
}

pub(super) fn schemathesis(job: &mut Job) -> Result<Outcome> {
    let python = match tools::python_with(job, SCHEMATHESIS)? {
        Ok(python) => python,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    let fuzzer = python.with_file_name("st");
    // It writes its caches to where it runs.
    let folder = workspace::scratch().join("schemathesis");
    std::fs::create_dir_all(&folder)?;
    with_pomona(job, |job, pomona| {
        // Counted and not timed: on any machine the same is asked, if only in another time.
        let examples = EXAMPLES[usize::from(job.full)].to_string();
        let mut all = fuzz(&fuzzer, pomona, &examples, UNCHECKED);
        all.args(["--request-timeout", "20"]);
        // It would end the very model that the other routes need.
        all.args(["--exclude-path", "/admin/models/{id}/unload"]);
        for path in ENDLESS.iter().chain(ABROAD) {
            all.args(["--exclude-path", path]);
        }
        job.run_in(&folder, &mut all)?;
        let mut abroad = fuzz(&fuzzer, pomona, &examples, &format!("{UNCHECKED},not_a_server_error"));
        abroad.args(["--request-timeout", "20"]);
        for path in ABROAD {
            abroad.args(["--include-path", path]);
        }
        job.run_in(&folder, &mut abroad)?;
        // They have sessions to tell of only when those are made along.
        let mut endless = fuzz(&fuzzer, pomona, ENDLESS_EXAMPLES, UNCHECKED);
        endless.args(["--request-timeout", "2"]);
        endless.args(["--include-path", "/v3/sessions", "--include-path", "/v3/sessions/{id}"]);
        for path in ENDLESS {
            endless.args(["--include-path", path]);
        }
        job.run_in(&folder, &mut endless)?;
        let log = job.log_text();
        let counts =
            log.lines().filter_map(|line| line.split_once(" generated,")?.0.trim().parse::<u32>().ok());
        Ok(Outcome::Passed(format!("{} requests", counts.sum::<u32>())))
    })
}

/// Requests of each kind to each operation, and as many when everything was asked for; about a third more come from the
/// description itself.
const EXAMPLES: [u32; 2] = [30, 300];

/// Values can fit their types and still not each other (`best_of` below `n`), so a refusal of valid data is no failure.
const UNCHECKED: &str = "positive_data_acceptance";
/// What is asked of a hub, which nobody answers here: 502 is the right word for that.
const ABROAD: &[&str] = &["/admin/hub/models", "/admin/hub/model"];
/// Streams without an end: the fuzzer reads each up to its time limit.
const ENDLESS: &[&str] = &["/v3/sessions/{id}/events", "/v3/events", "/admin/events", "/admin/logs"];
/// Requests of each kind to those, many of which take their whole time.
const ENDLESS_EXAMPLES: &str = "5";

/// A run of the fuzzer over what this server says of itself.
fn fuzz(fuzzer: &Path, pomona: &Pomona, examples: &str, unchecked: &str) -> Command {
    let mut command = Command::new(fuzzer);
    command.args(["run", &format!("{}/openapi.json", pomona.api.url)]);
    command.args(["--header", &format!("Authorization: Bearer {}", pomona.api.key)]);
    command.args(["--continue-on-failure", "--exclude-checks", unchecked]);
    // What an earlier run found is not tried again, so that every run is the same.
    command.args(["--max-examples", examples, "--seed", "1", "--generation-database", "none"]);
    // That measures the machine.
    command.args(["--suppress-health-check", "too_slow"]);
    command
}

/// Builds, starts `pomona up` with the built-in model, and hands it over.
pub(super) fn with_pomona(
    job: &mut Job,
    work: impl FnOnce(&mut Job, &Pomona) -> Result<Outcome>,
) -> Result<Outcome> {
    build_binaries(job)?;
    let program = build::target_dir(&job.root).join("debug").join("pomona");
    // No lane asks a public hub; nobody answers there.
    let launch =
        Launch::default().program(&program).two_keys().through(&["env", "HF_ENDPOINT=http://127.0.0.1:9"]);
    let pomona = runtime()?.block_on(launch.start())?;
    let outcome = work(job, &pomona);
    job.note(&pomona.printed())?;
    outcome
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")
}
