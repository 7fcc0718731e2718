//! What load is wanted, in a few words, and the plan that follows from it and a seed. Read from flags or a TOML file by
//! the command; [`Load::plan`] is called once before a run, and again by sweeps and searches at other levels.
//!
//! The same load and seed give the same plan on every machine. Each kind of chance has its own stream of numbers, so
//! changing one share leaves all else as it was.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arrival::{Arrival, micros};
use crate::lengths::{LENGTH_MAX, Lengths};
use crate::mix::Mix;
use crate::plan::{Behaviour, Chain, Plan, Prompt, Request, Transport};
use crate::random::{Purpose, Random};
use crate::trace;

/// Most requests of a plan; about 100 MB of it.
pub const REQUESTS_MAX: usize = 1_000_000;
/// Longest run: a day.
pub const DURATION_S_MAX: f64 = 86_400.0;
/// Requests per second that a client of a closed loop may reach before its chain ends early. Its answers come over a
/// network and have tokens, so it does not.
pub const CLIENT_RATE_MAX: f64 = 100.0;
/// Clients of a closed loop begin over this time when they do not think, so that they do not ask in step.
const CLIENTS_SPREAD: Duration = Duration::from_millis(100);

/// What load is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Load {
    /// When chains of requests start.
    pub arrival: Arrival,
    /// Seconds over which requests start; those that run then are read to their ends. At most a day.
    pub duration_s: f64,
    /// Stop after this many requests, should they come first.
    pub requests: Option<u32>,
    /// Words of a prompt besides the shared beginning, at least 1.
    pub prompt_words: Lengths,
    /// Tokens of an answer, at least 1.
    pub output_tokens: Lengths,
    /// Words of a beginning that many prompts share; 0 for none.
    pub shared_words: u32,
    /// How many such beginnings there are; each request has one of them, each as likely. At least 1.
    pub shared_groups: u32,
    /// Requests of a chain, each waiting for the answer before. Unset: 1 in an open loop, no end in a closed one.
    pub turns: Option<Lengths>,
    /// Milliseconds between an answer and the next request of its chain.
    pub think_ms: Lengths,
    /// How requests are asked, one transport for all of a chain. Unset: `session` when `turns` are set, else `sse`.
    pub transports: Option<Mix>,
    /// Share of requests whose client goes away in the middle of the answer, 0 to 1.
    pub cancels: f64,
    /// Share of requests whose client reads slowly, 0 to 1.
    pub slow_readers: f64,
    /// How long such a client waits after each read, in milliseconds.
    pub slow_read_ms: u32,
}

/// A load that cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// A number outside of its range.
    #[error("{key} of the load is {value}, not {expected}")]
    Range {
        /// Which.
        key: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// More than can be planned.
    #[error(
        "the load has about {expected:.0} requests, at most {REQUESTS_MAX}; lower its rate, its turns or its duration, or set requests"
    )]
    TooMany {
        /// How many it would have.
        expected: f64,
    },
}

impl Default for Load {
    /// A few users of one machine for half a minute.
    fn default() -> Self {
        Self {
            arrival: Arrival::Poisson { rate: 2.0 },
            duration_s: 30.0,
            requests: None,
            prompt_words: Lengths::Fixed(64),
            output_tokens: Lengths::Fixed(64),
            shared_words: 0,
            shared_groups: 1,
            turns: None,
            think_ms: Lengths::Fixed(0),
            transports: None,
            cancels: 0.0,
            slow_readers: 0.0,
            slow_read_ms: 50,
        }
    }
}

