//! The commands that talk: chat, for people, and do, for scripts; and embed, which only listens.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pomona_protocol::limits::SEED_MAX;

use super::values::parse_ttl;

/// Flags of `pomona chat`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ChatArgs {
    /// What to ask; without it a conversation begins, or a pipe is read
    pub(crate) prompt: Vec<String>,
    /// Session to go on with, by id or its beginning; `new` makes one. Without it nothing is kept
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Model to ask, instead of the gateway's first
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// What the model is to be like
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// 0 to 2; 0 takes the likeliest token
    #[arg(long, value_name = "NUMBER", value_parser = parse_temperature)]
    pub(crate) temperature: Option<f32>,
    /// Picture that the next question is about: png, jpeg, webp or gif; may stand several times
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Vec<PathBuf>,
    /// Does not show what the model thinks before it answers
    #[arg(long)]
    pub(crate) no_thinking: bool,
    /// Tokens of an answer at most
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// The same seed gives the same answer
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    pub(crate) seed: Option<u64>,
}

/// Flags of `pomona do`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DoArgs {
    /// What is to be done; without it a pipe is read
    #[arg(value_name = "TASK")]
    pub(crate) task: Vec<String>,
    /// Session to go on with, by id or its beginning, instead of a new one
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Model to ask, instead of the gateway's first
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// What the model is to be like
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Does not show what the model thinks before it answers; a pipe never gets it
    #[arg(long)]
    pub(crate) no_thinking: bool,
    /// Tokens of the answer at most
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// How long it may take, 90s or 15m for instance; the turn is cancelled then
    #[arg(long, value_name = "SPAN", value_parser = parse_ttl)]
    pub(crate) timeout: Option<Duration>,
}

/// Flags of `pomona tui`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TuiArgs {
    /// Session to open, or the beginning of its id, instead of a new one
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Model of a session that is made here, instead of the gateway's first
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// What others who read the same session see [default: user and machine]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

fn parse_temperature(text: &str) -> Result<f32, String> {
    let number = text.parse::<f32>().ok().filter(|number| (0.0..=2.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 2".to_owned())
}

/// Flags of `pomona embed`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EmbedArgs {
    /// Texts, each with a vector of its own; without any, the lines of a pipe
    #[arg(value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    /// Model to ask, instead of the gateway's first
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Numbers per vector, where the model can make fewer than it has
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) dimensions: Option<u32>,
}

/// Flags of `pomona web`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct WebArgs {
    /// Print the link alone
    #[arg(long)]
    pub(crate) no_open: bool,
}
