//! The commands, and what they share: configuration, the way to the gateway, a runtime.

mod chat;
mod completions;
mod config;
mod key;
mod models;
mod status;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use pomona_client::{Client, Endpoint, Given, Secret};
use pomona_config::{Loaded, Override};
use tokio::runtime::{Builder, Runtime};

use crate::cli::{Cli, Command, Global, UpArgs};
use crate::exit::Exit;
use crate::paths::Paths;
use crate::{data_lock, engine_process, logging, up};

/// Bytes of a key file; keys have 51 characters, and comments may stand around them.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        None => run_up(UpArgs::default(), &global),
        Some(Command::Up(args)) => run_up(args, &global),
        Some(Command::Engine(args)) => engine_process::run(args),
        Some(Command::Chat(args)) => with_log(&global, || chat::run(args, &global)),
        Some(Command::Models(command)) => with_log(&global, || models::run(&command, &global)),
        Some(Command::Status) => with_log(&global, || status::run(&global)),
        Some(Command::Config(command)) => config::run(&command, &global),
        Some(Command::Key(args)) => key::run(&args, &global),
        Some(Command::Completions(args)) => completions::run(&args),
    }
}

fn run_up(args: UpArgs, global: &Global) -> anyhow::Result<ExitCode> {
    if global.url.is_some() || global.key_file.is_some() {
        let message = "--url and --key-file name a gateway to ask; `pomona up` is one";
        return Err(Exit::Usage.because(anyhow::anyhow!(message)));
    }
    let paths = Paths::discover(global.home.as_deref())?;
    let loaded = load_config(&paths, global, &args.overrides())?;
    let _log = logging::start_service(&loaded.config.log, Some(&paths.logs_dir), global.verbose)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(Box::pin(up::up(args, loaded.config, paths)));
    // What still runs on threads of its own (a slow disk) may not hold up the end.
    runtime.shutdown_background();
    ended
}

fn with_log(global: &Global, run: impl FnOnce() -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let _log = logging::start_command(global.verbose)?;
    run()
}

/// File (the usual one if it is there, or the one that was named), environment, flags.
fn load_config(paths: &Paths, global: &Global, overrides: &[Override]) -> anyhow::Result<Loaded> {
    let usual = || paths.config_file.exists().then(|| paths.config_file.clone());
    let file = global.config.clone().or_else(usual);
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    Ok(pomona_config::load(file, environment, overrides)?)
}

/// The gateway that is meant: flags, environment, the one that runs here.
fn connect(global: &Global) -> anyhow::Result<Client> {
    let key = match &global.key_file {
        Some(path) => Some(read_key(path)?),
        None => None,
    };
    let flags = Given { url: global.url.clone(), key };
    let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let environment = Given {
        url: variable("POMONA_URL"),
        key: variable("POMONA_KEY").and_then(|text| Secret::new(&text)),
    };
    let has_url = flags.url.is_some() || environment.url.is_some();
    let local = match Paths::discover(global.home.as_deref()) {
        Ok(paths) => Given {
            url: data_lock::running_gateway(&paths.data_dir).map(|gateway| gateway.url),
            key: read_key(&paths.key_file).ok(),
        },
        // Without a home there is still the gateway that was named.
        Err(_) if has_url => Given::default(),
        Err(error) => return Err(error),
    };
    Ok(Client::new(Endpoint::discover(flags, environment, local)?)?)
}

/// The first key of a file; lines that start with `#` are comments.
fn read_key(path: &Path) -> anyhow::Result<Secret> {
    use std::io::Read;
    let what = || format!("cannot read the key file {}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(what)?;
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).with_context(what)?;
    let key = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    key.and_then(Secret::new).with_context(|| format!("the key file {} holds no key", path.display()))
}

/// Threads for connections and actors: a quarter of the cores, since the engine needs the others. One serves
/// fifty thousand tokens per second; a second one makes each request dearer, because tasks wander.
fn worker_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / 4).clamp(1, 8)
}

/// A runtime for a command that asks a few questions.
fn small_runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}
