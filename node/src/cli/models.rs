//! The commands of models: which there are, how they come and go, and where they are to be loaded.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pomona_weights::hub::Reference;

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List them: on which disk, where loaded, how large
    #[command(
        visible_alias = "list",
        after_help = "Examples:\n  pomona models ls\n  pomona models ls --json"
    )]
    Ls,
    /// Show what a model is and can do
    #[command(after_help = "Examples:\n  pomona models show Qwen2.5-0.5B-Instruct")]
    Show(ModelName),
    /// Download a model from a hub; a pull that was cut off goes on where it was
    #[command(after_help = "\
Examples:
  pomona models pull Qwen/Qwen2.5-0.5B-Instruct
  pomona models pull owner/name@v1.0 --as mine
  pomona models pull Qwen/Qwen2.5-0.5B-Instruct-GGUF --file '*q8_0*'

HF_ENDPOINT names another hub than https://huggingface.co, HF_TOKEN proves who asks.
HTTPS_PROXY and NO_PROXY are followed.")]
    Pull(PullArgs),
    /// Remove a model from this machine's disk
    #[command(after_help = "Examples:\n  pomona models rm old-model\n  pomona models rm old-model --force")]
    Rm(RemovedModel),
    /// Compare a model on this machine's disk with what it was when it came
    #[command(after_help = "Examples:\n  pomona models verify Qwen2.5-0.5B-Instruct")]
    Verify(ModelName),
    /// Load one more replica of a model
    #[command(after_help = "\
Examples:
  pomona models load sprout                where there is room
  pomona models load sprout --node mini")]
    Load(PlacedModel),
    /// Take the replicas of a model away; their turns end or move first
    #[command(after_help = "\
Examples:
  pomona models unload sprout --node mini
  pomona models unload sprout              everywhere")]
    Unload(PlacedModel),
    /// Keep a model once it is loaded: neither room for others nor idle time ends it
    #[command(after_help = "Examples:\n  pomona models pin sprout\n  pomona models pin sprout --node mini")]
    Pin(PlacedModel),
    /// Take that back
    #[command(after_help = "Examples:\n  pomona models unpin sprout")]
    Unpin(PlacedModel),
}

/// A model, and where.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlacedModel {
    /// Its name
    pub(crate) model: String,
    /// Name or id of the machine
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
}

/// A model.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelName {
    /// Its name
    pub(crate) model: String,
}

/// A model that is to go from the disk.
#[derive(Clone, Debug, Args)]
pub(crate) struct RemovedModel {
    /// Its name
    pub(crate) model: String,
    /// Unload it here first when it is loaded
    #[arg(long)]
    pub(crate) force: bool,
}

/// What is pulled, and where to.
#[derive(Clone, Debug, Args)]
pub(crate) struct PullArgs {
    /// Repository of the hub, with @REVISION when it is not the main branch
    #[arg(value_name = "REPO[@REVISION]")]
    pub(crate) reference: Reference,
    /// Which file, when it has several models; * and ? stand for anything
    #[arg(long, value_name = "PATTERN")]
    pub(crate) file: Option<String>,
    /// What it is called here; the repository's or the file's own name when absent
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The folder that it becomes, instead of one in the data folder
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}
