//! One replica: owns an engine process, watches its steps, and starts it again when it is lost or stuck.
//! Spawned and restarted by Models; when it ends, its engine ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pomona_cluster::health::{Health, StepBudget};
use pomona_cluster::restart::{Decision, Restarts};
use pomona_protocol::{Cause, EngineReport, ModelCard, ReplicaId, ReplicaLoad, ReplicaReport, ReplicaState};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::counts::{ReplicaTotals, count};
use crate::engine_link::EngineLink;
use crate::engine_process::{EngineEvent, EngineProcess};
use crate::observer::Observation;
use crate::shared::{LocalModel, Shared, jitter};
use crate::speed::SpeedMeter;

/// How often health is judged; a fraction of the shortest step budget.
const TICK: Duration = Duration::from_millis(50);
/// When this much lies between two ticks, it was this process that stood still.
const TICK_GAP_MAX: Duration = Duration::from_millis(250);

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum ModelMessage {
    /// The engine of this incarnation said or did something.
    Engine { incarnation: u64, event: EngineEvent },
    /// Time has passed.
    Tick,
    /// The pause before the next incarnation is over.
    Start,
}

pub(crate) struct Model;

pub(crate) struct ModelArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) model: LocalModel,
}

pub(crate) struct ModelState {
    shared: Arc<Shared>,
    model: LocalModel,
    /// The way to the engine while it is ready.
    link: Option<Arc<EngineLink>>,
    speed: SpeedMeter,
    /// When the engine reported last.
    reported_at: Instant,
    ticked_at: Instant,
    totals: ReplicaTotals,
    was_suspect: bool,
    incarnation: u64,
    state: ReplicaState,
    process: Option<EngineProcess>,
    health: Option<Health>,
    /// Why health had the engine killed, until its end is reported.
    killed_for: Option<Cause>,
    restarts: Restarts,
    card: Option<ModelCard>,
    error: Option<String>,
}

impl ModelState {
    fn replica(&self) -> ReplicaId {
        ReplicaId {
            node: self.shared.node.clone(),
            model: self.model.id.clone(),
            incarnation: self.incarnation,
        }
    }

    fn start(&mut self, myself: &ActorRef<ModelMessage>) {
        self.incarnation = self.shared.engines.next_incarnation(&self.model.id);
        self.state = ReplicaState::Loading;
        let incarnation = self.incarnation;
        let model = myself.clone();
        let tell = move |event| drop(model.cast(ModelMessage::Engine { incarnation, event }));
        self.process = Some(EngineProcess::start(&self.shared, &self.model, tell));
        self.publish();
    }

    fn on_engine(&mut self, myself: &ActorRef<ModelMessage>, event: EngineEvent) {
        match event {
            EngineEvent::Report(EngineReport::Ready { card, load_ms }) => self.on_ready(card, load_ms),
            EngineEvent::Report(EngineReport::Load(load)) => {
                let now = Instant::now();
                if let Some(health) = &mut self.health {
                    health.on_report(&load, now);
                }
                if load.running == 0 && load.samples.is_empty() {
                    self.speed.rest(now.saturating_duration_since(self.reported_at));
                }
                self.reported_at = now;
                self.speed.observe(&load.samples);
                let tokens = self.totals.on_load(&load);
                self.shared.counts.tokens.fetch_add(tokens, Ordering::Relaxed);
                self.publish();
            }
            EngineEvent::Report(EngineReport::Loading { bytes_done: done, bytes_total: total }) => {
                self.shared.on_load_progress(done, total);
            }
            // A model that never loaded will not load the next time either. One that did has lost an engine, whose
            // end follows.
            EngineEvent::Report(EngineReport::Failed { cause }) if self.card.is_none() => self.give_up(cause),
            EngineEvent::Report(EngineReport::Failed { cause }) => {
                self.killed_for = Some(Cause::EngineLost { message: cause.to_string() });
            }
            EngineEvent::Ended(cause) => self.on_end(myself, cause),
        }
    }

    fn on_ready(&mut self, card: ModelCard, load_ms: u64) {
        let Some(process) = &self.process else { return };
        tracing::info!(replica = %self.replica(), load_ms, pid = process.pid(), "replica is ready");
        let budget = StepBudget {
            base: Duration::from_millis(self.shared.model.step_timeout_ms),
            per_prefill_token: Duration::from_millis(self.shared.model.step_timeout_per_prefill_token_ms),
        };
        self.health = Some(Health::new(budget, Instant::now()));
        self.link = Some(Arc::new(EngineLink::new(process.socket().to_owned())));
        self.state = ReplicaState::Ready;
        count(&self.shared.counts.model_loads);
        self.error = None;
        let card = ModelCard { loaded: true, ..card };
        self.card = Some(match self.shared.weights.card(&self.model.id) {
            Some(files) => card.completed_by(files),
            None => card,
        });
        self.publish();
    }

