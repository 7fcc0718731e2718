//! The commands of models: which there are, and where they are to be loaded.

use clap::{Args, Subcommand};

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List them
    #[command(
        visible_alias = "list",
        after_help = "Examples:\n  pomona models ls\n  pomona models ls --json"
    )]
    Ls,
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
