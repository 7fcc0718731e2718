//! Logging: for people on stderr, as JSON lines in files. Started once by `main` for the command that runs.
//!
//! Neither can stop the service: both are written by threads of their own behind bounded queues ([`lossy`]),
//! and files rotate by size and by day ([`rolling`]). The newest lines stay in memory as well ([`ring`]), and questions
//! about all of them are answered by [`asked`]. What goes into the log is the business of who logs; prompts, answers and
//! keys never do, and what looks like a secret is masked ([`redact`]).

mod asked;
mod files;
mod lossy;
mod redact;
mod ring;
mod rolling;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use pomona_config::LogConfig;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::Exit;
pub(crate) use asked::Logs;
use lossy::Lossy;
use ring::{Clean, Ring, Tee};
use rolling::RollingFile;

/// Crates whose events and spans are never wanted, whatever is configured.
const SILENT_CRATES: &[&str] = &[
    "ractor",
    "tungstenite",
    "tokio_tungstenite",
    "hyper",
    "h2",
    "reqwest",
    "rustyline",
    "mio",
    "tokenizers",
];

/// Keeps the writers alive; dropping it writes what is still queued, for a second at most.
pub(crate) struct LogGuard {
    /// What was logged, for questions.
    pub(crate) logs: Logs,
    _writers: Vec<Lossy>,
}

/// For `up` and the engine: the configured level to files, and to stderr what a reader there wants. On a terminal
/// that is warnings (the files have the rest) unless `verbose` asks for more; elsewhere (a service manager reads
/// it) it is the configured level.
pub(crate) fn start_service(
    config: &LogConfig,
    logs_dir: Option<&Path>,
    verbose: u8,
) -> anyhow::Result<LogGuard> {
    let on_terminal = io::stderr().is_terminal();
    let files = logs_dir.filter(|_| config.file);
    let level = match verbose {
        0 if on_terminal && files.is_some() => "warn",
        0 | 1 => &config.level,
        2 => "debug",
        _ => "trace",
    };
    let mut writers = Vec::new();
    let stderr = Lossy::start("stderr", io::stderr())?;
    let people = tracing_subscriber::fmt::layer()
        .with_ansi(on_terminal && wants_colour())
        .with_target(verbose > 0)
        .with_writer(Clean(stderr.handle()))
        .with_filter(filter(level)?);
    writers.push(stderr);
    let file = match files {
        None => None,
        Some(folder) => {
            let rolling = RollingFile::new(folder, config.file_bytes_max, config.keep_days);
            let lossy = Lossy::start("log file", rolling)?;
            let handle = lossy.handle();
            writers.push(lossy);
            Some(handle)
        }
    };
    let ring = Arc::new(Ring::new(config.ring_bytes_max));
    // Commands ask nobody about their own log.
    let kept = logs_dir.is_some().then(|| Tee { ring: Arc::clone(&ring), file });
    let kept = match kept {
        None => None,
        Some(tee) => {
            Some(tracing_subscriber::fmt::layer().json().with_writer(tee).with_filter(filter(&config.level)?))
        }
    };
    tracing_subscriber::registry().with(people).with(kept).try_init().context("logging was started twice")?;
    log_panics();
    Ok(LogGuard { logs: Logs::new(ring, files), _writers: writers })
}

/// For the other commands: warnings to stderr, more when asked.
pub(crate) fn start_command(verbose: u8) -> anyhow::Result<LogGuard> {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let config = LogConfig { level: level.to_owned(), ..LogConfig::default() };
    start_service(&config, None, 1)
}

/// The configured directives and, stronger than these, ours. The crates below log what they read and write, which
/// may be a prompt; and ractor puts each actor into a span, which costs a tenth of a turn's processor time.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let directives = SILENT_CRATES.iter().fold(level.to_owned(), |all, name| format!("{all},{name}=off"));
    EnvFilter::builder().parse(directives).map_err(|error| Exit::Configuration.because(error))
}

/// <https://no-color.org>: set to anything but nothing.
fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A panic also leaves its place in the log; its message may quote data and stays on stderr.
fn log_panics() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a thread panicked");
        previous(panic);
    }));
}
