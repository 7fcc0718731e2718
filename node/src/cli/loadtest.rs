//! The command line of `pomona loadtest`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use pomona_loadtest::arrival::Arrival;
use pomona_loadtest::lengths::Lengths;
use pomona_loadtest::mix::{Mix, parse_share};
use pomona_loadtest::run::chaos::{self, Fault};

/// What to find out.
#[derive(Debug, Subcommand)]
pub(crate) enum LoadtestCommand {
    /// Ask at a rate for a while and report
    #[command(after_help = "\
Examples:
  pomona loadtest run                                       2 requests per second for 30 s
  pomona loadtest run --rate 20 --duration 60s --html report.html
  pomona loadtest run --clients 8 --turns 5 --think 2000    eight people in sessions
  pomona loadtest run --arrival ramp:1-50 --slo slo.toml --json report.json
  pomona loadtest run --chaos kill@20s:n1,stop@40s:n2:5s --check-texts 20
  pomona loadtest run --load load.toml --dry-run            what would be asked?

Exit codes: 0 the objectives were met and nothing was lost, 1 they were not, 2 the run says
nothing (the generator was too slow), 64 wrong usage, 69 no gateway.")]
    Run(RunArgs),
    /// Ask at rising rates and find where waiting begins
    #[command(after_help = "\
Examples:
  pomona loadtest sweep
  pomona loadtest sweep --levels 1,2,5,10,20,50 --duration 60s --json sweep.json")]
    Sweep(SweepArgs),
    /// Find the highest rate within the objectives
    #[command(after_help = "\
Examples:
  pomona loadtest find --slo slo.toml
  pomona loadtest find --slo slo.toml --from 5 --to 200 --repeats 3")]
    Find(FindArgs),
    /// Ask two gateways in turn and compare: A is --url, B is --with
    #[command(after_help = "\
Examples:
  pomona loadtest compare --with http://127.0.0.1:8080 --rate 10
  pomona loadtest compare --with http://other:9999 --with-key-file other.key --rounds 6 --fail-if 5%

Exit codes: 0 B is no worse, 1 it is, 2 the runs say nothing.")]
    Compare(CompareArgs),
    /// Ask what was asked once, at the times at which it was
    #[command(after_help = "\
Examples:
  pomona loadtest replay trace.jsonl
  pomona loadtest replay trace.jsonl --speed 2 --html report.html

A line of a trace is {\"at_ms\":120,\"prompt_words\":40,\"output_tokens\":64,\"session\":\"a\"}.")]
    Replay(ReplayArgs),
    /// Ask for long, with faults, and see whether everything comes back to where it was
    #[command(after_help = "\
Examples:
  pomona loadtest soak --duration 30m --html soak.html
  pomona loadtest soak --duration 8h --faults-on n1,n2 --faults-every 30s

Without --faults-on nothing is disturbed. Faults befall the nodes that are named, which have to
run on this machine.")]
    Soak(SoakArgs),
    /// Make pages and tables of a report again
    #[command(after_help = "\
Examples:
  pomona loadtest report report.json
  pomona loadtest report report.json --html report.html --junit junit.xml")]
    Report(ReportArgs),
}

