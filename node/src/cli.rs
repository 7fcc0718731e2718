//! The command line: every command and flag, with help that teaches. What they do stands in `command`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use pomona_config::Override;

use crate::engine_process::EngineArgs;
use crate::exit::Exit;

/// Serves language models and talks to them.
///
/// Without a command it is `pomona up`: a gateway and an engine on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "pomona",
    version,
    after_help = "\
Examples:
  pomona                            start a gateway with the built-in model
  pomona up --model ~/models/qwen   … with another model
  pomona chat                       talk to it, from another terminal
  pomona chat \"Why is the sky blue?\"
  pomona status                     what is it doing?

Exit codes: 0 done, 64 wrong usage, 69 no gateway or not able to serve, 78 wrong configuration, 130 interrupted,
1 anything else."
)]
pub(crate) struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What holds for every command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Global {
    /// Folder for configuration, key, data and logs [env: POMONA_HOME]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) home: Option<PathBuf>,
    /// Configuration file, instead of `config.toml` in its usual place
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Gateway to ask, instead of the one on this machine [env: POMONA_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// File with the key for it [env: POMONA_KEY holds the key itself]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more to stderr; twice and thrice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a gateway and an engine on this machine
    #[command(after_help = "\
Examples:
  pomona up                                     the built-in model on http://127.0.0.1:9999
  pomona up --model ~/models/qwen --port 8080   a Hugging Face folder on another port
  pomona up --set log.level=debug               any key of the configuration
  POMONA_LOG_LEVEL=debug pomona up              … from the environment

Ctrl-C lets running answers end; a second one does not wait.")]
    Up(UpArgs),
    /// Serve one model to the node that started this process
    #[command(hide = true)]
    Engine(EngineArgs),
    /// Talk to a model
    #[command(after_help = "\
Examples:
  pomona chat                                        a conversation; /help says more
  pomona chat \"Write a haiku about apples\"           one answer
  git diff | pomona chat --system \"Review this diff\"  the prompt from a pipe
  pomona chat --json --seed 7 \"Roll a die\" | jq .text
  pomona chat --url http://mac.local:9999 --key-file ~/mac.key

Ctrl-C ends the running answer; at the empty prompt it ends the conversation.")]
    Chat(ChatArgs),
    /// Models that can be asked
    #[command(subcommand, after_help = "Examples:\n  pomona models ls\n  pomona models ls --json")]
    Models(ModelsCommand),
    /// What the gateway and its replicas are doing
    #[command(after_help = "\
Examples:
  pomona status
  pomona status --json | jq '.replicas[].state'")]
    Status,
    /// Check, show or describe the configuration
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona config check          is everything valid?
  pomona config show           what holds, and where it was set
  pomona config schema         JSON schema for editors"
    )]
    Config(ConfigCommand),
    /// Where the key of this machine lies
    #[command(after_help = "\
Examples:
  pomona key                   prints the path of the file
  pomona key show              prints the key itself
  curl -H \"Authorization: Bearer $(pomona key show)\" http://127.0.0.1:9999/v1/models")]
    Key(KeyArgs),
    /// Completions for a shell
    #[command(after_help = "\
Examples:
  pomona completions bash > ~/.local/share/bash-completion/completions/pomona
  pomona completions zsh > \"${fpath[1]}/_pomona\"
  pomona completions fish > ~/.config/fish/completions/pomona.fish")]
    Completions(CompletionsArgs),
}

/// Flags of `pomona up`; those with a key in the configuration win over it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct UpArgs {
    /// Address to listen on (gateway.bind)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<String>,
    /// Port to listen on, 0 for any free one (gateway.port)
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<String>,
    /// Hugging Face folder to serve instead of the built-in model (model.path)
    #[arg(long, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,
    /// Serve beyond this machine without TLS (gateway.insecure)
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Do not open the page of the gateway in a browser
    #[arg(long)]
    pub(crate) no_open: bool,
    /// Set any key of the configuration; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = parse_set)]
    pub(crate) set: Vec<(String, String)>,
}

impl UpArgs {
    /// What the flags set in the configuration; named flags win over `--set`.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let set = self.set.iter().map(|(key, value)| over("--set", key, value.clone()));
        let model = self.model.as_ref().map(|path| path.to_string_lossy().into_owned());
        let named = [
            self.bind.clone().map(|value| over("--bind", "gateway.bind", value)),
            self.port.clone().map(|value| over("--port", "gateway.port", value)),
            model.map(|value| over("--model", "model.path", value)),
            self.insecure.then(|| over("--insecure", "gateway.insecure", "true".to_owned())),
        ];
        set.chain(named.into_iter().flatten()).collect()
    }
}

fn over(flag: &'static str, key: &str, value: String) -> Override {
    Override { flag, key: key.to_owned(), value }
}

fn parse_set(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.to_owned()));
    parts.ok_or_else(|| "expected SECTION.KEY=VALUE, gateway.port=8080 for instance".to_owned())
}

/// Flags of `pomona chat`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ChatArgs {
    /// What to ask; without it a conversation begins, or a pipe is read
    pub(crate) prompt: Option<String>,
    /// Model to ask, instead of the gateway's first
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// What the model is to be like
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// 0 to 2; 0 takes the likeliest token
    #[arg(long, value_name = "NUMBER", value_parser = parse_temperature)]
    pub(crate) temperature: Option<f32>,
    /// Tokens of an answer at most
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// The same seed gives the same answer
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(crate) seed: Option<u64>,
}

fn parse_temperature(text: &str) -> Result<f32, String> {
    let number = text.parse::<f32>().ok().filter(|number| (0.0..=2.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 2".to_owned())
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List them
    #[command(
        visible_alias = "list",
        after_help = "Examples:\n  pomona models ls\n  pomona models ls --json"
    )]
    Ls,
}

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

/// Reads the command line. Flags without a command belong to `up`, so `pomona --port 8080` works.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.collect();
    let parsed = Cli::try_parse_from(&arguments);
    let has_no_command = arguments.get(1).is_some_and(|first| first.to_string_lossy().starts_with('-'));
    match parsed {
        Err(error) if error.kind() == ErrorKind::UnknownArgument && has_no_command => {
            let mut with_up = arguments;
            with_up.insert(1, "up".into());
            Cli::try_parse_from(with_up)
        }
        parsed => parsed,
    }
}

/// Prints help, the version or what is wrong, and gives the exit code.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
