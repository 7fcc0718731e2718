//! How to start `pomona up` in a home of its own.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::build;
use crate::process::{Ended, Pomona, Running};

/// Longest time from start to ready that a test waits for.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Two keys like any others, which open nothing but what tests start. The first is that of [`Pomona::api`].
pub const KEYS: [&str; 2] = [
    "pom_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8zwkx",
    "pom_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh86oZq",
];

/// A start that is being put together.
#[derive(Clone)]
pub struct Launch {
    home: Option<PathBuf>,
    arguments: Vec<String>,
    program: Option<PathBuf>,
    wrapper: Vec<String>,
    ready_limit: Duration,
    has_two_keys: bool,
}

impl Default for Launch {
    fn default() -> Self {
        Self::up().set("gateway.port", 0)
    }
}

impl Launch {
    /// `pomona up` without a browser, on the port that its configuration says.
    pub fn up() -> Self {
        let arguments = ["up", "--no-open"].map(str::to_owned).to_vec();
        Self {
            home: None,
            arguments,
            program: None,
            wrapper: Vec::new(),
            ready_limit: READY_LIMIT,
            has_two_keys: false,
        }
    }

    /// Any other command.
    pub fn command(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(|&one| one.to_owned()).collect(), ..Self::up() }
    }

    /// Uses `home` instead of a fresh temporary one.
    pub fn home(mut self, home: &Path) -> Self {
        self.home = Some(home.to_owned());
        self
    }

    /// Uses another binary than the one of the tests' profile.
    pub fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// Starts through a program that ends up as the process, `prlimit` for instance.
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&one| one.to_owned()).collect();
        self
    }

    /// As [`Launch::through`], with words that are owned.
    pub fn through_all(mut self, wrapper: Vec<String>) -> Self {
        self.wrapper = wrapper;
        self
    }

    /// Opens to both of [`KEYS`], in a home that has no key yet.
    pub fn two_keys(mut self) -> Self {
        self.has_two_keys = true;
        self
    }

    /// One more argument.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a key of the configuration.
    pub fn set(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.argument("--set").argument(format!("{key}={value}"))
    }

    /// Runs `engine` with a script instead of the real one.
    pub fn engine(self, engine: &Path, script: &str) -> Self {
        let words = script.split_whitespace().map(|word| format!(",{word}"));
        let command = format!("{}{}", engine.display(), words.collect::<String>());
        self.set("engine.command", command)
    }

    /// Starts, and waits until it is ready.
    pub async fn start(self) -> Result<Pomona> {
        let limit = self.ready_limit;
        let pomona = self.start_unready().await?;
        pomona.wait_until_ready(limit).await?;
        Ok(pomona)
    }

    /// Starts, and waits until it listens.
    pub async fn start_unready(self) -> Result<Pomona> {
        let limit = self.ready_limit;
        Pomona::listening(self.spawn()?, limit).await
    }

    /// Starts, and waits for the end; an error when it still runs after `limit`.
    pub async fn run_to_end(self, limit: Duration) -> Result<Ended> {
        self.spawn()?.ended(limit).await
    }

    /// Starts, and waits for nothing.
    pub fn spawn(self) -> Result<Running> {
        let own = self.home.is_none().then(TempDir::new).transpose().context("no temporary folder")?;
        let home = match (&own, self.home) {
            (Some(own), _) => own.path().to_owned(),
            (None, given) => given.unwrap_or_default(),
        };
        if self.has_two_keys {
            write_keys(&home.join("key"))?;
        }
        let program = self.program.map_or_else(build::pomona, Ok)?;
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("POMONA_")) {
            command.env_remove(name);
        }
        let child = command
            .args(&self.arguments)
            .env("POMONA_HOME", &home)
            .env("HOME", &home)
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        Ok(Running::new(child, home, own.map(Arc::new)))
    }
}

fn write_keys(path: &Path) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    KEYS.iter().try_for_each(|key| writeln!(file, "{key}")).context("the keys cannot be written")
}