/// What is asked.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// File with a load in TOML; flags go before it
    #[arg(long, value_name = "FILE")]
    pub(crate) load: Option<PathBuf>,
    /// Model to ask, instead of the gateway's first
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Requests per second, at random times: short for --arrival poisson:RATE
    #[arg(long, value_name = "RATE", value_parser = parse_rate, conflicts_with_all = ["arrival", "clients"])]
    pub(crate) rate: Option<f64>,
    /// When requests start: constant:RATE, poisson:RATE, gamma:RATE,SHAPE, bursts:QUIET,BURST,QUIET_S,BURST_S,
    /// ramp:FROM-TO, steps:RATExSECONDS,…, closed:CLIENTS
    #[arg(long, value_name = "FORM", conflicts_with = "clients")]
    pub(crate) arrival: Option<Arrival>,
    /// Clients that each wait for their answer before they ask again: short for --arrival closed:COUNT
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) clients: Option<u32>,
    /// How long requests start: 30s, 5m, 1h; those that run then are read to their ends
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(crate) duration: Option<Duration>,
    /// Stop after this many requests
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) requests: Option<u32>,
    /// Words of a prompt: 64, uniform:20-200, lognormal:MEDIAN,SIGMA, list:12,40,800
    #[arg(long, value_name = "LENGTHS")]
    pub(crate) prompt_words: Option<Lengths>,
    /// Tokens of an answer, in the same forms
    #[arg(long, value_name = "LENGTHS")]
    pub(crate) output_tokens: Option<Lengths>,
    /// Words that prompts share at their beginning, and how many such beginnings there are: 200 or 200x8
    #[arg(long, value_name = "WORDSxGROUPS", value_parser = parse_shared)]
    pub(crate) shared: Option<(u32, u32)>,
    /// Requests of a conversation, each behind the answer before: 5, uniform:2-8
    #[arg(long, value_name = "LENGTHS")]
    pub(crate) turns: Option<Lengths>,
    /// Milliseconds between an answer and the next request of a conversation
    #[arg(long, value_name = "LENGTHS")]
    pub(crate) think: Option<Lengths>,
    /// How they are asked: sse, whole, ws, session, or a mix like sse:70,ws:30
    #[arg(long, value_name = "MIX", value_parser = parse_mix)]
    pub(crate) transports: Option<Mix>,
    /// Share of clients that leave in the middle of the answer: 5%
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) cancel_share: Option<f64>,
    /// Share of clients that read slowly
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) slow_share: Option<f64>,
    /// The same seed asks the same at the same times
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Requests that may run at once; more are dropped and counted
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) in_flight_max: u32,
    /// Longest time for one request
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = parse_span)]
    pub(crate) timeout: Duration,
}

/// Where the report goes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct OutArgs {
    /// Objectives in TOML, `[ttft_ms]` `p95 = 500` for instance
    #[arg(long, value_name = "FILE")]
    pub(crate) slo: Option<PathBuf>,
    /// Page with plots, in one file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Table with one line for each request
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Objectives as test cases, for build servers
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// With --json: file for the report, instead of the terminal
    #[arg(value_name = "JSON")]
    pub(crate) json_file: Option<PathBuf>,
}

/// Where the result of many runs goes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct TableArgs {
    /// Objectives in TOML, `[ttft_ms]` `p95 = 500` for instance
    #[arg(long, value_name = "FILE")]
    pub(crate) slo: Option<PathBuf>,
    /// Page with plots, in one file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// With --json: file for the result, instead of the terminal
    #[arg(value_name = "JSON")]
    pub(crate) json_file: Option<PathBuf>,
}

/// What goes wrong meanwhile.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Faults")]
pub(crate) struct ChaosArgs {
    /// Faults by time, on this machine: kill@20s:n1, kill@20s:n1/engine, kill@20s:4711, stop@20s:n1:5s, slow@20s:n1:5s,
    /// cut@20s:n1:5s, drain@20s:n1:5s, exec@20s:COMMAND; may stand several times
    #[arg(long, value_name = "LIST", value_parser = parse_faults)]
    pub(crate) chaos: Vec<FaultList>,
    /// Command that cuts a network, run with `cut NODE begin` and `cut NODE end`
    #[arg(long, value_name = "COMMAND")]
    pub(crate) chaos_exec: Option<String>,
    /// Answers to ask for again, alone, to compare their texts
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) check_texts: u32,
}

/// The faults of one `--chaos`.
#[derive(Clone, Debug)]
pub(crate) struct FaultList(pub(crate) Vec<Fault>);

