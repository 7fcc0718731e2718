//! The lane in which the MLX backend is built and tested on Linux's CPU, where its parts can be had.

use std::process::Command;

use anyhow::Result;

use super::cargo::count_tests;
use super::job::{Job, Outcome};
use crate::mlx_linux::{Ready, cargo, ready};

pub(super) fn mlx(job: &mut Job) -> Result<Outcome> {
    let root = job.root.clone();
    let mut logged = |what: &str, command: &mut Command| -> Result<()> {
        job.note(&format!("{what}\n"))?;
        job.run_where_it_says(command)
    };
    let config = match ready(&root, &mut logged)? {
        Ready::At(config) => config,
        Ready::Missing(what) => return Ok(Outcome::Skipped(format!("nothing of MLX was tested: {what}"))),
    };
    job.run(&mut cargo(&config, &["clippy", "--all-targets", "--", "-D", "warnings"]))?;
    job.run(&mut cargo(&config, &["test"]))?;
    Ok(Outcome::Passed(format!("{} on Linux's CPU", count_tests(&job.log_text()))))
}
