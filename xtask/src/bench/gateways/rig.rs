//! What stands around a gateway: the inference server behind it and the load before it, both on a core that is not the
//! gateway's. Dropping it ends them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::load::{Plan, Report, Work};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::super::Binaries;

/// The gateway's core, for itself alone.
pub(super) const GATEWAY_CORE: usize = 0;
/// The core of inference server and load.
pub(super) const LOAD_CORE: usize = 1;
/// From token to token of a stream: 50 tokens/s, as a fast model gives one reader.
pub(super) const EVERY_US: u64 = 20_000;
/// For warm-up and end of a load, besides its window.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// Where a load goes, and whose time and memory it counts.
pub(super) struct Goal {
    pub(super) address: SocketAddr,
    pub(super) key: String,
    pub(super) pids: Vec<u32>,
}

pub(super) struct Rig {
    pub(super) pomona: PathBuf,
    pub(super) test_engine: PathBuf,
    /// The inference server.
    pub(super) upstream: SocketAddr,
    gateway_load: PathBuf,
    _mock: Child,
}

impl Rig {
    pub(super) async fn start(binaries: &Binaries) -> Result<Self> {
        let beside = |name: &str| binaries.pomona.with_file_name(name);
        let (mock, gateway_load) = (beside("mock-upstream"), beside("gateway-load"));
        for program in [&binaries.pomona, &binaries.test_engine, &mock, &gateway_load] {
            ensure!(program.is_file(), "{} is not there; build it, or leave --built out", program.display());
        }
        let mut command = Command::new("taskset");
        command.args(pinned(LOAD_CORE)).arg(&mock).arg(format!("every_us={EVERY_US}"));
        let mut mock = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the inference server cannot be started; is taskset installed?")?;
        let stdout = mock.stdout.take().context("invariant: its output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let upstream = line.trim().parse().with_context(|| format!("the inference server says {line:?}"))?;
        let (pomona, test_engine) = (binaries.pomona.clone(), binaries.test_engine.clone());
        Ok(Self { pomona, test_engine, upstream, gateway_load, _mock: mock })
    }

    /// The inference server without a gateway.
    pub(super) fn direct(&self) -> Goal {
        Goal { address: self.upstream, key: String::new(), pids: Vec::new() }
    }

    /// Puts load on a gateway.
    pub(super) async fn load(&self, goal: &Goal, work: Work, window: Duration) -> Result<Report> {
        let Goal { address, key, pids } = goal;
        let window_ms = u64::try_from(window.as_millis())?;
        let plan = Plan { address: *address, key: key.clone(), work, pids: pids.clone(), window_ms };
        let mut command = Command::new("taskset");
        command.args(pinned(LOAD_CORE)).arg(&self.gateway_load).arg(serde_json::to_string(&plan)?);
        let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).output();
        let output = tokio::time::timeout(window + LOAD_LIMIT, output).await.context("the load hangs")?;
        let output = output.context("the load cannot be started")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the load failed: {}", said.trim());
        serde_json::from_slice(&output.stdout).context("the load reports no JSON")
    }
}

/// Arguments of `taskset` before a program.
pub(super) fn pinned(core: usize) -> [String; 2] {
    ["-c".to_owned(), core.to_string()]
}
