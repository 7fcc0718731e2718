//! The engines of a node and the turns on them: batches of slots, prefill, one token per sequence and step. The answer is
//! a pure function of (turn, index), so that the oracle knows every token beforehand.

use std::collections::VecDeque;
use std::time::Duration;

use pomona_cluster::health::{Health, StepBudget};
use pomona_protocol::{Cause, EngineLoad, FinishReason, TurnEvent, Usage};

use super::broken::Break;
use super::event::Event;
use super::network::{Frame, NODE};
use super::node::{Held, model_id};
use super::random::mix;
use super::shape::MS;
use super::world::World;

/// An engine with work that makes no step for this long is replaced.
const BUDGET: StepBudget =
    StepBudget { base: Duration::from_millis(1_500), per_prefill_token: Duration::from_millis(1) };
/// Prompt tokens of one prefill step.
const PREFILL_CHUNK: u64 = 128;

/// A loaded copy of a model.
pub(crate) struct Replica {
    pub(crate) incarnation: u64,
    pub(crate) memory: u64,
    pub(crate) is_ready: bool,
    pub(crate) is_suspect: bool,
    pub(crate) active: Vec<usize>,
    pub(crate) waiting: VecDeque<usize>,
    is_stepping: bool,
    steps: u64,
    health: Option<Health>,
}

/// Token `index` of the answer to a turn.
pub(crate) fn answer(turn: usize, index: u32) -> u32 {
    mix((turn as u64) << 32 | u64::from(index)) as u32
}

impl World {
    /// Loads a model, if there is room for it.
    pub(crate) fn load(&mut self, node: usize, model: usize) {
        let memory = self.shape.models[model];
        let it = &mut self.nodes[node];
        let fits = it.memory_used() + memory <= self.shape.nodes[node].memory;
        if it.replicas.contains_key(&model)
            || it.is_draining
            || !(fits || self.broken == Some(Break::OvercommitMemory))
        {
            return;
        }
        self.stats.loads += 1;
        self.start_engine(node, model);
        self.check_memory(node);
    }

    fn start_engine(&mut self, node: usize, model: usize) {
        let it = &mut self.nodes[node];
        let counter = it.incarnations.entry(model).or_insert(0);
        *counter += 1;
        let (incarnation, generation) = (*counter, it.generation);
        let replica = Replica {
            incarnation,
            memory: self.shape.models[model],
            is_ready: false,
            is_suspect: false,
            active: Vec::new(),
            waiting: VecDeque::new(),
            is_stepping: false,
            steps: 0,
            health: None,
        };
        it.replicas.insert(model, replica);
        let at = self.now + self.random.range(50 * MS, 600 * MS);
        self.schedule(at, Event::EngineReady { node, generation, model, incarnation });
    }

    pub(crate) fn engine_ready(&mut self, node: usize, model: usize, incarnation: u64) {
        let now = self.instant();
        let Some(replica) = self.replica(node, model, incarnation) else { return };
        replica.is_ready = true;
        replica.health = Some(Health::new(BUDGET, now));
        self.report_all(node);
    }

    /// Reports on change, as nodes do.
    pub(crate) fn report_all(&mut self, node: usize) {
        for gateway in 0..self.gateways.len() {
            self.send_report(node, gateway);
        }
    }

    fn replica(&mut self, node: usize, model: usize, incarnation: u64) -> Option<&mut Replica> {
        self.nodes[node].replicas.get_mut(&model).filter(|replica| replica.incarnation == incarnation)
    }

    /// Gives the memory back; turns on it fail.
    pub(crate) fn unload(&mut self, node: usize, model: usize) {
        if self.nodes[node].replicas.remove(&model).is_some() {
            self.stats.unloads += 1;
            self.fail_turns(node, model, |_| Cause::EngineLost { message: "unloaded".to_owned() });
            self.report_all(node);
        }
    }

    /// An engine process dies and another one starts.
    pub(crate) fn engine_dies(&mut self, node: usize, model: usize, cause: Cause) {
        if !self.nodes[node].is_alive || self.nodes[node].replicas.remove(&model).is_none() {
            return;
        }
        self.stats.engine_restarts += 1;
        self.fail_turns(node, model, |_| cause.clone());
        self.start_engine(node, model);
        self.report_all(node);
    }

    fn fail_turns(&mut self, node: usize, model: usize, cause: impl Fn(usize) -> Cause) {
        let turns: Vec<usize> = self.nodes[node]
            .held
            .iter()
            .filter(|(_, held)| held.model == model)
            .map(|(turn, _)| *turn)
            .collect();
        for turn in turns {
            self.emit(node, turn, TurnEvent::Failed { cause: cause(turn) });
            self.nodes[node].held.remove(&turn);
        }
        self.note_empty_links(node);
    }

