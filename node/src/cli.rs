//! The command line: every command and flag, with help that teaches. What they do stands in `command`; flags of the
//! commands that serve are in `serve`, commands of a cluster in `cluster` and `models`, those that talk in `talk`,
//! sessions in `sessions`, what lasts in `store`, load tests in `loadtest`, what is of this machine alone in `local`.

mod cluster;
mod loadtest;
mod local;
mod models;
mod serve;
mod sessions;
mod store;
mod talk;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::engine_process::EngineArgs;
use crate::exit::Exit;

pub(crate) use cluster::{LogsArgs, NodeName, NodesCommand, NoticesCommand, TokenArgs, TokenCommand};
pub(crate) use loadtest::{
    ChaosArgs, CompareArgs, FaultList, FindArgs, LoadArgs, LoadtestCommand, OutArgs, ReplayArgs, ReportArgs,
    RunArgs, SoakArgs, SweepArgs, TableArgs,
};
pub(crate) use local::{CompletionsArgs, ConfigCommand, KeyArgs, KeyCommand};
pub(crate) use models::{ModelsCommand, PlacedModel, PullArgs, RemovedModel};
pub(crate) use serve::{GatewayArgs, JoinArgs, JoinText, NodeArgs, UpArgs};
pub(crate) use sessions::{ExportArgs, ExportFormat, ForkArgs, ListArgs, SessionsCommand, ShareAs};
pub(crate) use store::{AuditCommand, StoreCommand};
pub(crate) use talk::{ChatArgs, DoArgs, EmbedArgs, TuiArgs, WebArgs};

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
  pomona sessions ls                what was said, and by whom
  pomona status                     what is it doing?
  pomona token create               let another machine join …
  pomona node --join pom1-…         … by typing this there

Exit codes: 0 done, 2 a load test that says nothing, 3 an answer was cut off by its length (`do`), 64 wrong usage, 69 no gateway
or not able to serve, 78 wrong configuration, 130 interrupted, 1 anything else."
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
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Folder for configuration, key, data and logs [env: POMONA_HOME]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) home: Option<PathBuf>,
    /// Configuration file, instead of `config.toml` in its usual place
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Gateway to ask, instead of the one on this machine; several of one cluster by commas, near ones are tried
    /// first [env: POMONA_URL]
    #[arg(long, global = true, value_name = "URL", value_delimiter = ',')]
    pub(crate) url: Vec<String>,
    /// File with the key for it [env: POMONA_KEY holds the key itself]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Certificate of the cluster's authority in PEM, for https; this machine's cluster is known
    /// [env: POMONA_AUTHORITY]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) authority: Option<PathBuf>,
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
  pomona up --join pom1-…                       join a cluster as a second gateway that hosts models

Ctrl-C lets running answers end; a second one does not wait.")]
    Up(UpArgs),
    /// Host models for a cluster, without a gateway on this machine
    #[command(after_help = "\
Examples:
  pomona node --join pom1-…                  join with a token from `pomona token create`
  pomona node                                come back; the membership is kept
  pomona node --join - < token.txt           the token from a file, out of the history of the shell
  pomona node --model ~/models/qwen --name studio
  pomona node --gateway cluster.example:9999  … and this way, when the LAN is out of reach

Ctrl-C hands running answers over to other nodes, or lets them end; a second one does not wait.")]
    Node(NodeArgs),
    /// Answer for a cluster, without hosting models on this machine
    #[command(after_help = "\
Examples:
  pomona gateway                             a cluster of its own; nodes bring the models
  pomona gateway --join pom1-…               a second way into a cluster
  pomona gateway --bind 0.0.0.0 --no-open    for other machines, on a server

A token for it is made with `pomona token create --role gateway`.")]
    Gateway(GatewayArgs),
    /// Tokens with which machines join
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona token create
  pomona token ls
  pomona token revoke 4f1d22c09a3be871"
    )]
    Token(TokenCommand),
    /// Machines of the cluster
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona nodes ls
  pomona nodes drain mini --wait
  pomona nodes undrain mini"
    )]
    Nodes(NodesCommand),
    /// What an admin should hear of: nodes lost, disks low, engines restarted
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona notices ls
  pomona notices ack --all"
    )]
    Notices(NoticesCommand),
    /// What the machines of the cluster logged
    #[command(after_help = "\