impl Load {
    /// Whether it can be run. A plan of a load that cannot is cut to the limits.
    pub fn check(&self) -> Result<(), LoadError> {
        let share = "a share from 0 to 1";
        let rules = [
            (
                "duration_s",
                self.duration_s,
                self.duration_s > 0.0 && self.duration_s <= DURATION_S_MAX,
                "more than 0 and at most 86400",
            ),
            ("requests", f64::from(self.requests.unwrap_or(1)), self.requests != Some(0), "at least 1"),
            (
                "shared_words",
                f64::from(self.shared_words),
                self.shared_words <= LENGTH_MAX,
                "at most 1000000",
            ),
            ("shared_groups", f64::from(self.shared_groups), self.shared_groups > 0, "at least 1"),
            ("cancels", self.cancels, (0.0..=1.0).contains(&self.cancels), share),
            ("slow_readers", self.slow_readers, (0.0..=1.0).contains(&self.slow_readers), share),
            (
                "cancels + slow_readers",
                self.cancels + self.slow_readers,
                self.cancels + self.slow_readers <= 1.0,
                share,
            ),
        ];
        for (key, value, is_right, expected) in rules {
            if !is_right {
                return Err(LoadError::Range { key, value, expected });
            }
        }
        let turns = self.turns.as_ref().map_or(1.0, |turns| turns.mean().max(1.0));
        let expected = self.rate().map_or(0.0, |rate| rate * self.duration_s * turns);
        if self.requests.is_none() && expected > REQUESTS_MAX as f64 {
            return Err(LoadError::TooMany { expected });
        }
        Ok(())
    }

    /// Over which time chains start.
    pub fn duration(&self) -> Duration {
        micros(self.duration_s.clamp(0.0, DURATION_S_MAX))
    }

    /// Chains per second that it wants, mean; `None` in a closed loop.
    pub fn rate(&self) -> Option<f64> {
        self.arrival.rate(self.duration())
    }

    /// The same load with this many chains per second, or this many clients in a closed loop.
    pub fn at_level(&self, level: f64) -> Self {
        Self { arrival: self.arrival.at_level(level, self.duration()), ..self.clone() }
    }

    /// All requests of a run.
    pub fn plan(&self, seed: u64) -> Plan {
        let most = self.requests.map_or(REQUESTS_MAX, |requests| requests as usize).min(REQUESTS_MAX);
        let mut writer = Writer::new(self, seed);
        let mut length = self.duration();
        let chains = match self.arrival {
            Arrival::Closed { clients } => writer.clients(clients as usize, most),
            _ => {
                let starts = self.arrival.starts(length, most, &mut Random::new(seed, Purpose::Arrivals));
                writer.arrivals(&starts, most)
            }
        };
        if self.arrival.is_open() && self.requests.is_some_and(|most| chains.len() >= most as usize) {
            length = chains.last().map_or(length, |chain| chain.at);
        }
        Plan { seed, chains, length }
    }

    /// The requests of a trace: times, lengths and sessions are the trace's, all else this load's. `speed` 2 asks in
    /// half of the time; it must be above 0.
    pub fn replay(&self, lines: &[trace::Line], speed: f64, seed: u64) -> Plan {
        let mut writer = Writer::new(self, seed);
        let chains = trace::chains(lines, speed);
        let length = trace::length(&chains);
        let chains = chains
            .into_iter()
            .map(|(at, turns)| {
                writer.chain(at, turns.len(), |n, request| {
                    request.think = turns[n].think;
                    request.prompt.own_words = turns[n].prompt_words;
                    request.output_tokens = turns[n].output_tokens;
                })
            })
            .collect();
        Plan { seed, chains, length }
    }
}

/// Writes chains, each kind of chance from its own stream.
struct Writer<'a> {
    load: &'a Load,
    transports: Mix,
    lengths: Random,
    turns: Random,
    behaviour: Random,
    transport: Random,
}

impl<'a> Writer<'a> {
    fn new(load: &'a Load, seed: u64) -> Self {
        let default = if load.turns.is_some() { Transport::Session } else { Transport::Sse };
        Self {
            load,
            transports: load.transports.clone().unwrap_or_else(|| Mix::only(default)),
            lengths: Random::new(seed, Purpose::Lengths),
            turns: Random::new(seed, Purpose::Turns),
            behaviour: Random::new(seed, Purpose::Behaviour),
            transport: Random::new(seed, Purpose::Transports),
        }
    }

