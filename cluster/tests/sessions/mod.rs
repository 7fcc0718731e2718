//! Eight writers on one session: random order of everything, crashes, repeated requests; and the proof that the checker
//! of their histories can fail.

mod history;

use std::collections::{BTreeMap, VecDeque};

use pomona_cluster::session::{Batch, Effect, Input, Session, SessionLimits, SessionState};
use pomona_protocol::{
    Cause, ContextPolicy, FinishReason, Message, ModelId, NewSession, Principal, Role, Sampling,
    SessionCommand, SessionEvent, SessionId, SessionReply, SessionRequest, SessionSettings, TurnAsk,
    TurnEvent, TurnId, Usage,
};

use crate::sim::random::Random;
use history::{Call, Operation, Outcome, acknowledged, check};

const ID: SessionId = SessionId(1);
const WRITERS: usize = 8;
const OPERATIONS: usize = 60;
const SEEDS: u64 = 400;
const LIMITS: SessionLimits = SessionLimits { queue_max: 6, turns_max: 1000 };

/// One session, its store, and its writers.
struct World {
    random: Random,
    clock: u64,
    session: Session,
    batches: VecDeque<Batch>,
    log: Vec<SessionEvent>,
    run: Option<u32>,
    number: u64,
    /// The question that each writer waits for, and its operation.
    asked: BTreeMap<u64, usize>,
    /// Answers on their way.
    answers: Vec<(u64, Result<SessionReply, Cause>)>,
    operations: Vec<Operation>,
    /// Where each writer thinks that the log ends.
    heads: [u64; WRITERS],
}

fn new_session() -> NewSession {
    let settings = SessionSettings {
        model: ModelId::from("sprout"),
        system: None,
        sampling: Sampling::default(),
        seed: None,
        context: ContextPolicy::Refuse,
    };
    NewSession { title: String::new(), tags: Vec::new(), settings, forked_from: None, turns: Vec::new() }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: Random::new(seed),
            clock: 0,
            session: Session::new(SessionState::empty(ID), LIMITS),
            batches: VecDeque::new(),
            log: Vec::new(),
            run: None,
            number: 0,
            asked: BTreeMap::new(),
            answers: Vec::new(),
            operations: Vec::new(),
            heads: [0; WRITERS],
        };
        world.send(SessionCommand::Create(new_session()), None);
        world.write();
        world.answers.clear();
        world
    }

    fn run(mut self) -> (Vec<SessionEvent>, Vec<Operation>) {
        while self.operations.len() < OPERATIONS {
            self.step();
        }
        // Whoever waits still is answered, or repeats the request until then.
        while !self.asked.is_empty() {
            self.write();
            self.deliver();
        }
        (self.log, self.operations)
    }

    fn step(&mut self) {
        self.clock += 1;
        match self.random.index(20) {
            0..=7 => self.invoke(),
            8..=11 => self.write(),
            12..=15 => self.deliver(),
            16 | 17 => self.answer_turn(),
            18 if self.random.chance(300) => self.crash(),
            _ => {}
        }
    }

    fn invoke(&mut self) {
        let writer = self.random.index(WRITERS);
        if self.asked.values().any(|at| self.operations[*at].writer == writer) {
            return;
        }
        let expected_seq = self.random.chance(400).then_some(self.heads[writer]);
        let key = format!("wish {}", self.operations.len());
        let call = if self.random.chance(250) { Call::Read } else { Call::Ask { key, expected_seq } };
        let (invoked, outcome) = (self.clock, Outcome::Unknown);
        self.operations.push(Operation { writer, invoked, returned: 0, call, outcome });
        self.ask(self.operations.len() - 1);
    }

    fn ask(&mut self, at: usize) {
        let (command, expected_seq) = match &self.operations[at].call {
            Call::Read => (SessionCommand::Show, None),
            Call::Ask { key, expected_seq } => {
                let input = vec![Message::text(Role::User, key.clone())];
                let ask = TurnAsk { input, idempotency_key: Some(key.clone()), ..TurnAsk::default() };
                (SessionCommand::Ask(ask), *expected_seq)
            }
        };
        self.asked.insert(self.number + 1, at);
        self.send(command, expected_seq);
    }

    fn send(&mut self, command: SessionCommand, expected_seq: Option<u64>) {
        self.number += 1;
        let request = SessionRequest { expected_seq, ..SessionRequest::new(ID, Principal(1), command) };
        let (number, turn) = (self.number, TurnId(u128::from(self.number)));
        self.handle(Input::Command { number, request: Box::new(request), digest: 0, turn, seed: 0 });
    }

    fn handle(&mut self, input: Input) {
        let effects = self.session.handle(input, self.clock);
        self.play(effects);
    }

    fn play(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append(batch) => self.batches.push_back(*batch),
                Effect::Reply { number, reply } => self.answers.push((number, reply)),
                Effect::Start { run, .. } => self.run = Some(run),
                _ => {}
            }
        }
    }

    fn write(&mut self) {
        let Some(batch) = self.batches.pop_front() else { return };
        self.log.extend(batch.events);
        let seq = self.log.last().map_or(0, |event| event.seq);
        self.handle(Input::Written { seq });
    }

    fn answer_turn(&mut self) {
        let Some(run) = self.run.take() else { return };
        let tokens = TurnEvent::Tokens {
            first: 0,
            ids: vec![1, 2],
            text: "ab".into(),
            logprobs: Vec::new(),
            marks: Vec::new(),
        };
        let (reason, usage) = (FinishReason::Stop, Usage::default());
        let events = vec![
            tokens,
            TurnEvent::Finished {
                reason,
                text: String::new(),
                usage,
                marks: Vec::new(),
                stop: None,
                embedding: Vec::new(),
            },
        ];
        self.handle(Input::Turn { run, events });
    }

    /// One answer arrives, late and in any order.
    fn deliver(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let (number, reply) = self.answers.swap_remove(self.random.index(self.answers.len()));
        let Some(at) = self.asked.remove(&number) else { return };
        self.clock += 1;
        let operation = &mut self.operations[at];
        operation.returned = self.clock;
        let head = &mut self.heads[operation.writer];
        operation.outcome = match reply {
            Ok(SessionReply::Accepted { turn, seq, .. }) => {
                *head = seq;
                Outcome::Accepted { turn, seq }
            }
            Ok(SessionReply::View(view)) => {
                *head = view.head_seq;
                Outcome::Seen(view.turns.iter().map(|turn| turn.turn).collect())
            }
            Err(Cause::SessionConflict { head: now, .. }) => {
                *head = now;
                Outcome::Conflict { head: now }
            }
            Ok(SessionReply::Done { .. }) | Err(_) => Outcome::Refused,
        };
    }

    /// The process dies; answers on their way are lost, and everybody who waits asks again.
    fn crash(&mut self) {
        for batch in self.batches.drain(..).take(self.random.index(3)) {
            self.log.extend(batch.events);
        }
        let mut state = SessionState::empty(ID);
        self.log.iter().for_each(|event| state.apply(event).expect("the log follows itself"));
        self.session = Session::new(state, LIMITS);
        self.run = None;
        self.answers.clear();
        let effects = self.session.resume(self.clock);
        self.play(effects);
        for at in std::mem::take(&mut self.asked).into_values() {
            self.ask(at);
        }
    }
}

