//! The lane in which nodes are lost under many streams.

use anyhow::{Context, Result};
use pomona_tests::build;

use super::cargo::build_binaries;
use super::job::{Job, Outcome};
use crate::bench::Binaries;
use crate::chaos::{self, ChaosArguments};

/// Faults, and as many when everything was asked for.
const KILLS: [u32; 2] = [20, 200];

pub(super) fn chaos(job: &mut Job) -> Result<Outcome> {
    build_binaries(job)?;
    let folder = build::target_dir(&job.root).join("debug");
    let binaries = Binaries { pomona: folder.join("pomona"), test_engine: folder.join("test-engine") };
    let arguments = ChaosArguments {
        kills: KILLS[usize::from(job.full)],
        streams: 16,
        nodes: 3,
        tokens: 200,
        seed: None,
        paced: false,
        loopback: false,
        json: false,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(async {
        let limit = job.remaining();
        let run = chaos::measure(&binaries, &arguments);
        tokio::time::timeout(limit, run).await.with_context(|| format!("not over within {limit:?}"))?
    })?;
    job.note(&report.markdown())?;
    let summary = report.summary();
    Ok(if report.is_intact() { Outcome::Passed(summary) } else { Outcome::Failed(summary) })
}