    /// Looks after each engine, as the node does at each beat.
    pub(crate) fn check_engines(&mut self, node: usize) {
        let now = self.instant();
        let mut stuck = Vec::new();
        let is_mute = self.nodes[node].mute > 0;
        for (model, replica) in &mut self.nodes[node].replicas {
            let Some(health) = &mut replica.health else { continue };
            let running = replica.active.len() as u32;
            if !is_mute {
                health.on_report(&EngineLoad { steps: replica.steps, running, ..EngineLoad::default() }, now);
            }
            replica.is_suspect = health.is_suspect(now);
            stuck.extend(health.verdict(now).map(|cause| (*model, cause)));
        }
        for (model, cause) in stuck {
            self.engine_dies(node, model, cause);
        }
    }

    /// A gateway sends a turn.
    pub(crate) fn node_opens(&mut self, node: usize, link: u64, frame: Frame) {
        let Frame::Open { stream, turn, attempt, model, incarnation, resume } = frame else { return };
        let older = self.nodes[node].held.get(&turn).map(|held| held.attempt);
        let refusal = match self.nodes[node].replicas.get(&model) {
            _ if older.is_some_and(|older| older >= attempt) => Some(Cause::TurnNotHeld),
            _ if self.nodes[node].is_draining => {
                Some(Cause::NodeDraining { node: self.nodes[node].id.0.clone() })
            }
            Some(replica) if replica.is_ready && replica.incarnation == incarnation => None,
            _ => Some(Cause::EngineLost {
                message: format!("no ready replica {incarnation} of {}", model_id(model)),
            }),
        };
        self.note(turn, |_| format!("node {node}: attempt {attempt} from {} {refusal:?}", resume.len()));
        if let Some(cause) = refusal {
            self.send(link, NODE, Frame::Event { stream, turn, attempt, event: TurnEvent::Failed { cause } });
            return;
        }
        self.check_resume(turn, &resume);
        if older.is_some() {
            self.drop_turn(node, turn);
        }
        let first = resume.len() as u32;
        let prefill_left = u64::from(self.shape.turns[turn].prompt + first);
        let route = Some((link, stream));
        let held = Held {
            attempt,
            model,
            incarnation,
            made: first,
            first,
            prefill_left,
            finished: false,
            route,
            lost_at: 0,
        };
        self.nodes[node].held.insert(turn, held);
        let slots = self.shape.nodes[node].slots as usize;
        let Some(replica) = self.replica(node, model, incarnation) else { return };
        if replica.active.len() < slots {
            replica.active.push(turn);
        } else {
            replica.waiting.push_back(turn);
        }
        self.plan_step(node, model, incarnation);
    }

    fn plan_step(&mut self, node: usize, model: usize, incarnation: u64) {
        let (generation, slow) = (self.nodes[node].generation, self.nodes[node].slow);
        let step = self.shape.nodes[node].step * slow;
        let Some(replica) = self.replica(node, model, incarnation) else { return };
        if !replica.is_stepping && !replica.active.is_empty() {
            replica.is_stepping = true;
            self.schedule(self.now + step, Event::EngineStep { node, generation, model, incarnation });
        }
    }

    pub(crate) fn engine_step(&mut self, node: usize, model: usize, incarnation: u64) {
        let is_wedged = self.nodes[node].wedged > 0;
        let Some(replica) = self.replica(node, model, incarnation) else { return };
        replica.is_stepping = false;
        let active = if is_wedged { Vec::new() } else { replica.active.clone() };
        if !is_wedged {
            replica.steps += 1;
        }
        for turn in active {
            self.advance(node, turn);
        }
        self.plan_step(node, model, incarnation);
    }

    /// One sequence takes part in a step.
    fn advance(&mut self, node: usize, turn: usize) {
        let (tokens, prompt) = (self.shape.turns[turn].tokens, self.shape.turns[turn].prompt);
        let Some(held) = self.nodes[node].held.get_mut(&turn) else { return };
        if held.prefill_left > 0 {
            held.prefill_left = held.prefill_left.saturating_sub(PREFILL_CHUNK);
            if held.prefill_left == 0 {
                self.emit(node, turn, TurnEvent::Started { prompt_tokens: prompt, cached_tokens: 0 });
            }
            return;
        }
        if held.made < tokens {
            let first = held.made;
            held.made += 1;
            self.emit(node, turn, token(turn, first));
        }
        let Some(held) = self.nodes[node].held.get_mut(&turn) else { return };
        if held.made >= tokens {
            held.finished = true;
            let is_lost = held.route.is_none();
            self.emit(node, turn, finished(tokens, prompt));
            self.release(node, turn);
            if !is_lost {
                self.nodes[node].held.remove(&turn);
                self.note_empty_links(node);
            }
        }
    }