    fn arrivals(&mut self, starts: &[Duration], most: usize) -> Vec<Chain> {
        let mut left = most;
        let mut chains = Vec::with_capacity(starts.len());
        for at in starts {
            let turns = self.turn_count().unwrap_or(1).min(left);
            if turns == 0 {
                break;
            }
            left -= turns;
            chains.push(self.chain(*at, turns, |_, _| {}));
        }
        chains
    }

    fn clients(&mut self, clients: usize, most: usize) -> Vec<Chain> {
        let reachable = (self.load.duration().as_secs_f64() * CLIENT_RATE_MAX).ceil() as usize;
        let think = Duration::from_millis(self.load.think_ms.mean() as u64);
        let spread = think.max(CLIENTS_SPREAD).min(self.load.duration());
        let mut chains = Vec::with_capacity(clients.min(most));
        for client in 0..clients {
            // What the limit holds is dealt out evenly, the first clients have one more.
            let dealt = most / clients + usize::from(client < most % clients);
            let turns = self.turn_count().unwrap_or(reachable).min(dealt);
            if turns > 0 {
                let at = micros(spread.as_secs_f64() * client as f64 / clients as f64);
                chains.push(self.chain(at, turns, |_, _| {}));
            }
        }
        chains
    }

    fn turn_count(&mut self) -> Option<usize> {
        self.load.turns.as_ref().map(|turns| turns.draw(&mut self.turns).max(1) as usize)
    }

    /// A chain of this many requests, each changed by `edit`, which gets its position.
    fn chain(&mut self, at: Duration, turns: usize, edit: impl Fn(usize, &mut Request)) -> Chain {
        let transport = self.transports.draw(&mut self.transport);
        let requests = (0..turns)
            .map(|n| {
                let mut request = self.request(n, transport);
                edit(n, &mut request);
                request.behaviour = self.behaviour(request.output_tokens);
                request
            })
            .collect();
        Chain { at, is_session: transport == Transport::Session, requests }
    }

    fn request(&mut self, position: usize, transport: Transport) -> Request {
        let load = self.load;
        let think = if position == 0 { 0 } else { load.think_ms.draw(&mut self.turns) };
        let prompt = Prompt {
            shared_words: load.shared_words,
            shared_group: self.lengths.below(u64::from(load.shared_groups)) as u32,
            own_words: load.prompt_words.draw(&mut self.lengths).max(1),
            own_seed: self.lengths.number(),
        };
        Request {
            think: Duration::from_millis(u64::from(think)),
            prompt,
            output_tokens: load.output_tokens.draw(&mut self.lengths).max(1),
            sampler_seed: self.lengths.number(),
            transport,
            behaviour: Behaviour::Read,
        }
    }

    fn behaviour(&mut self, output_tokens: u32) -> Behaviour {
        let (drawn, place) = (self.behaviour.share(), self.behaviour.number());
        if drawn < self.load.cancels && output_tokens > 1 {
            Behaviour::CancelAfter(1 + (place % u64::from(output_tokens - 1)) as u32)
        } else if drawn >= 1.0 - self.load.slow_readers {
            Behaviour::ReadSlowly(Duration::from_millis(u64::from(self.load.slow_read_ms)))
        } else {
            Behaviour::Read
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} s", self.arrival, self.duration_s)?;
        if let Some(requests) = self.requests {
            write!(f, " or {requests} requests")?;
        }
        write!(f, ", prompts {} words, answers {} tokens", self.prompt_words, self.output_tokens)?;
        if self.shared_words > 0 {
            write!(f, ", {} shared words in {} groups", self.shared_words, self.shared_groups)?;
        }
        if let Some(turns) = &self.turns {
            write!(f, ", turns {turns}")?;
        }
        if self.think_ms.max() > 0 {
            write!(f, ", think {} ms", self.think_ms)?;
        }
        if let Some(transports) = &self.transports {
            write!(f, ", over {transports}")?;
        }
        for (share, what) in [(self.cancels, "cancel"), (self.slow_readers, "read slowly")] {
            if share > 0.0 {
                write!(f, ", {} % {what}", share * 100.0)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
