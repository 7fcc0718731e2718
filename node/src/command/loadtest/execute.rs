//! One run: with its screen, until its end or Ctrl-C, and the report of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use pomona_loadtest::figures::{self, GeneratorSeen, Inputs, ServerSeen};
use pomona_loadtest::plan::Plan;
use pomona_loadtest::report::{Asked, Event, Report};
use pomona_loadtest::run::{self, Faults, Live, Ran, Settings, allow_connections};
use pomona_loadtest::shares;
use pomona_loadtest::slo::Slo;
use tokio_util::sync::CancellationToken;

use crate::cli::LoadArgs;
use crate::exit::Exit;
use crate::signals::Signals;

use super::gateway::Gateway;
use super::live::Screen;
use super::{asked, remark};

/// How a run is to be done.
pub(super) struct Job {
    /// The load in words.
    words: String,
    rate: Option<f64>,
    in_flight_max: usize,
    request_limit: Duration,
    /// What is to go wrong; taken by the run.
    pub(super) faults: Faults,
    /// Answers that are asked for again.
    pub(super) checks: usize,
    /// How long the gateway is watched behind the last answer.
    pub(super) rest: Duration,
    /// Stops all runs that share it.
    pub(super) stop: CancellationToken,
}

impl Job {
    /// By the flags.
    pub(super) fn new(flags: &LoadArgs, words: String, rate: Option<f64>) -> Self {
        Self {
            words,
            rate,
            in_flight_max: flags.in_flight_max as usize,
            request_limit: flags.timeout,
            faults: Faults::default(),
            checks: 0,
            rest: Duration::ZERO,
            stop: CancellationToken::new(),
        }
    }

    /// Runs a plan. Ctrl-C ends it early, and it counts what was seen; a second one ends the process.
    pub(super) async fn run(&mut self, gateway: &Gateway, plan: Plan) -> anyhow::Result<Ran> {
        let connections = allow_connections();
        let in_flight_max = self.in_flight_max.min(usize::try_from(connections).unwrap_or(usize::MAX));
        if in_flight_max < self.in_flight_max.min(plan.chains.len()) {
            remark(&format!(
                "at most {in_flight_max} requests run at once, since this process may open {connections} files; `ulimit -n` allows more"
            ));
        }
        let settings = Settings {
            targets: gateway.targets.clone(),
            model: gateway.model.clone(),
            in_flight_max,
            request_limit: self.request_limit,
            checks: self.checks,
            scrapes: true,
            rest: self.rest,
            faults: std::mem::take(&mut self.faults),
        };
        let live = Arc::new(Live::default());
        let planned = plan.chains.iter().map(|chain| chain.requests.len()).sum();
        let screen = Screen::new(&self.words, planned, plan.length);
        let running = run::run(plan, settings, Arc::clone(&live), self.stop.clone());
        let mut running = std::pin::pin!(running);
        let mut signals = Signals::listen()?;
        let mut ticks = tokio::time::interval(Screen::EVERY);
        let ran = loop {
            tokio::select! {
                ran = &mut running => break ran,
                () = signals.next() => {
                    if self.stop.is_cancelled() {
                        return Err(Exit::Interrupted.because(anyhow::anyhow!("interrupted twice")));
                    }
                    self.stop.cancel();
                    remark("ended early; what was seen until now counts");
                }
                _ = ticks.tick() => screen.show(&live.seen()),
            }
        };
        screen.close();
        ran.context("cannot start the run")
    }

    /// The report of a run.
    pub(super) fn report(&self, gateway: &Gateway, ran: &Ran, slo: Option<&Slo>) -> Report {
        let asked = Asked {
            started_at_ms: ran.started_at_ms,
            command: asked::command_line(),
            url: gateway.url(),
            model: gateway.model.clone(),
            versions: gateway.versions.clone(),
            machine: asked::machine(),
            seed: ran.plan.seed,
            load: self.words.clone(),
            rate: self.rate,
        };
        let mut events = ran.events.clone();
        if ran.was_stopped {
            let at_ms = ran.plan.length.as_secs_f64() * 1e3;
            let what = "ended early by the user".to_owned();
            let kind = "note".to_owned();
            let (node, recovered_ms, resumed, failed) = (None, None, None, None);
            events.push(Event { at_ms, until_ms: None, kind, what, node, recovered_ms, resumed, failed });
        }
        let server = (!ran.scraped.series.is_empty())
            .then(|| ServerSeen { cpu_s: ran.scraped.cpu_s(), series: ran.scraped.series.clone() });
        let mut report = figures::report(Inputs {
            plan: &ran.plan,
            records: &ran.records,
            asked,
            slo,
            events,
            generator: GeneratorSeen { cpu_share: ran.cpu_share, dropped: ran.dropped },
            server,
            reference: &ran.reference,
            slice: None,
        });
        shares::fill(&mut report);
        report
    }
}
