//! The commands, and what they share: configuration, the way to the gateway, a runtime.

mod audit;
mod chat;
mod completions;
mod config;
mod do_task;
mod embed;
mod join;
mod key;
mod loadtest;
mod logs;
mod models;
mod nodes;
mod notices;
mod picture;
mod session_turn;
mod sessions;
mod status;
mod store;
mod token;
mod tui;
mod web;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use pomona_client::{Client, Endpoint, Given, Secret};
use pomona_config::{Config, Loaded, Override};
use tokio::runtime::{Builder, Runtime};

use crate::cli::{Cli, Command, Global, UpArgs};
use crate::exit::Exit;
use crate::logging::Logs;
use crate::paths::Paths;
pub(crate) use sessions::shown;
pub(crate) use store::failed as store_failed;

use crate::{data_lock, engine_process, huge_pages, logging, node, up};

/// Bytes of a file with a key or a certificate: either has less than 2 KiB, and comments may stand around it.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Certificate of the authority of this machine's cluster, below the data folder.
const AUTHORITY_FILE: &str = "cluster/authority.pem";

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    huge_pages::allow(matches!(command, Some(Command::Engine(_))));
    match command {
        None => run_up(UpArgs::default(), &global),
        Some(Command::Up(args)) => run_up(args, &global),
        Some(Command::Node(mut args)) => {
            join::resolve(&mut args.join)?;
            let overrides = args.overrides();
            serve("node", &global, &overrides, |config, paths, logs| node::node(args, config, paths, logs))
        }
        Some(Command::Gateway(mut args)) => {
            join::resolve(&mut args.join)?;
            let overrides = args.overrides();
            serve("gateway", &global, &overrides, |config, paths, logs| {
                up::gateway(args, config, paths, logs)
            })
        }
        Some(Command::Token(command)) => with_log(&global, || token::run(command, &global)),
        Some(Command::Nodes(command)) => with_log(&global, || nodes::run(command, &global)),
        Some(Command::Logs(args)) => with_log(&global, || logs::run(args, &global)),
        Some(Command::Notices(command)) => with_log(&global, || notices::run(command, &global)),
        Some(Command::Engine(args)) => engine_process::run(args),
        Some(Command::Chat(args)) => with_log(&global, || chat::run(args, &global)),
        Some(Command::Do(args)) => with_log(&global, || do_task::run(args, &global)),
        Some(Command::Embed(args)) => with_log(&global, || embed::run(args, &global)),
        Some(Command::Sessions(command)) => with_log(&global, || sessions::run(command, &global)),
        Some(Command::Store(command)) => with_log(&global, || store::run(command, &global)),
        Some(Command::Audit(command)) => with_log(&global, || audit::run(command, &global)),
        Some(Command::Tui(args)) => tui::run(args, &global),
        Some(Command::Web(args)) => with_log(&global, || web::run(args, &global)),
        Some(Command::Loadtest(command)) => with_log(&global, || loadtest::run(*command, &global)),
        Some(Command::Models(command)) => with_log(&global, || models::run(command, &global)),
        Some(Command::Status) => with_log(&global, || status::run(&global)),
        Some(Command::Config(command)) => config::run(&command, &global),
        Some(Command::Key(args)) => key::run(&args, &global),
        Some(Command::Completions(args)) => completions::run(&args),
    }
}

fn run_up(mut args: UpArgs, global: &Global) -> anyhow::Result<ExitCode> {
    join::resolve(&mut args.join)?;
    let overrides = args.overrides();
    serve("up", global, &overrides, |config, paths, logs| up::up(args, config, paths, logs))
}

/// Runs what stays: configuration, log and runtime for one of the commands that serve.
fn serve<F>(
    command: &str,
    global: &Global,
    overrides: &[Override],
    run: impl FnOnce(Config, Paths, Logs) -> F,
) -> anyhow::Result<ExitCode>
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    if !global.url.is_empty() || global.key_file.is_some() || global.authority.is_some() {
        let message = format!(
            "--url, --key-file and --authority are for asking a gateway; `pomona {command}` asks none"
        );
        return Err(Exit::Usage.because(anyhow::anyhow!(message)));
    }
    let paths = Paths::discover(global.home.as_deref())?;
    let loaded = load_config(&paths, global, overrides)?;
    let log = logging::start_service(&loaded.config.log, Some(&paths.logs_dir), global.verbose)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(Box::pin(run(loaded.config, paths, log.logs.clone())));
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

/// The gateways that are meant, ready to be asked.
fn connect(global: &Global) -> anyhow::Result<Client> {
    Ok(Client::new(endpoint(global)?)?)
}

/// The gateways that are meant: flags, environment, the one that runs here.
fn endpoint(global: &Global) -> anyhow::Result<Endpoint> {
    let key = global.key_file.as_deref().map(read_key).transpose()?;
    let authority = global.authority.as_deref().map(read_authority).transpose()?;
    let flags = Given { urls: global.url.clone(), key, authority };
    let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let environment = Given {
        urls: variable("POMONA_URL").map(|urls| split(&urls)).unwrap_or_default(),
        key: variable("POMONA_KEY").and_then(|text| Secret::new(&text)),
        authority: variable("POMONA_AUTHORITY").map(|path| read_authority(Path::new(&path))).transpose()?,
    };
    let has_url = !flags.urls.is_empty() || !environment.urls.is_empty();
    let local = match Paths::discover(global.home.as_deref()) {
        Ok(paths) => Given {
            urls: data_lock::running_gateway(&paths.data_dir)
                .map(|gateway| gateway.url)
                .into_iter()
                .collect(),
            key: read_key(&paths.key_file).ok(),
            authority: read_authority(&paths.data_dir.join(AUTHORITY_FILE)).ok(),
        },
        // Without a home there is still the gateway that was named.
        Err(_) if has_url => Given::default(),
        Err(error) => return Err(error),
    };
    Ok(Endpoint::discover(flags, environment, local)?)
}

fn split(urls: &str) -> Vec<String> {
    urls.split(',').map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()).collect()
}

fn read_authority(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_file(path, "authority").map(String::into_bytes)
}

/// The first key of a file; lines that start with `#` are comments.
fn read_key(path: &Path) -> anyhow::Result<Secret> {
    let text = read_file(path, "key")?;
    let key = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    key.and_then(Secret::new).with_context(|| format!("the key file {} holds no key", path.display()))
}

fn read_file(path: &Path, what: &str) -> anyhow::Result<String> {
    use std::io::Read;
    let context = || format!("cannot read the {what} file {}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(context)?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).with_context(context)?;
    Ok(text)
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
