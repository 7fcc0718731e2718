//! The turns at their gateways: the shell around the turn machine and its ledger, as the actors build it. One stream per
//! attempt; what comes on a stream that nobody listens to has no way out.

use std::time::Duration;

use pomona_cluster::admission::{self, Ask, Ticket};
use pomona_cluster::affinity::Prefix;
use pomona_cluster::ledger::{Ledger, Verdict};
use pomona_cluster::turn::{Effect, End, Input, Outcome, Turn, TurnLimits};
use pomona_protocol::{Cause, ReplicaId, TurnEvent, TurnId, TurnInput};

use super::broken::Break;
use super::event::Event;
use super::network::{Frame, GATEWAY};
use super::node::{model_id, model_index, node_index};
use super::shape::TurnShape;
use super::world::World;

/// The stream that a turn listens to.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) number: u64,
    pub(crate) link: u64,
    pub(crate) node: usize,
    pub(crate) attempt: u32,
    pub(crate) replica: ReplicaId,
    /// It goes on with a turn that the node holds.
    is_attach: bool,
}

/// A turn.
#[derive(Default)]
pub(crate) struct TurnRun {
    pub(crate) machine: Option<Turn>,
    pub(crate) ledger: Ledger,
    pub(crate) stream: Option<Stream>,
    pub(crate) accepted: bool,
    /// Its gateway died.
    pub(crate) abandoned: bool,
    pub(crate) born: u64,
    /// Tokens that the client has seen.
    pub(crate) shown: u32,
    pub(crate) terminals: u32,
    /// The newest attempt that was told to run; for the oracle.
    pub(crate) newest: u32,
    /// The replica, and start of its node, whose link was lost last.
    lost_at: Option<(ReplicaId, u32)>,
}

impl TurnRun {
    pub(crate) fn new(_shape: &TurnShape) -> Self {
        Self::default()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.machine.is_some()
    }
}

impl World {
    fn limits(&self) -> TurnLimits {
        TurnLimits {
            attempts_max: 8,
            total_max: Duration::from_micros(self.shape.turn_max),
            backoff_base: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
        }
    }

    /// A client asks.
    pub(crate) fn arrive(&mut self, turn: usize) {
        let gateway = self.shape.turns[turn].gateway;
        if !self.gateways[gateway].is_alive {
            return;
        }
        let (machine, effects) = Turn::start(self.limits(), self.instant());
        let it = &mut self.turns[turn];
        (it.machine, it.accepted, it.born) = (Some(machine), true, self.now);
        self.open_turns += 1;
        self.stats.turns += 1;
        self.schedule(self.now + self.shape.turn_max, Event::Deadline { turn });
        self.perform(turn, effects);
    }

    /// Its gateway died; nobody is left to tell.
    pub(crate) fn abandon(&mut self, turn: usize) {
        let it = &mut self.turns[turn];
        (it.machine, it.stream, it.abandoned) = (None, None, true);
        self.open_turns -= 1;
        self.stats.abandoned += 1;
    }

    pub(crate) fn turn_input(&mut self, turn: usize, input: Input) {
        let now = self.instant();
        self.note(turn, |_| format!("turn hears {input:?}"));
        let Some(machine) = &mut self.turns[turn].machine else { return };
        let effects = machine.handle(input, now);
        self.perform(turn, effects);
    }

    fn perform(&mut self, turn: usize, effects: Vec<Effect>) {
        for effect in effects {
            self.note(turn, |_| format!("turn says {effect:?}"));
            match effect {
                Effect::Ask { attempt, avoid, prefer } => self.ask(turn, attempt, avoid, prefer),
                Effect::Leave { attempt } => self.leave(turn, attempt),
                Effect::Run { attempt, replica } => self.run_attempt(turn, attempt, replica),
                Effect::Stop => {
                    if let Some(stream) = self.stop_listening(turn) {
                        self.send(stream.link, GATEWAY, Frame::Reset { stream: stream.number });
                        self.attempt_ended(turn, stream.attempt, Outcome::Stopped);
                    }
                }
                Effect::Pause { attempt, pause } => {
                    let at = self.now + pause.as_micros() as u64;
                    self.schedule(at, Event::PauseOver { turn, attempt });
                }
                Effect::NoteRetry { cause, .. } => {
                    *self.stats.failovers.entry(cause.code()).or_insert(0) += 1;
                }
                Effect::End(end) => self.end(turn, end),
            }
        }
    }

