//! The run: a [`Plan`] against gateways, by their public API alone. The command hands over plan and [`Settings`], watches
//! [`Live`], and makes a report of what was [`Ran`].
//!
//! Chains start when they are due ([`start`]), each as a task ([`chain`]), over one of the transports ([`http_turn`],
//! [`socket`], [`session`]), and each answer is added up by [`tally`]. Beside them run the look at `/metrics` ([`scrape`])
//! and the faults ([`faults`]).

mod broken;
mod chain;
mod chat;
mod framing;
mod http;
mod http_turn;
mod lines;
mod order;
mod prompt;
mod session;
mod socket;
mod stream;
mod tally;

mod body;
mod check;
mod exposition;
mod own;
mod scrape;
mod start;

pub mod chaos;
mod faults;
mod processes;

mod live;
mod target;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::plan::Plan;
use crate::record::Record;
use crate::report::Event;

pub use faults::{FaultError, Faults};
pub use live::{Live, Seen};
pub use own::allow_connections;
pub(crate) use scrape::of_node;
pub use scrape::{NODE_TOKENS, NODE_TURNS, Scraped};
pub use target::{Target, TargetError};

use chain::{Shared, lock};
use tally::Clock;

/// Time for what the run left behind at the gateways to be taken away.
const CLEARING_LIMIT: Duration = Duration::from_secs(60);

/// How a plan is run.
pub struct Settings {
    /// The gateways; chains go to them in turn. At least one.
    pub targets: Vec<Arc<Target>>,
    /// The model that is asked for.
    pub model: String,
    /// Requests that may run at once; one more is dropped and counted.
    pub in_flight_max: usize,
    /// Longest time for one request.
    pub request_limit: Duration,
    /// Requests that are asked again, alone, to compare their texts.
    pub checks: usize,
    /// Whether `/metrics` is read.
    pub scrapes: bool,
    /// How long it is read on behind the last answer, while the gateway comes to rest.
    pub rest: Duration,
    /// What is to go wrong meanwhile.
    pub faults: Faults,
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    /// Wall time of the start, milliseconds since 1970.
    pub started_at_ms: u64,
    /// The plan; of a run that was ended early, what was due by then.
    pub plan: Plan,
    /// What became of each request that left, in no order.
    pub records: Vec<Record>,
    /// Records of those that were asked again alone.
    pub reference: Vec<Record>,
    /// What `/metrics` said; empty where it could not be read.
    pub scraped: Scraped,
    /// What went wrong on purpose, in order of time.
    pub events: Vec<Event>,
    /// Requests that never left since too many ran.
    pub dropped: u64,
    /// Share of all cores of this machine that the generator used.
    pub cpu_share: f64,
    /// When the last answer ended, in milliseconds from the start.
    pub ended_ms: f64,
    /// Whether it was ended before everything was asked.
    pub was_stopped: bool,
}

/// Runs a plan to its end, or until `stop`; what was seen by then counts. An error means that no thread could be started.
///
/// # Panics
/// When there is no target.
pub async fn run(
    plan: Plan,
    settings: Settings,
    live: Arc<Live>,
    stop: CancellationToken,
) -> io::Result<Ran> {
    assert!(!settings.targets.is_empty(), "a run needs a gateway");
    let Settings { targets, model, in_flight_max, request_limit, checks, scrapes, rest, faults } = settings;
    let started_at_ms =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let clock = Clock(Instant::now());
    let shared = Arc::new(Shared {
        plan,
        targets: targets.clone(),
        model,
        clock,
        live: Arc::clone(&live),
        permits: Semaphore::new(in_flight_max.min(Semaphore::MAX_PERMITS)),
        request_limit,
        records: Mutex::default(),
        sessions: Mutex::default(),
    });
    let cpu_before = own::cpu_time();
    let (over, rested) = (CancellationToken::new(), CancellationToken::new());
    let mut beside = JoinSet::new();
    let mut scraping = JoinSet::new();
    if scrapes {
        scraping.spawn(scrape::watch(targets.clone(), clock, rested.clone()));
    }
    let control = Arc::clone(&targets[0]);
    beside.spawn(faults.run(control, clock, over.clone()));

    let was_stopped = run_chains(&shared, &stop).await?;
    let ended = clock.now();
    let cpu = own::cpu_time().saturating_sub(cpu_before);
    over.cancel();
    let events = beside.join_next().await.and_then(Result::ok).unwrap_or_default();
    let _ = tokio::time::timeout(CLEARING_LIMIT, chain::clear(&shared, |_| true)).await;
    targets.iter().for_each(|target| target.release());
    if !was_stopped {
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = stop.cancelled() => {}
        }
    }
    rested.cancel();
    let scraped = match scraping.join_next().await {
        Some(Ok(scraped)) => scraped,
        _ => Scraped::default(),
    };
    let records = std::mem::take(&mut *lock(&shared.records));
    let reference = check::again(&shared, &records, checks, &stop).await;
    let mut plan = match Arc::try_unwrap(shared) {
        Ok(shared) => shared.plan,
        Err(shared) => shared.plan.clone(),
    };
    if was_stopped {
        cut(&mut plan, &records, ended);
    }
    let core_seconds = ended.as_secs_f64().max(1e-9) * own::cores() as f64;
    Ok(Ran {
        started_at_ms,
        plan,
        records,
        reference,
        scraped,
        events,
        dropped: live.seen().dropped,
        cpu_share: (cpu.as_secs_f64() / core_seconds).min(1.0),
        ended_ms: ended.as_secs_f64() * 1e3,
        was_stopped,
    })
}

/// Runs all chains; says whether they were stopped.
async fn run_chains(shared: &Arc<Shared>, stop: &CancellationToken) -> io::Result<bool> {
    let (_starter, mut due) = start::Starter::start(&shared.plan, shared.clock)?;
    let mut chains = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                chains.shutdown().await;
                return Ok(true);
            }
            index = due.recv() => match index {
                Some(index) => {
                    chains.spawn(chain::run(Arc::clone(shared), index));
                }
                None => break,
            },
            Some(_) = chains.join_next() => {}
        }
    }
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                chains.shutdown().await;
                return Ok(true);
            }
            ended = chains.join_next() => if ended.is_none() { return Ok(false) },
        }
    }
}

/// Leaves what was due by `ended`.
fn cut(plan: &mut Plan, records: &[Record], ended: Duration) {
    plan.length = plan.length.min(ended);
    let mut asked = vec![0; plan.chains.len()];
    for record in records {
        if let Some(asked) = asked.get_mut(record.chain as usize) {
            *asked = (*asked).max(record.position as usize + 1);
        }
    }
    for (chain, asked) in plan.chains.iter_mut().zip(asked) {
        chain.requests.truncate(asked.max(1));
    }
    // Places in the plan are numbers in the records, so chains that never began leave from the end alone.
    while plan.chains.last().is_some_and(|chain| chain.at > ended) {
        plan.chains.pop();
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