/// Flags of `pomona loadtest run`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) chaos: ChaosArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
    /// Say what would be asked, and ask nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Flags of `pomona loadtest sweep`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SweepArgs {
    /// Requests per second, or clients, of each run, rising
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_rate, default_value = "1,2,4,8,16,32,64,128,256")]
    pub(crate) levels: Vec<f64>,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) out: TableArgs,
}

/// Flags of `pomona loadtest find`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FindArgs {
    /// Lowest level to try
    #[arg(long, value_name = "RATE", value_parser = parse_rate, default_value = "1")]
    pub(crate) from: f64,
    /// Highest level to try
    #[arg(long, value_name = "RATE", value_parser = parse_rate, default_value = "256")]
    pub(crate) to: f64,
    /// Runs of each level; most of them decide, so an odd number
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) repeats: u32,
    /// How near the highest level within and the lowest above are to come
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "5%")]
    pub(crate) precision: f64,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) out: TableArgs,
}

/// Flags of `pomona loadtest compare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// Gateway B
    #[arg(long, value_name = "URL")]
    pub(crate) with: String,
    /// File with the key for it, instead of that for A
    #[arg(long, value_name = "FILE")]
    pub(crate) with_key_file: Option<PathBuf>,
    /// Model to ask there, instead of the same
    #[arg(long, value_name = "NAME")]
    pub(crate) with_model: Option<String>,
    /// Rounds of one run of A and one of B
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(4..=1000))]
    pub(crate) rounds: u32,
    /// Fail when B is worse than A by more than this share, and by more than chance
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) fail_if: Option<f64>,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) out: TableArgs,
}

/// Flags of `pomona loadtest replay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplayArgs {
    /// What was asked, one JSON object per line
    pub(crate) trace: PathBuf,
    /// 2 asks in half of the time
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = parse_rate)]
    pub(crate) speed: f64,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) chaos: ChaosArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
    /// Say what would be asked, and ask nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Flags of `pomona loadtest soak`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SoakArgs {
    /// Nodes of this machine that are disturbed, by name
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    pub(crate) faults_on: Vec<String>,
    /// Time between two faults, about
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse_span)]
    pub(crate) faults_every: Duration,
    /// Time for the gateway to come to rest before it is compared with its beginning
    #[arg(long, value_name = "SPAN", default_value = "15s", value_parser = parse_span)]
    pub(crate) rest: Duration,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) chaos: ChaosArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}

/// Flags of `pomona loadtest report`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReportArgs {
    /// Report in JSON, as `run --json` wrote it
    pub(crate) report: PathBuf,
    /// Page with plots, in one file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Table with one line for each slice of time
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Objectives as test cases, for build servers
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

fn parse_faults(text: &str) -> Result<FaultList, chaos::UnknownFault> {
    chaos::parse_list(text).map(FaultList)
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= 100_000.0);
    rate.ok_or_else(|| "expected a number above 0, at most 100000".to_owned())
}

fn parse_span(text: &str) -> Result<Duration, String> {
    let span = chaos::parse_span(text).filter(|span| !span.is_zero());
    span.ok_or_else(|| "expected a number with ms, s, m or h, at most a day; 30s for instance".to_owned())
}

fn parse_shared(text: &str) -> Result<(u32, u32), String> {
    let (words, groups) = text.split_once('x').unwrap_or((text, "1"));
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number <= 1_000_000);
    let shared = number(words).zip(number(groups).filter(|groups| *groups > 0));
    shared.ok_or_else(|| "expected WORDS or WORDSxGROUPS, 200x8 for instance".to_owned())
}

/// A mix, with the short name that people type.
fn parse_mix(text: &str) -> Result<Mix, String> {
    let long = |part: &str| match part.trim() {
        "ws" => "websocket".to_owned(),
        part => {
            part.strip_prefix("ws:").map_or_else(|| part.to_owned(), |weight| format!("websocket:{weight}"))
        }
    };
    let parts: Vec<String> = text.split(',').map(long).collect();
    parts.join(",").parse::<Mix>().map_err(|error| error.to_string())
}