    fn end(&mut self, turn: usize, end: End) {
        self.turns[turn].machine = None;
        self.open_turns -= 1;
        self.on_terminal(turn, &end);
        if self.broken == Some(Break::DoubleTerminal)
            && matches!(end, End::Cancelled)
            && self.turns[turn].shown > 0
        {
            self.on_terminal(turn, &end);
        }
    }

    fn ask(&mut self, turn: usize, attempt: u32, avoid: Option<ReplicaId>, prefer: Option<ReplicaId>) {
        let shape = &self.shape.turns[turn];
        let (gateway, now) = (shape.gateway, self.instant());
        let ticket = Ticket { turn: TurnId(turn as u128), attempt };
        let ask = Ask {
            avoid,
            prefer,
            key: turn as u64 % 4,
            prefix: self.prompt(turn),
            resume_tokens: self.turns[turn].ledger.shown(),
            deadline: self.turns[turn].machine.as_ref().map(Turn::deadline),
            draw: self.random.next(),
            ..Ask::new(ticket, model_id(shape.model))
        };
        let effects = self.gateways[gateway].admission.handle(admission::Input::Ask(Box::new(ask)), now);
        for effect in effects {
            match effect {
                admission::Effect::Grant { ticket: whose, replica, .. } if whose == ticket => {
                    self.turn_input(turn, Input::Placed { attempt, replica });
                }
                admission::Effect::Refuse { ticket: whose, cause } if whose == ticket => {
                    self.turn_input(turn, Input::Refused { attempt, cause });
                }
                other => self.post(gateway, other),
            }
        }
    }

    /// Some conversations share their beginning.
    fn prompt(&self, turn: usize) -> Prefix {
        let text = "x".repeat(self.shape.turns[turn].prompt as usize * 4);
        Prefix::of(&TurnInput::Text(format!("{}{text}", turn % 7)))
    }

    fn leave(&mut self, turn: usize, attempt: u32) {
        if self.broken == Some(Break::ForgetPermit) && attempt > 1 {
            return;
        }
        let gateway = self.shape.turns[turn].gateway;
        let ticket = Ticket { turn: TurnId(turn as u128), attempt };
        self.tell_admission(gateway, admission::Input::Leave { ticket });
    }

    fn run_attempt(&mut self, turn: usize, attempt: u32, replica: ReplicaId) {
        let gateway = self.shape.turns[turn].gateway;
        let node = node_index(&replica.node);
        self.turns[turn].newest = attempt;
        self.check_attempt(turn, gateway, node, &replica);
        let Some(link) = self.gateways[gateway].current[node] else {
            let cause = Cause::LinkLost { node: replica.node.0, message: "no link".to_owned() };
            return self.attempt_ended(turn, attempt, Outcome::Failed(cause));
        };
        let generation = self.links[&link].generations[0];
        let is_attach = self.turns[turn].lost_at.take() == Some((replica.clone(), generation));
        self.open_stream(turn, attempt, replica, link, is_attach);
    }

    fn open_stream(&mut self, turn: usize, attempt: u32, replica: ReplicaId, link: u64, is_attach: bool) {
        let gateway = self.shape.turns[turn].gateway;
        let node = self.links[&link].node;
        self.gateways[gateway].stream_last += 1;
        let number = self.gateways[gateway].stream_last;
        self.gateways[gateway].streams.insert(number, turn);
        let resume = match self.broken {
            Some(Break::ReplayFromZero) => Vec::new(),
            _ => self.turns[turn].ledger.ids().to_vec(),
        };
        let frame = if is_attach {
            Frame::Attach { stream: number, turn, attempt, from: self.turns[turn].ledger.shown() }
        } else {
            let (model, incarnation) = (model_index(&replica.model), replica.incarnation);
            Frame::Open { stream: number, turn, attempt, model, incarnation, resume }
        };
        self.turns[turn].stream = Some(Stream { number, link, node, attempt, replica, is_attach });
        self.stats.attempts += 1;
        self.send(link, GATEWAY, frame);
    }

