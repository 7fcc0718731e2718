//! The commands of what lies on this machine and of no cluster: configuration, key, completions.

use clap::{Args, Subcommand};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether file and environment are valid
    #[command(after_help = "Examples:\n  pomona config check\n  pomona config check --config draft.toml")]
    Check,
    /// Print what holds, with the place of each key that is not at its default
    #[command(after_help = "Examples:\n  pomona config show\n  pomona config show --json | jq .sources")]
    Show,
    /// Print the JSON schema of the file
    #[command(after_help = "Examples:\n  pomona config schema > pomona.schema.json")]
    Schema,
}

/// What to do with the key.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// Without it the path of the file is printed.
    #[command(subcommand)]
    pub(crate) command: Option<KeyCommand>,
}

/// What to do with the key.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Print the key itself
    #[command(after_help = "Examples:\n  pomona key show\n  export OPENAI_API_KEY=$(pomona key show)")]
    Show,
}

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
