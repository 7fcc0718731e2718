//! A `pomona` process: what it printed, where it listens, how it ended. Dropping it kills it by its id.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pomona_protocol::{ReplicaState, Status};
use tempfile::TempDir;

use crate::http::Api;
use crate::system::{self, Signal};

/// Between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// For the readers of a process that has ended to come to the end of its pipes.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A process and what it prints.
pub struct Running {
    child: Child,
    started: Instant,
    home: PathBuf,
    own_home: Option<Arc<TempDir>>,
    stdout: Collected,
    stderr: Collected,
}

/// What a pipe brought so far, and who reads it.
#[derive(Default)]
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn is_whole(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// How a process ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Everything it wrote to standard output.
    pub stdout: String,
    /// Everything it wrote to standard error.
    pub stderr: String,
    /// How long it ran.
    pub after: Duration,
}

impl Running {
    pub(crate) fn new(mut child: Child, home: PathBuf, own_home: Option<Arc<TempDir>>) -> Self {
        let stdout = child.stdout.take().map(collect).unwrap_or_default();
        let stderr = child.stderr.take().map(collect).unwrap_or_default();
        Self { child, started: Instant::now(), home, own_home, stdout, stderr }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was spawned.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Everything that it has printed so far, standard output first.
    pub fn printed(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }

    /// Waits until everything that a process wrote before its end was read.
    async fn drained(&self) {
        let until = Instant::now() + DRAIN_LIMIT;
        while !(self.stdout.is_whole() && self.stderr.is_whole()) && Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for its end; an error when it still runs after `limit`.
    pub async fn ended(mut self, limit: Duration) -> Result<Ended> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().context("the process cannot be waited for")? {
                let after = self.started.elapsed();
                self.drained().await;
                let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
                return Ok(Ended { code: status.code(), stdout, stderr, after });
            }
            if Instant::now() > deadline {
                bail!("still running after {limit:?}; it printed:\n{}", self.printed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `pomona up` that listens.
pub struct Pomona {
    process: Running,
    /// Its API, with the key of the local user.
    pub api: Api,
}

impl Pomona {
    pub(crate) async fn listening(mut process: Running, limit: Duration) -> Result<Self> {
        let deadline = process.started + limit;
        loop {
            let keys = std::fs::read_to_string(process.home.join("key")).unwrap_or_default();
            let key = keys.lines().next().unwrap_or_default().trim();
            let url = announced_url(&process);
            if let (Some(url), false) = (url, key.is_empty()) {
                return Ok(Self { process, api: Api::new(&url, key)? });
            }
            if let Some(status) = process.child.try_wait().context("the process cannot be waited for")? {
                process.drained().await;
                bail!("pomona ended with {status}; it printed:\n{}", process.printed());
            }
            if Instant::now() > deadline {
                bail!("pomona does not listen after {limit:?}; it printed:\n{}", process.printed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a turn would find a replica.
    pub async fn wait_until_ready(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.api.get("/readyz").await?.0 != 200 {
            if Instant::now() > deadline {
                bail!("pomona is not ready after {limit:?}; it printed:\n{}", self.printed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// When it was spawned.
    pub fn started(&self) -> Instant {
        self.process.started
    }

    /// Its home folder.
    pub fn home(&self) -> &Path {
        &self.process.home
    }

    /// Everything that it has printed so far.
    pub fn printed(&self) -> String {
        self.process.printed()
    }

    /// Process id of its engine, once a replica is ready that is not `other`.
    pub async fn engine_pid_besides(&self, other: Option<u32>) -> Result<u32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let status: Status = self.api.status().await?;
            let ready = status.replicas.iter().find(|replica| replica.state == ReplicaState::Ready);
            if let Some(pid) = ready.and_then(|replica| replica.engine_pid).filter(|&pid| Some(pid) != other)
            {
                return Ok(pid);
            }
            if Instant::now() > deadline {
                bail!("no ready engine: {:?}", status.replicas);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Process id of its engine, once a replica is ready.
    pub async fn engine_pid(&self) -> Result<u32> {
        self.engine_pid_besides(None).await
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        system::signal(self.pid(), signal)
    }

    /// Waits for its end.
    pub async fn ended(self, limit: Duration) -> Result<Ended> {
        self.process.ended(limit).await
    }

    /// Ends it as a service manager would, and gives back its home with everything in it.
    pub async fn stop(self, limit: Duration) -> Result<(Ended, Option<Arc<TempDir>>)> {
        let home = self.process.own_home.clone();
        self.signal(Signal::TERM)?;
        Ok((self.process.ended(limit).await?, home))
    }
}

/// Where this process listens, as it tells the commands of its own home.
fn announced_url(process: &Running) -> Option<String> {
    let text = std::fs::read(process.home.join("data").join("gateway.json")).ok()?;
    let gateway: serde_json::Value = serde_json::from_slice(&text).ok()?;
    // A file that a killed process has left behind names another one.
    (gateway["pid"] == process.pid()).then(|| gateway["url"].as_str().map(str::to_owned))?
}

fn collect(mut pipe: impl Read + Send + 'static) -> Collected {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&bytes);
    let reader = std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut chunk) {
            shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..count]);
        }
    });
    Collected { bytes, reader: Some(reader) }
}
