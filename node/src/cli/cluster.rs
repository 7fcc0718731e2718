//! The commands that run a cluster: token, nodes, notices and logs.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use pomona_protocol::{LogLevel, NoticeId, PeerRole};

use super::values::{parse_level, parse_name, parse_ttl};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make one and print it; a pipe gets the token alone
    #[command(after_help = "\
Examples:
  pomona token create                              one machine may join within 15 minutes
  pomona token create --role gateway --name studio
  pomona token create --uses 10 --ttl 7d           for a whole rack
  pomona token create | ssh mini pomona node --join -")]
    Create(TokenArgs),
    /// List those that may still be used
    #[command(
        visible_alias = "list",
        after_help = "Examples:\n  pomona token ls\n  pomona token ls --json | jq -r '.[].id'"
    )]
    Ls,
    /// Take one back; machines that joined with it stay members
    #[command(after_help = "Examples:\n  pomona token revoke 4f1d22c09a3be871")]
    Revoke {
        /// Its id, as `pomona token ls` shows it
        id: String,
    },
}

/// What a token is to allow.
#[derive(Clone, Debug, Args)]
pub(crate) struct TokenArgs {
    /// What a machine becomes with it: a node hosts models, a gateway takes questions
    #[arg(long, value_enum, default_value_t = RoleArg::Node)]
    pub(crate) role: RoleArg,
    /// How long it may be used: 90s, 15m, 2h, 7d, at most 30d
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = parse_ttl)]
    pub(crate) ttl: Duration,
    /// How many machines may join with it, 1 to 1000
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) uses: u32,
    /// Name of the machine, instead of its host name; for one machine only
    #[arg(long, value_name = "NAME", value_parser = parse_name, conflicts_with = "uses")]
    pub(crate) name: Option<String>,
}

/// What a machine may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    Node,
    Gateway,
}

impl From<RoleArg> for PeerRole {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Node => PeerRole::Node,
            RoleArg::Gateway => PeerRole::Gateway,
        }
    }
}

/// What to do with the machines of the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum NodesCommand {
    /// List them
    #[command(
        visible_alias = "list",
        after_help = "\
Examples:
  pomona nodes ls
  pomona nodes ls --json | jq -r '.[] | select(.state != \"alive\") | .name'"
    )]
    Ls,
    /// Everything that is known about one
    #[command(after_help = "Examples:\n  pomona nodes show mini\n  pomona nodes show mini --json")]
    Show(NodeName),
    /// Let one finish or hand over its turns and take no new ones, before an update for instance
    #[command(after_help = "\
Examples:
  pomona nodes drain mini
  pomona nodes drain mini --wait     returns when no turn is left there")]
    Drain {
        /// Which.
        #[command(flatten)]
        node: NodeName,
        /// Wait until no turn is left, and show how many are
        #[arg(long)]
        wait: bool,
    },
    /// Let one take turns again
    #[command(after_help = "Examples:\n  pomona nodes undrain mini")]
    Undrain(NodeName),
    /// Remove one from the cluster; it needs a new token to come back
    #[command(after_help = "\
Examples:
  pomona nodes remove mini           asks first
  pomona nodes remove mini --yes")]
    Remove {
        /// Which.
        #[command(flatten)]
        node: NodeName,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Give one another name
    #[command(after_help = "Examples:\n  pomona nodes rename macbook-of-anna studio")]
    Rename {
        /// Which.
        #[command(flatten)]
        node: NodeName,
        /// Its new name
        #[arg(value_parser = parse_name)]
        name: String,
    },
}

/// What to do with notices.
#[derive(Debug, Subcommand)]
pub(crate) enum NoticesCommand {
    /// List them, the newest first
    #[command(
        visible_alias = "list",
        after_help = "\
Examples:
  pomona notices ls
  pomona notices ls --all --limit 500
  pomona notices ls --json | jq -r '.[].message'"
    )]
    Ls {
        /// Those that were acknowledged as well
        #[arg(long)]
        all: bool,
        /// How many, 1 to 10000
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Say that you have seen to some
    #[command(
        after_help = "Examples:\n  pomona notices ack ntc_00c0ffee00c0ffee\n  pomona notices ack --all"
    )]
    Ack {
        /// Their ids, as `pomona notices ls` shows them
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<NoticeId>,
        /// Every one that is open
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

/// Which lines of the logs to show.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogsArgs {
    /// Go on with lines as they are written
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// One machine, by name or id; all of the cluster when left out
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// error, warn, info, debug or trace: this and what is quieter
    #[arg(long, value_name = "LEVEL", value_parser = parse_level)]
    pub(crate) level: Option<LogLevel>,
    /// Only lines of the last 90s, 15m, 2h, 7d
    #[arg(long, value_name = "SPAN", value_parser = parse_ttl)]
    pub(crate) since: Option<Duration>,
    /// A part of the program: peer, fleet, guard
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// A turn's id
    #[arg(long, value_name = "ID")]
    pub(crate) turn: Option<String>,
    /// A text in the message or a field
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// How many lines, 1 to 10000
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// A member of the cluster.
#[derive(Clone, Debug, Args)]
pub(crate) struct NodeName {
    /// Name or id, as `pomona nodes ls` shows them
    pub(crate) node: String,
}
