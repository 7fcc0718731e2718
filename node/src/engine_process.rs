//! What `pomona engine` runs: one model, served to the node that started this process, until that goes.
//!
//! The node passes everything on the command line, so that an engine reads no file and no variable that the
//! node has not checked. Its log goes to stderr in short lines, which the node passes on.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use pomona_config::EngineConfig;
use pomona_engine::serve::EngineProcess;
use pomona_protocol::ModelId;

use crate::exit::Exit;

/// What the node tells an engine process.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct EngineArgs {
    /// Unix socket to listen on
    #[arg(long)]
    socket: PathBuf,
    /// Hugging Face folder to load
    #[arg(long)]
    model_dir: PathBuf,
    /// What turns call the model
    #[arg(long)]
    model_id: String,
    /// The section `engine` of the configuration, as JSON
    #[arg(long)]
    engine_json: String,
}

/// Serves one model until its node goes.
pub(crate) fn run(args: EngineArgs) -> anyhow::Result<ExitCode> {
    let engine: EngineConfig = serde_json::from_str(&args.engine_json)
        .context("--engine-json is not the section `engine` as JSON")?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .init();
    let EngineArgs { socket, model_dir, model_id, .. } = args;
    let accelerator = pomona_mlx::accelerator();
    let process = EngineProcess { socket, model_dir, model_id: ModelId(model_id), engine, accelerator };
    pomona_engine::serve::run_process(process).map_err(|error| Exit::Unavailable.because(error))?;
    Ok(Exit::Ok.into())
}
