//! The gateways that flows are played on besides the usual one, each told to them by variables: one whose answers take
//! their time, one with nodes that may be killed, one whose hub is a slow mirror, and one whose model sees. They live
//! as long as [`Stages`].

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use pomona_tests::{Cluster, Launch, Pomona, build};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

use super::eyes;
use super::fake_hub::{FakeHub, Trick};
use crate::lanes::job::Job;
use crate::workspace;

/// Tokens of an answer of the scripted engine, and how many it says in a second.
const PACE: &str = "tokens=400 pace=20";
/// One for each try of the flow that kills one, and one that is left.
const NODES: usize = 3;
/// Between two pieces of 64 KiB, so that a download of ten megabytes can be watched and paused.
const MIRROR_PAUSE: Duration = Duration::from_millis(40);

/// Gateways that run.
pub(super) struct Stages {
    paced: Pomona,
    cluster: Cluster,
    mirrored: Pomona,
    seeing: Pomona,
    _hub: FakeHub,
    /// Serves the hub.
    _runtime: Runtime,
}

impl Stages {
    /// Starts all of them, with binaries that are built.
    pub(super) fn start(job: &Job) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let programs = build::target_dir(&job.root).join("debug");
        let (pomona, engine) = (programs.join("pomona"), programs.join("test-engine"));
        let model = eyes::make(&job.root, &workspace::scratch().join("web-eyes"))?;
        let up = || Launch::default().program(&pomona);
        let (hub, paced, cluster, mirrored, seeing) = runtime.block_on(async {
            let hub = slow_mirror(&job.root).await?;
            let endpoint = format!("HF_ENDPOINT={}", hub.url());
            let (paced, cluster, mirrored, seeing) = tokio::try_join!(
                up().engine(&engine, PACE).start(),
                Cluster::builder().program(&pomona).engine(&engine, PACE).nodes(NODES).start(),
                up().through(&["env", &endpoint, "NO_PROXY=*"]).start(),
                up().argument("--model").argument(model.display().to_string()).start(),
            )?;
            anyhow::Ok((hub, paced, cluster, mirrored, seeing))
        })?;
        Ok(Self { paced, cluster, mirrored, seeing, _hub: hub, _runtime: runtime })
    }

    /// Tells a run of the flows where they are.
    pub(super) fn introduce(&self, run: &mut Command) -> Result<()> {
        let places = [
            ("PACED", &self.paced),
            ("CLUSTER", self.cluster.gateways.first().context("a cluster has a gateway")?),
            ("HUB", &self.mirrored),
            ("EYES", &self.seeing),
        ];
        for (name, place) in places {
            run.env(format!("POMONA_{name}_URL"), &place.api.url);
            run.env(format!("POMONA_{name}_KEY"), &place.api.key);
        }
        let pids = self.cluster.nodes.iter().map(|node| Ok((node.name.clone(), Value::from(node.pid()?))));
        let pids: Map<String, Value> = pids.collect::<Result<_>>()?;
        run.env("POMONA_CLUSTER_PIDS", Value::from(pids).to_string());
        Ok(())
    }

    /// What all of them have printed.
    pub(super) fn printed(&self) -> String {
        let alone = [&self.paced, &self.mirrored, &self.seeing].map(Pomona::printed);
        alone.concat() + &self.cluster.printed()
    }
}

/// A hub that has the built-in model and gives it slowly.
async fn slow_mirror(root: &Path) -> Result<FakeHub> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join("engine/sprout/model"))? {
        let entry = entry?;
        files.push((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?));
    }
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let hub = FakeHub::start(&files).await;
    hub.play("model.safetensors", Trick::Slow(MIRROR_PAUSE), u32::MAX);
    Ok(hub)
}