    /// Sends an event where the turn's events go.
    fn emit(&mut self, node: usize, turn: usize, event: TurnEvent) {
        let Some(held) = self.nodes[node].held.get(&turn) else { return };
        let attempt = held.attempt;
        if let Some((link, stream)) = held.route {
            self.send(link, NODE, Frame::Event { stream, turn, attempt, event });
        }
    }

    /// Gives the slot of a turn to the next one.
    fn release(&mut self, node: usize, turn: usize) {
        let Some(held) = self.nodes[node].held.get(&turn) else { return };
        let (model, incarnation) = (held.model, held.incarnation);
        let slots = self.shape.nodes[node].slots as usize;
        let Some(replica) = self.replica(node, model, incarnation) else { return };
        replica.active.retain(|other| *other != turn);
        replica.waiting.retain(|other| *other != turn);
        while replica.active.len() < slots {
            let Some(next) = replica.waiting.pop_front() else { break };
            replica.active.push(next);
        }
        self.plan_step(node, model, incarnation);
    }

    /// Forgets a turn.
    pub(crate) fn drop_turn(&mut self, node: usize, turn: usize) {
        self.release(node, turn);
        self.nodes[node].held.remove(&turn);
    }

    /// A gateway wants a turn's events on another stream.
    pub(crate) fn node_attaches(
        &mut self,
        node: usize,
        link: u64,
        stream: u64,
        turn: usize,
        attempt: u32,
        from: u32,
    ) {
        let tokens = self.shape.turns[turn].tokens;
        let prompt = self.shape.turns[turn].prompt;
        let held = self.nodes[node].held.get_mut(&turn);
        let Some(held) =
            held.filter(|held| attempt >= held.attempt && from >= held.first && from <= held.made)
        else {
            self.note(turn, |_| format!("node {node}: attach {attempt} from {from} refused"));
            let event = TurnEvent::Failed { cause: Cause::TurnNotHeld };
            self.send(link, NODE, Frame::Event { stream, turn, attempt, event });
            return;
        };
        held.route = Some((link, stream));
        held.attempt = attempt;
        let (made, is_finished, has_started) = (held.made, held.finished, held.prefill_left == 0);
        self.stats.attaches += 1;
        self.note(turn, |_| format!("node {node}: attach {attempt} from {from} of {made}"));
        if has_started {
            self.emit(node, turn, TurnEvent::Started { prompt_tokens: prompt, cached_tokens: 0 });
        }
        for index in from..made {
            self.emit(node, turn, token(turn, index));
        }
        if is_finished {
            self.emit(node, turn, finished(tokens, prompt));
            self.nodes[node].held.remove(&turn);
        }
        self.note_empty_links(node);
    }

    /// Nobody wants a stream any more.
    pub(crate) fn node_resets(&mut self, node: usize, link: u64, stream: u64) {
        let route = Some((link, stream));
        let turn = self.nodes[node].held.iter().find(|(_, held)| held.route == route).map(|(turn, _)| *turn);
        if let Some(turn) = turn {
            self.note(turn, |_| format!("node {node}: reset"));
            self.drop_turn(node, turn);
            self.note_empty_links(node);
        }
    }

    /// Turns of a lost link are held for a while.
    pub(crate) fn orphan_turns(&mut self, node: usize, link: u64) {
        let (lost_at, generation) = (self.now, self.nodes[node].generation);
        let mut orphans = Vec::new();
        for (turn, held) in &mut self.nodes[node].held {
            if held.route.is_some_and(|(at, _)| at == link) {
                (held.route, held.lost_at) = (None, lost_at);
                orphans.push(*turn);
            }
        }
        for turn in orphans {
            self.note(turn, |_| format!("node {node}: orphan"));
            let at = lost_at + self.shape.orphan_grace;
            self.schedule(at, Event::OrphanOver { node, generation, turn, lost_at });
        }
    }

    /// Nobody came for an orphan.
    pub(crate) fn orphan_over(&mut self, node: usize, turn: usize, lost_at: u64) {
        let is_orphan = |held: &Held| held.route.is_none() && held.lost_at == lost_at;
        if self.nodes[node].held.get(&turn).is_some_and(is_orphan) {
            self.note(turn, |_| format!("node {node}: orphan dropped"));
            self.drop_turn(node, turn);
        }
    }
}

fn token(turn: usize, index: u32) -> TurnEvent {
    let ids = vec![answer(turn, index)];
    TurnEvent::Tokens { first: index, ids, text: String::new(), marks: Vec::new(), logprobs: Vec::new() }
}

fn finished(tokens: u32, prompt_tokens: u32) -> TurnEvent {
    let usage = Usage { prompt_tokens, cached_tokens: 0, completion_tokens: tokens, ..Usage::default() };
    TurnEvent::Finished {
        reason: FinishReason::Length,
        text: String::new(),
        usage,
        marks: Vec::new(),
        stop: None,
        embedding: Vec::new(),
    }
}
