//! The load that flags and a file ask for, and what `--dry-run` says of its plan.

use std::collections::BTreeMap;
use std::process::ExitCode;

use pomona_loadtest::arrival::Arrival;
use pomona_loadtest::load::Load;
use pomona_loadtest::plan::{Behaviour, Plan, Transport};
use serde_json::json;

use crate::cli::{Global, LoadArgs};
use crate::exit::Exit;
use crate::output;

use super::files;

/// Largest file with a load: a list of ten thousand lengths fits many times.
const LOAD_BYTES_MAX: u64 = 1024 * 1024;

/// The file, where one is named, and the flags over it.
pub(super) fn load(flags: &LoadArgs) -> anyhow::Result<Load> {
    load_from(flags, Load::default())
}

/// The same, over other defaults.
pub(super) fn load_from(flags: &LoadArgs, default: Load) -> anyhow::Result<Load> {
    let mut load = match &flags.load {
        None => default,
        Some(path) => {
            let text = files::read(path, LOAD_BYTES_MAX)?;
            toml::from_str(&text).map_err(|error| {
                let reason = anyhow::anyhow!("{}: {}", path.display(), error.to_string().trim_end());
                Exit::Usage.because(reason)
            })?
        }
    };
    if let Some(arrival) = arrival(flags) {
        load.arrival = arrival;
    }
    if let Some(duration) = flags.duration {
        load.duration_s = duration.as_secs_f64();
    }
    if let Some((words, groups)) = flags.shared {
        (load.shared_words, load.shared_groups) = (words, groups);
    }
    load.requests = flags.requests.or(load.requests);
    load.prompt_words = flags.prompt_words.clone().unwrap_or(load.prompt_words);
    load.output_tokens = flags.output_tokens.clone().unwrap_or(load.output_tokens);
    load.turns = flags.turns.clone().or(load.turns);
    load.think_ms = flags.think.clone().unwrap_or(load.think_ms);
    load.transports = flags.transports.clone().or(load.transports);
    load.cancels = flags.cancel_share.unwrap_or(load.cancels);
    load.slow_readers = flags.slow_share.unwrap_or(load.slow_readers);
    load.check().map_err(|error| Exit::Usage.because(error))?;
    Ok(load)
}

fn arrival(flags: &LoadArgs) -> Option<Arrival> {
    let by_rate = flags.rate.map(|rate| Arrival::Poisson { rate });
    let by_clients = flags.clients.map(|clients| Arrival::Closed { clients });
    flags.arrival.clone().or(by_rate).or(by_clients)
}

/// Says what would be asked.
pub(super) fn tell(plan: &Plan, words: &str, global: &Global) -> anyhow::Result<ExitCode> {
    let requests = || plan.chains.iter().flat_map(|chain| &chain.requests);
    let mut transports: BTreeMap<Transport, usize> = BTreeMap::new();
    requests().for_each(|request| *transports.entry(request.transport).or_default() += 1);
    let tokens: u64 = requests().map(|request| u64::from(request.output_tokens)).sum();
    let own: u64 = requests().map(|request| u64::from(request.prompt.own_words)).sum();
    let shared: u64 = requests().map(|request| u64::from(request.prompt.shared_words)).sum();
    let cancels = requests().filter(|request| matches!(request.behaviour, Behaviour::CancelAfter(_))).count();
    let slow = requests().filter(|request| matches!(request.behaviour, Behaviour::ReadSlowly(_))).count();
    if global.json {
        output::json(&json!({
            "load": words,
            "seed": plan.seed,
            "seconds": plan.length.as_secs_f64(),
            "chains": plan.chains.len(),
            "requests": requests().count(),
            "transports": transports,
            "prompt_words": own + shared,
            "shared_words": shared,
            "output_tokens": tokens,
            "cancels": cancels,
            "slow_readers": slow,
        }))?;
        return Ok(Exit::Ok.into());
    }
    output::line(words)?;
    output::line(&format!(
        "{} in {} over {:.1} s, seed {}",
        count(requests().count(), "request"),
        count(plan.chains.len(), "chain"),
        plan.length.as_secs_f64(),
        plan.seed
    ))?;
    for (transport, requests) in transports {
        output::line(&format!("  {requests} over {}", name(transport)))?;
    }
    output::line(&format!(
        "at most {tokens} tokens of answers, {} words of prompts, {shared} of them shared",
        own + shared
    ))?;
    output::line(&format!("{} that leave early, {slow} that read slowly", count(cancels, "client")))?;
    Ok(Exit::Ok.into())
}

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Sse => "server-sent events",
        Transport::Whole => "whole answers",
        Transport::WebSocket => "WebSockets",
        Transport::Session => "sessions",
    }
}

/// A number of things in words.
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