#[test]
fn the_requests_of_eight_writers_have_one_order() {
    let (mut accepted, mut conflicts, mut looks) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let (log, operations) = World::new(seed).run();
        if let Err(what) = check(&log, &operations) {
            panic!("seed {seed}: {what}");
        }
        accepted += acknowledged(&operations).len();
        conflicts += operations.iter().filter(|it| matches!(it.outcome, Outcome::Conflict { .. })).count();
        looks += operations.iter().filter(|it| matches!(it.outcome, Outcome::Seen(_))).count();
    }
    assert!(accepted > 1000 && conflicts > 1000 && looks > 1000, "{accepted} {conflicts} {looks}");
}

/// A history of three requests one behind the other, which is right.
fn plain() -> (Vec<SessionEvent>, Vec<Operation>) {
    let mut world = World::new(1);
    for at in 0..3 {
        let call = Call::Ask { key: format!("wish {at}"), expected_seq: None };
        world.clock += 1;
        let (invoked, outcome) = (world.clock, Outcome::Unknown);
        world.operations.push(Operation { writer: at, invoked, returned: 0, call, outcome });
        world.ask(at);
        world.write();
        world.deliver();
    }
    (world.log, world.operations)
}

#[test]
fn a_history_that_is_wrong_is_found() {
    type Break = fn(&mut Vec<SessionEvent>, &mut Vec<Operation>);
    let breaks: [(&str, Break); 8] = [
        ("an acknowledged turn is missing", |log, _| drop(log.remove(2))),
        ("a turn stands there twice", |log, _| log.push(log[1].clone())),
        ("nobody asked", |_, operations| drop(operations.remove(1))),
        ("another number was told", |_, operations| {
            operations[1].outcome = Outcome::Accepted { turn: TurnId(3), seq: 9 };
        }),
        ("the order is not the clock's", |_, operations| {
            (operations[2].invoked, operations[2].returned) = (0, 0);
            operations[1].invoked = 1;
        }),
        ("a refused turn happened", |_, operations| operations[0].outcome = Outcome::Refused),
        ("a look misses what was acknowledged", |_, operations| {
            let (call, outcome) = (Call::Read, Outcome::Seen(Vec::new()));
            operations.push(Operation { writer: 9, invoked: 90, returned: 91, call, outcome });
        }),
        ("a turn stands where its writer did not want it", |_, operations| {
            operations[1].call = Call::Ask { key: "wish 1".into(), expected_seq: Some(1) };
        }),
    ];
    let (log, operations) = plain();
    assert_eq!(check(&log, &operations), Ok(()));
    for (what, break_it) in breaks {
        let (mut log, mut operations) = (log.clone(), operations.clone());
        break_it(&mut log, &mut operations);
        assert!(check(&log, &operations).is_err(), "{what}");
    }
}