    fn on_end(&mut self, myself: &ActorRef<ModelMessage>, cause: Cause) {
        self.process = None;
        self.health = None;
        self.link = None;
        self.totals.on_end();
        let cause = self.killed_for.take().unwrap_or(cause);
        // Turns that lost their stream ask for another place within microseconds; they are not to get this one.
        self.shared.desk.replica_down(&self.replica());
        if self.state == ReplicaState::Failed {
            return;
        }
        match self.restarts.on_failure(Instant::now(), jitter()) {
            Decision::RestartAfter(pause) => {
                tracing::warn!(
                    replica = %self.replica(), %cause, pause_ms = pause.as_millis() as u64, "restarting an engine"
                );
                self.shared.observe(Observation::Restarted { cause: cause.code() });
                count(&self.shared.counts.restarts);
                self.state = ReplicaState::Restarting;
                self.error = Some(cause.to_string());
                self.publish();
                myself.send_after(pause, || ModelMessage::Start);
            }
            Decision::GiveUp => self.give_up(cause),
        }
    }

    fn give_up(&mut self, cause: Cause) {
        tracing::error!(replica = %self.replica(), %cause, "the model cannot be served");
        self.state = ReplicaState::Failed;
        self.error = Some(cause.to_string());
        self.publish();
    }

    /// Kills an engine that stands still. Its turns move as soon as their streams break, or before that at
    /// suspicion.
    fn judge(&mut self) {
        let now = Instant::now();
        let gap = now.saturating_duration_since(std::mem::replace(&mut self.ticked_at, now));
        let Some(health) = &mut self.health else { return };
        if gap > TICK_GAP_MAX {
            health.on_gap(now);
        }
        let Some(cause) = health.verdict(now) else {
            if health.is_suspect(now) != self.was_suspect {
                self.publish();
            }
            return;
        };
        tracing::warn!(replica = %self.replica(), %cause, "killing a stuck engine");
        self.health = None;
        self.killed_for = Some(cause);
        if let Some(process) = &self.process {
            process.kill();
        }
    }

    fn publish(&mut self) {
        self.was_suspect = self.health.as_ref().is_some_and(|health| health.is_suspect(Instant::now()));
        self.shared.engines.publish(self.report(), self.link.clone());
    }

    fn report(&self) -> ReplicaReport {
        let load = self.health.as_ref().map(Health::load);
        let speed = self.speed.now();
        ReplicaReport {
            replica: self.replica(),
            state: self.state,
            card: self.card.clone(),
            memory_bytes: self.model.memory_bytes,
            // Who collects the reports knows what is pinned, and the time.
            is_pinned: false,
            idle_ms: 0,
            restarts: self.restarts.total(),
            engine_pid: self.process.as_ref().and_then(EngineProcess::pid),
            error: self.error.clone(),
            load: ReplicaLoad {
                turns_max: self.shared.routing.replica_turns_max,
                running: load.map_or(0, |load| load.running),
                waiting: load.map_or(0, |load| load.waiting),
                step_ms: speed.step_ms,
                prefill_tokens_per_s: speed.prefill_tokens_per_s,
                kv_blocks_used: load.map_or(0, |load| load.kv_blocks_used),
                kv_blocks_total: load.map_or(0, |load| load.kv_blocks_total),
                is_suspect: self.was_suspect,
            },
            figures: self.totals.figures(),
        }
    }
}

impl Drop for ModelState {
    /// However this actor ends, its engine ends with it, and no turn may be sent there.
    fn drop(&mut self) {
        let replica = self.replica();
        self.shared.desk.replica_down(&replica);
        self.shared.engines.remove(&replica);
    }
}

impl Actor for Model {
    type Msg = ModelMessage;
    type State = ModelState;
    type Arguments = ModelArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let ModelArguments { shared, model } = arguments;
        let restarts = Restarts::new(shared.restart_policy());
        let mut state = ModelState {
            shared,
            model,
            link: None,
            speed: SpeedMeter::default(),
            reported_at: Instant::now(),
            ticked_at: Instant::now(),
            totals: ReplicaTotals::default(),
            was_suspect: false,
            incarnation: 0,
            state: ReplicaState::Loading,
            process: None,
            health: None,
            killed_for: None,
            restarts,
            card: None,
            error: None,
        };
        state.start(&myself);
        myself.send_interval(TICK, || ModelMessage::Tick);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ModelMessage::Engine { incarnation, event } if incarnation == state.incarnation => {
                state.on_engine(&myself, event);
            }
            ModelMessage::Engine { .. } => {}
            ModelMessage::Tick => state.judge(),
            ModelMessage::Start => state.start(&myself),
        }
        Ok(())
    }
}