Examples:
  pomona logs                              the last lines of every machine
  pomona logs -f --level warn              warnings as they come
  pomona logs --node mini --since 10m --text link
  pomona logs --json --limit 10000 | jq -r .message

Ends with 1 when a machine did not answer; stderr says which.")]
    Logs(LogsArgs),
    /// Serve one model to the node that started this process
    #[command(hide = true)]
    Engine(EngineArgs),
    /// Talk to a model
    #[command(after_help = "\
Examples:
  pomona chat                                        a conversation; /help says more
  pomona chat write a haiku about apples             one answer
  git diff | pomona chat --system \"Review this diff\"  the prompt from a pipe
  pomona chat --json --seed 7 \"Roll a die\" | jq .text
  pomona chat --image apple.jpg \"What is this?\"      for models that see
  pomona chat --session new                          a conversation that lasts, on any machine
  pomona chat --session 4f1d                         … and goes on where it was
  pomona chat --url http://mac.local:9999 --key-file ~/mac.key

Ctrl-C ends the running answer; at the empty prompt it ends the conversation.")]
    Chat(ChatArgs),
    /// Sessions, chat and machines on one screen
    #[command(after_help = "\
Examples:
  pomona tui
  pomona tui --session 4f1d
  pomona tui --url http://mac.local:9999 --key-file ~/mac.key

F1 shows the keys. Answers go on when you leave; sessions stay.")]
    Tui(TuiArgs),
    /// Open the page of the gateway in a browser, signed in
    #[command(after_help = "\
Examples:
  pomona web                   open it here
  pomona web --no-open         print the link, for a browser elsewhere
  pomona web --json | jq -r .url

The link signs one browser in, within ten minutes.")]
    Web(WebArgs),
    /// Do one task and end: for scripts
    #[command(after_help = "\
Examples:
  pomona do summarize the release notes < CHANGELOG.md
  pomona do --json --timeout 5m translate to German < text.txt | jq -r .text
  pomona do --session 4f1d go on

What a pipe brings stands behind the task. The answer goes to stdout and is the same when the
gateway starts again meanwhile. The session stays and has the tag `do`; `pomona sessions resume`
continues it.

Exit codes: 0 the model ended its answer, 3 the answer was cut off by its length, 1 the turn
failed, was cancelled or took longer than --timeout, 64 wrong usage, 69 no gateway, 130
interrupted. stderr says why.")]
    Do(DoArgs),
    /// Vectors for texts, from a model that embeds
    #[command(after_help = "\
Examples:
  pomona embed --model minilm \"an apple a day\"
  pomona embed --json --model minilm one two three | jq '.embeddings[0] | length'
  pomona embed --model minilm < lines.txt

One line of numbers for each text, in their order.")]
    Embed(EmbedArgs),
    /// Sessions: conversations that last
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona sessions ls
  pomona sessions search apple pie
  pomona sessions resume 4f1d

Ids may be shortened to any beginning that only one session has."
    )]
    Sessions(SessionsCommand),
    /// The store in which sessions lie on this machine
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona store check
  pomona store backup ~/pomona-monday.db"
    )]
    Store(StoreCommand),
    /// Who did what: an append-only list in which each line proves those before it
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona audit verify
  pomona audit ls --by key_00c0ffee00c0ffee"
    )]
    Audit(AuditCommand),
    /// Measure a gateway under load: latencies, throughput, what happens when nodes die
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona loadtest run                     half a minute against the gateway of this machine
  pomona loadtest run --rate 20 --duration 60s --slo slo.toml --html report.html
  pomona loadtest find --slo slo.toml     how much load is within the objectives?
  pomona loadtest soak --duration 30m     does anything grow?"
    )]
    Loadtest(Box<LoadtestCommand>),
    /// Models: which can be asked, and where they are loaded
    #[command(
        subcommand,
        after_help = "\
Examples:
  pomona models ls
  pomona models ls --json
  pomona models load sprout --node mini"
    )]
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
