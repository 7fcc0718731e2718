//! The commands of what lasts: the store and the audit. They open it directly, with the configuration of `up`.

use std::path::PathBuf;

use clap::Subcommand;
use pomona_protocol::Principal;

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Look at everything; ends with 1 when something is wrong and says what
    #[command(after_help = "Examples:\n  pomona store check\n  pomona store check --json | jq .problems")]
    Check,
    /// Write a copy of everything into a new file, while the gateway goes on, and look at all of it
    #[command(after_help = "Examples:\n  pomona store backup ~/pomona-monday.db")]
    Backup {
        /// The new file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Replace everything by a backup; no gateway may run
    #[command(after_help = "\
Examples:
  pomona store restore ~/pomona-monday.db         asks first
  pomona store restore ~/pomona-monday.db --yes")]
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Join what ended turns left and give free space back; no gateway may run
    #[command(after_help = "Examples:\n  pomona store compact")]
    Compact,
    /// Write every session into a folder, one file in JSON each, as `pomona sessions import` takes them; ends with 1
    /// when the store has lost something of one
    #[command(after_help = "Examples:\n  pomona store export ~/pomona-sessions")]
    Export {
        /// The folder; it is made when it is missing
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// What to do with the audit.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Compute every hash again; ends with 1 when a line is not as it was written and says which
    #[command(
        after_help = "Examples:\n  pomona audit verify\n  pomona audit verify --json | jq -r .last_hash"
    )]
    Verify,
    /// List its lines
    #[command(
        visible_alias = "list",
        after_help = "\
Examples:
  pomona audit ls
  pomona audit ls --by key_00c0ffee00c0ffee --after 120"
    )]
    Ls {
        /// Only those of this key
        #[arg(long, value_name = "KEY")]
        by: Option<Principal>,
        /// Only those behind this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
    },
}