    fn stop_listening(&mut self, turn: usize) -> Option<Stream> {
        let gateway = self.shape.turns[turn].gateway;
        let stream = self.turns[turn].stream.take()?;
        self.gateways[gateway].streams.remove(&stream.number);
        Some(stream)
    }

    fn attempt_ended(&mut self, turn: usize, attempt: u32, outcome: Outcome) {
        let shown = self.turns[turn].ledger.shown();
        let input = Input::AttemptEnded { attempt, shown, outcome };
        self.schedule(self.now, Event::ToTurn { turn, input: Box::new(input) });
    }

    /// A link is gone, and all streams on it.
    pub(crate) fn fail_streams(&mut self, gateway: usize, link: u64, cause: Cause) {
        let turns: Vec<usize> = self.gateways[gateway].streams.values().copied().collect();
        for turn in turns {
            if self.turns[turn].stream.as_ref().is_some_and(|stream| stream.link == link) {
                let Some(stream) = self.stop_listening(turn) else { continue };
                let generation = self.links.get(&link).map_or(0, |it| it.generations[0]);
                self.turns[turn].lost_at = Some((stream.replica, generation));
                self.attempt_ended(turn, stream.attempt, Outcome::Failed(cause.clone()));
            }
        }
    }

    /// A node uses another link: its running turns go there.
    pub(crate) fn attach_turns(&mut self, gateway: usize, node: usize, link: u64) {
        let turns: Vec<usize> = self.gateways[gateway].streams.values().copied().collect();
        for turn in turns {
            let moves = |stream: &Stream| stream.node == node && stream.link != link;
            if !self.turns[turn].stream.as_ref().is_some_and(moves) {
                continue;
            }
            if let Some(stream) = self.stop_listening(turn) {
                self.note(turn, |_| format!("attaches over link {link}"));
                self.open_stream(turn, stream.attempt, stream.replica, link, true);
            }
        }
    }

    /// An event of a turn came.
    pub(crate) fn turn_event(
        &mut self,
        gateway: usize,
        stream: u64,
        turn: usize,
        attempt: u32,
        event: TurnEvent,
    ) {
        let listens = self.gateways[gateway].streams.contains_key(&stream);
        if !listens {
            self.stats.stale_frames += 1;
            let has_stream = self.turns[turn].stream.is_some();
            if self.broken != Some(Break::AcceptStaleAttempt) || !has_stream {
                return;
            }
        }
        let verdict = match self.broken {
            Some(Break::SkipLedger) => match &event {
                TurnEvent::Finished { .. } | TurnEvent::Failed { .. } => Ok(Verdict::Terminal),
                _ => Ok(Verdict::Show),
            },
            _ => self.turns[turn].ledger.admit(&event),
        };
        match (verdict, event) {
            (Ok(Verdict::Skip), _) => {}
            (Ok(Verdict::Show), event) => self.on_shown(turn, attempt, &event),
            (Ok(Verdict::Terminal), TurnEvent::Failed { cause }) => {
                self.note(turn, |_| format!("stream ends: {cause}"));
                let Some(stream) = self.stop_listening(turn) else { return };
                let is_linked = self.links.get(&stream.link).is_some_and(|link| link.ends[GATEWAY].is_open);
                if cause == Cause::TurnNotHeld && stream.is_attach && is_linked {
                    return self.open_stream(turn, stream.attempt, stream.replica, stream.link, false);
                }
                self.attempt_ended(turn, stream.attempt, Outcome::Failed(cause));
            }
            (Ok(Verdict::Terminal), _) => {
                let Some(stream) = self.stop_listening(turn) else { return };
                let ticket = Ticket { turn: TurnId(turn as u128), attempt: stream.attempt };
                let prefix = self.prompt(turn);
                self.tell_admission(gateway, admission::Input::Answered { ticket, prefix });
                self.attempt_ended(turn, stream.attempt, Outcome::Finished);
            }
            (Err(cause), _) => {
                self.fail(Some(turn), format!("the ledger refuses what a good node said: {cause}"))
            }
        }
    }
}
