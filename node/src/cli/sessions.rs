//! The commands of sessions. Ids may be shortened; `command::sessions` finds out what is meant.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use pomona_protocol::Principal;

use super::values::parse_tag_change;

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List them, those with the newest event first
    #[command(
        visible_alias = "list",
        after_help = "\
Examples:
  pomona sessions ls
  pomona sessions ls --tag work --limit 5
  pomona sessions ls --all --json | jq -r '.[].id'"
    )]
    Ls(ListArgs),
    /// What one holds: its settings and the conversation
    #[command(after_help = "\
Examples:
  pomona sessions show 4f1d
  pomona sessions show 4f1d --tree     every branch, without the answers
  pomona sessions show 4f1d --json")]
    Show {
        /// Its id, or the beginning of it
        id: String,
        /// Show every branch as a tree
        #[arg(long)]
        tree: bool,
    },
    /// Find those in which all of these words stand
    #[command(after_help = "\
Examples:
  pomona sessions search apple pie
  pomona sessions search apple --json")]
    Search {
        /// Words of the title, the questions or the answers
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Go on with one: a conversation, or one answer to a prompt
    #[command(after_help = "\
Examples:
  pomona sessions resume 4f1d
  pomona sessions resume 4f1d and with pears?")]
    Resume {
        /// Its id, or the beginning of it
        id: String,
        /// What to ask; without it a conversation begins
        prompt: Vec<String>,
    },
    /// Write the conversation to stdout or into a file
    #[command(after_help = "\
Examples:
  pomona sessions export 4f1d > pie.md
  pomona sessions export 4f1d -o pie.json      the ending says the format
  pomona sessions export 4f1d --format json")]
    Export(ExportArgs),
    /// Make a session from an exported file
    #[command(after_help = "\
Examples:
  pomona sessions import pie.json
  pomona sessions import - < pie.json")]
    Import {
        /// The file in JSON; - reads stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a new session that continues one
    #[command(after_help = "\
Examples:
  pomona sessions fork 4f1d
  pomona sessions fork 4f1d --at turn_88aa --title pears")]
    Fork(ForkArgs),
    /// Give one another name
    #[command(after_help = "Examples:\n  pomona sessions rename 4f1d apple pie")]
    Rename {
        /// Its id, or the beginning of it
        id: String,
        /// Its new name
        #[arg(required = true)]
        title: Vec<String>,
    },
    /// Add tags and take them away
    #[command(after_help = "Examples:\n  pomona sessions tag 4f1d +work -draft")]
    Tag {
        /// Its id, or the beginning of it
        id: String,
        /// `+name` adds one, `-name` takes one away
        #[arg(required = true, allow_hyphen_values = true, value_name = "+ADD|-TAKE", value_parser = parse_tag_change)]
        changes: Vec<(bool, String)>,
    },
    /// Let another key read or write one, or nothing any more
    #[command(after_help = "\
Examples:
  pomona sessions share 4f1d key_00c0ffee00c0ffee read
  pomona sessions share 4f1d key_00c0ffee00c0ffee none")]
    Share {
        /// Its id, or the beginning of it
        id: String,
        /// The key that is to have access, as `pomona sessions show` names the owner's
        key: Principal,
        /// What it may do
        #[arg(value_enum)]
        access: ShareAs,
    },
    /// End the running turn, if there is one
    #[command(after_help = "Examples:\n  pomona sessions cancel 4f1d")]
    Cancel {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Delete them with everything in them
    #[command(after_help = "\
Examples:
  pomona sessions rm 4f1d 88aa         asks first
  pomona sessions rm 4f1d --yes")]
    Rm {
        /// Their ids, or the beginnings of them
        #[arg(required = true)]
        ids: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Which sessions to list.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ListArgs {
    /// Those with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Those that this model answers
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Those with this in their title
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// How many at most
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// Every one
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

/// Where a conversation is to be written, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// Its id, or the beginning of it
    pub(crate) id: String,
    /// Markdown for people, JSON for `import`; without it the ending of the file decides, otherwise Markdown
    #[arg(long, value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// File instead of stdout; it appears when it is complete
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How a conversation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Md,
    Json,
}

/// What a new session continues.
#[derive(Clone, Debug, Args)]
pub(crate) struct ForkArgs {
    /// Its id, or the beginning of it
    pub(crate) id: String,
    /// The last turn that the new one has, by id or its beginning, instead of the end of the active branch
    #[arg(long, value_name = "TURN")]
    pub(crate) at: Option<String>,
    /// Name of the new one
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
}

/// What another key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShareAs {
    Read,
    Write,
    None,
}
