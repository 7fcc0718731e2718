//! Lanes in which programs of others talk to a running `pomona up`.

use std::process::Command;

use anyhow::{Context, Result};
use pomona_tests::{Launch, Pomona, build};

use super::cargo::build_binaries;
use super::job::{Job, Outcome};
use super::tools;
use crate::workspace;

/// Pinned, so that a lane means the same tomorrow.
const OPENAI: &str = "openai==3.52.0";
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

pub(super) fn openai_python(job: &mut Job) -> Result<Outcome> {
    let python = match tools::python_with(job, OPENAI)? {
        Ok(python) => python,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    with_pomona(job, |job, pomona| {
        let script = job.root.join("tests/python/openai_client.py");
        let mut command = Command::new(&python);
        command.arg("-B").arg(script).env("OPENAI_BASE_URL", format!("{}/v1", pomona.api.url));
        job.run(command.env("OPENAI_API_KEY", &pomona.api.key))?;
        Ok(Outcome::Passed(job.log_text().lines().next_back().unwrap_or_default().to_owned()))
    })
}

pub(super) fn schemathesis(job: &mut Job) -> Result<Outcome> {
    let python = match tools::python_with(job, SCHEMATHESIS)? {
        Ok(python) => python,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    with_pomona(job, |job, pomona| {
        let (examples, seconds) = if job.full { ("200", "300") } else { ("20", "60") };
        let authorization = format!("Authorization: Bearer {}", pomona.api.key);
        let mut command = Command::new(python.with_file_name("st"));
        command.args(["run", &format!("{}/openapi.json", pomona.api.url), "--header", &authorization]);
        command.args(["--max-examples", examples, "--max-time", seconds, "--request-timeout", "20"]);
        // Values can fit their types and still not each other (`best_of` below `n`), so a refusal of valid data
        // is no failure.
        command.args([
            "--seed",
            "1",
            "--continue-on-failure",
            "--exclude-checks",
            "positive_data_acceptance",
        ]);
        // It would end the very model that the other routes need.
        command.args(["--exclude-path", "/admin/models/{id}/unload"]);
        // It writes its caches to where it runs.
        let folder = workspace::scratch().join("schemathesis");
        std::fs::create_dir_all(&folder)?;
        job.run_in(&folder, &mut command)?;
        Ok(Outcome::Passed(format!("up to {seconds} s of examples")))
    })
}

pub(super) fn promtool(job: &mut Job) -> Result<Outcome> {
    let promtool = match tools::promtool(job)? {
        Ok(promtool) => promtool,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    with_pomona(job, |job, pomona| {
        let runtime = runtime()?;
        let ask = serde_json::json!({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 8});
        let metrics = runtime.block_on(async {
            pomona.api.chat(&ask).await?;
            pomona.api.get("/metrics").await
        })?;
        let file = workspace::scratch().join("metrics.txt");
        std::fs::write(&file, &metrics.1)?;
        let check = format!("exec {} check metrics < {}", promtool.display(), file.display());
        job.run(Command::new("sh").args(["-c", &check]))?;
        let series = metrics.1.lines().filter(|line| !line.starts_with('#')).count();
        Ok(Outcome::Passed(format!("{series} series")))
    })
}

/// Builds, starts `pomona up` with the built-in model, and hands it over.
fn with_pomona(job: &mut Job, work: impl FnOnce(&mut Job, &Pomona) -> Result<Outcome>) -> Result<Outcome> {
    build_binaries(job)?;
    let program = build::target_dir(&job.root).join("debug").join("pomona");
    let pomona = runtime()?.block_on(Launch::default().program(&program).start())?;
    let outcome = work(job, &pomona);
    job.note(&pomona.printed())?;
    outcome
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")
}
