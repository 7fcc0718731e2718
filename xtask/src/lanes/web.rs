//! The lanes of the web app: its own checks, and the app in a browser before running gateways.

mod eyes;
mod stages;

#[allow(dead_code, reason = "the tests of `weights`, whose file this is, play more tricks than this")]
#[path = "../../../weights/tests/exchange/fake_hub.rs"]
mod fake_hub;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::clients::with_pomona;
use super::job::{Job, Outcome};
use super::tools;
use crate::workspace;
use stages::Stages;

const HINT: &str = "Node 20.19 or later with npm is needed: https://nodejs.org";
/// What TypeScript knows of the API, made from `web/openapi.json`.
const TYPES: &str = "src/lib/api/schema.d.ts";

pub(super) fn web(job: &mut Job) -> Result<Outcome> {
    let folder = job.root.join("web");
    if !install(job, &folder)? {
        return Ok(Outcome::Skipped(HINT.to_owned()));
    }
    let npm = |job: &mut Job, script: &str| {
        job.run_in(&folder, Command::new("npm").args(["run", "--silent", script]))
    };
    let types = folder.join(TYPES);
    let before = fs::read(&types)?;
    npm(job, "gen:api")?;
    let is_same = fs::read(&types)? == before;
    fs::write(&types, before)?;
    ensure!(is_same, "web/{TYPES} is not what web/openapi.json says; run `npm run gen:api` in web/");
    npm(job, "check")?;
    npm(job, "test")?;
    let dist = workspace::scratch().join("web");
    let mut build = Command::new("npx");
    build.args(["vite", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir"]).arg(&dist);
    job.run_in(&folder, &mut build)?;
    for script in ["scripts/budget.mjs", "scripts/precompress.mjs"] {
        job.run_in(&folder, Command::new("node").arg(script).arg(&dist))?;
    }
    Ok(Outcome::Passed(job.log_text().lines().next_back().unwrap_or_default().to_owned()))
}

pub(super) fn browser(job: &mut Job) -> Result<Outcome> {
    let folder = job.root.join("web");
    if !install(job, &folder)? {
        return Ok(Outcome::Skipped(HINT.to_owned()));
    }
    let Some(chromium) = tools::chromium(job)? else {
        return Ok(Outcome::Skipped("there is no Chromium; on Debian: apt-get install chromium".to_owned()));
    };
    with_pomona(job, |job, pomona| {
        let stages = Stages::start(job)?;
        let mut run = Command::new("node");
        run.arg("e2e/run.mjs").env("POMONA_CHROMIUM", &chromium);
        run.env("POMONA_URL", &pomona.api.url).env("POMONA_KEY", &pomona.api.key);
        stages.introduce(&mut run)?;
        let played = job.run_in(&folder, &mut run);
        let summary = job.log_text().lines().next_back().unwrap_or_default().to_owned();
        if played.is_err() {
            job.note(&stages.printed())?;
        }
        played.map(|()| Outcome::Passed(summary))
    })
}

/// Installs what the lock file names; `false` when there is no Node.
fn install(job: &mut Job, folder: &Path) -> Result<bool> {
    let is_there = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if !is_there("node") || !is_there("npm") {
        return Ok(false);
    }
    // The build script of `web` keeps the lock file that it installed by.
    let kept: PathBuf = folder.join("node_modules/.pomona-lock");
    let wanted = fs::read(folder.join("package-lock.json"))?;
    if fs::read(&kept).is_ok_and(|installed| installed == wanted) {
        return Ok(true);
    }
    let flags = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error"];
    job.run_in(folder, Command::new("npm").args(flags))?;
    fs::write(kept, wanted)?;
    Ok(true)
}
