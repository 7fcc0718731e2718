//! One node: a home, the way to start it, and its process while it runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::process::Running;
use crate::system::{self, Signal};
use crate::{Ended, Launch};

/// A machine that is a node, or wants to be.
pub struct Machine {
    /// What it is called in the cluster.
    pub name: String,
    home: Arc<TempDir>,
    launch: Launch,
    process: Option<Running>,
    /// What its earlier processes have printed.
    past: String,
}

impl Machine {
    /// A machine with an empty home; `launch` starts its node again, and with `--join` for the first time.
    pub(super) fn new(name: &str, home: Arc<TempDir>, launch: Launch) -> Self {
        let launch = launch.home(home.path());
        Self { name: name.to_owned(), home, launch, process: None, past: String::new() }
    }

    /// Starts it with a token.
    pub fn join(&mut self, token: &str) -> Result<()> {
        let launch = self.launch.clone().argument("--join").argument(token);
        self.spawn(launch)
    }

    /// Starts it with a token where that must fail, and waits for its end.
    pub async fn join_to_end(&self, token: &str, limit: Duration) -> Result<Ended> {
        self.launch.clone().argument("--join").argument(token).run_to_end(limit).await
    }

    /// Starts it again from what is in its home.
    pub fn start(&mut self) -> Result<()> {
        self.spawn(self.launch.clone())
    }

    /// Starts another binary from now on.
    pub fn set_program(&mut self, program: &Path) {
        self.launch = self.launch.clone().program(program);
    }

    /// Changes a key of its configuration from the next start on.
    pub fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        self.launch = self.launch.clone().set(key, value);
    }

    /// Whether its process was started and not ended by us.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Its process id.
    pub fn pid(&self) -> Result<u32> {
        self.process.as_ref().map(Running::pid).with_context(|| format!("{} does not run", self.name))
    }

    /// Its home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        system::signal(self.pid()?, signal)
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.forget_process();
        Ok(())
    }

    /// Ends it as a service manager would, and waits for that.
    pub async fn terminate(&mut self, limit: Duration) -> Result<Ended> {
        self.signal(Signal::TERM)?;
        self.ended(limit).await
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self, limit: Duration) -> Result<Ended> {
        let process = self.process.take().with_context(|| format!("{} does not run", self.name))?;
        let ended = process.ended(limit).await?;
        self.past += &format!("{}{}", ended.stdout, ended.stderr);
        Ok(ended)
    }

    /// Everything that it has printed over all of its starts.
    pub fn printed(&self) -> String {
        let now = self.process.as_ref().map(Running::printed).unwrap_or_default();
        format!("{}{now}", self.past)
    }

    fn spawn(&mut self, launch: Launch) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs already", self.name);
        self.process = Some(launch.spawn()?);
        Ok(())
    }

    fn forget_process(&mut self) {
        if let Some(process) = self.process.take() {
            self.past += &process.printed();
        }
    }
}
