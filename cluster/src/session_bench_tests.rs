//! A shell in miniature for the tests of sessions: it keeps a log, writes when it is told to, and checks with every
//! effect what every shell may rely on.

use std::collections::{BTreeMap, VecDeque};

use pomona_protocol::{
    Cause, ContextPolicy, FinishReason, Message, ModelId, NewSession, Permission, Principal, Role, Sampling,
    SessionChange, SessionCommand, SessionEvent, SessionEventBody, SessionId, SessionLive, SessionReply,
    SessionRequest, SessionSettings, TurnAsk, TurnEvent, TurnId, TurnInput, TurnRequest, Usage,
};

use super::*;

pub(super) const ID: SessionId = SessionId(0xa11ce);
pub(super) const OWNER: Principal = Principal(1);
pub(super) const WRITER: Principal = Principal(2);
pub(super) const READER: Principal = Principal(3);
pub(super) const STRANGER: Principal = Principal(4);
pub(super) const LIMITS: SessionLimits = SessionLimits { queue_max: 4, turns_max: 40 };

pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) now: u64,
    number: u64,
    pub(super) batches: VecDeque<Batch>,
    pub(super) log: Vec<SessionEvent>,
    /// Everything that clients of this activation heard.
    pub(super) published: Vec<SessionEvent>,
    pub(super) replies: BTreeMap<u64, Result<SessionReply, Cause>>,
    /// Effects of the last input.
    pub(super) last: Vec<Effect>,
    pub(super) running: Option<(u32, TurnRequest)>,
    /// Every prompt that was started, in order.
    pub(super) starts: Vec<(u32, TurnRequest)>,
    pub(super) lives: Vec<SessionLive>,
}

pub(super) fn new_session() -> NewSession {
    let settings = SessionSettings {
        model: ModelId::from("sprout"),
        system: None,
        sampling: Sampling::default(),
        seed: None,
        context: ContextPolicy::Refuse,
    };
    NewSession { title: String::new(), tags: Vec::new(), settings, forked_from: None, turns: Vec::new() }
}

pub(super) fn ask(text: &str) -> TurnAsk {
    TurnAsk { input: vec![Message::text(Role::User, text)], ..TurnAsk::default() }
}

pub(super) fn tokens(first: u32, ids: &[u32], text: &str) -> TurnEvent {
    TurnEvent::Tokens {
        first,
        ids: ids.to_vec(),
        text: text.to_owned(),
        logprobs: Vec::new(),
        marks: Vec::new(),
    }
}

pub(super) fn finished(text: &str) -> TurnEvent {
    TurnEvent::Finished {
        reason: FinishReason::Stop,
        text: text.to_owned(),
        usage: Usage::default(),
        marks: Vec::new(),
        stop: None,
        embedding: Vec::new(),
    }
}

/// A prompt in a line: `u:` and `a:` and `s:` before what is said.
pub(super) fn said(request: &TurnRequest) -> String {
    let TurnInput::Messages(messages) = &request.input else { return String::new() };
    let line = |message: &Message| {
        format!("{}:{}", &message.role.as_str()[..1], text_of(std::slice::from_ref(message)))
    };
    messages.iter().map(line).collect::<Vec<_>>().join(" ")
}

impl Bench {
    /// An activation on this log.
    pub(super) fn on(log: Vec<SessionEvent>) -> Self {
        let mut state = SessionState::empty(ID);
        for event in &log {
            state.apply(event).unwrap();
        }
        let mut bench = Self {
            session: Session::new(state, LIMITS),
            now: 1000,
            number: 0,
            batches: VecDeque::new(),
            log,
            published: Vec::new(),
            replies: BTreeMap::new(),
            last: Vec::new(),
            running: None,
            starts: Vec::new(),
            lives: Vec::new(),
        };
        let effects = bench.session.resume(bench.now);
        bench.play(effects);
        bench
    }

    /// A session of [`OWNER`], shared with the writer and the reader, all written.
    pub(super) fn new() -> Self {
        let mut bench = Self::on(Vec::new());
        bench.done(OWNER, SessionCommand::Create(new_session())).unwrap();
        let shared = BTreeMap::from([(WRITER, Permission::Write), (READER, Permission::Read)]);
        let change = SessionChange { shared: Some(shared), ..SessionChange::default() };
        bench.done(OWNER, SessionCommand::Update(change)).unwrap();
        bench
    }

    /// The process dies and another one goes on with what is written.
    pub(super) fn crash(&mut self) {
        let (number, now) = (self.number, self.now);
        *self = Self { number, now, ..Self::on(std::mem::take(&mut self.log)) };
    }

    pub(super) fn handle(&mut self, input: Input) {
        self.now += 1;
        let effects = self.session.handle(input, self.now);
        self.play(effects);
    }

    /// Asks and returns the number of the question, which is the id of its turn as well.
    pub(super) fn command(&mut self, by: Principal, command: SessionCommand) -> u64 {
        self.request(SessionRequest::new(ID, by, command), 7)
    }

    pub(super) fn request(&mut self, request: SessionRequest, digest: u64) -> u64 {
        // A forced import takes ids behind its own; they may not meet the next ones.
        self.number += 100;
        let number = self.number;
        let turn = TurnId(u128::from(number));
        self.handle(Input::Command { number, request: Box::new(request), digest, turn, seed: number });
        number
    }

    /// Asks, writes everything, and returns the answer.
    pub(super) fn done(&mut self, by: Principal, command: SessionCommand) -> Result<SessionReply, Cause> {
        let number = self.command(by, command);
        self.write();
        self.replies[&number].clone()
    }

    /// A written question of the owner.
    pub(super) fn asked(&mut self, ask: TurnAsk) -> TurnId {
        match self.done(OWNER, SessionCommand::Ask(ask)) {
            Ok(SessionReply::Accepted { turn, .. }) => turn,
            other => panic!("{other:?}"),
        }
    }

    /// A written question with its whole answer.
    pub(super) fn answered(&mut self, ask: TurnAsk, answer: &str) -> TurnId {
        let turn = self.asked(ask);
        self.answer(answer);
        turn
    }

    /// The running turn says this and ends.
    pub(super) fn answer(&mut self, answer: &str) {
        let first = self.running.as_ref().unwrap().1.resume.len() as u32;
        self.says(vec![tokens(first, &[1], answer), finished("")]);
        self.write();
    }

    pub(super) fn says(&mut self, events: Vec<TurnEvent>) {
        let run = self.running.as_ref().expect("a turn runs").0;
        if events.iter().any(TurnEvent::is_terminal) {
            self.running = None;
        }
        self.handle(Input::Turn { run, events });
    }

    /// Writes everything that was appended.
    pub(super) fn write(&mut self) {
        while !self.batches.is_empty() {
            self.write_one();
        }
    }

    pub(super) fn write_one(&mut self) {
        let Some(batch) = self.batches.pop_front() else { return };
        self.log.extend(batch.events);
        let seq = self.head();
        self.handle(Input::Written { seq });
    }

    /// Where the written log ends.
    pub(super) fn head(&self) -> u64 {
        self.log.last().map_or(0, |event| event.seq)
    }

    pub(super) fn bodies(&self) -> Vec<SessionEventBody> {
        self.log.iter().map(|event| event.body.clone()).collect()
    }

    fn play(&mut self, effects: Vec<Effect>) {
        self.last.clone_from(&effects);
        for effect in effects {
            match effect {
                Effect::Append(batch) => {
                    let end = self.batches.back().and_then(|batch| batch.events.last());
                    assert_eq!(batch.expected_seq, end.map_or(self.head(), |event| event.seq));
                    assert!(!batch.events.is_empty());
                    assert_eq!(batch.synced, batch.summary.is_some(), "lists show what is synced");
                    self.batches.push_back(*batch);
                }
                Effect::Publish(events) => self.published.extend(events),
                Effect::Live(live) => self.lives.push(live),
                Effect::Reply { number, reply } => {
                    assert!(self.replies.insert(number, reply).is_none(), "{number} is answered twice");
                }
                Effect::Start { run, request, .. } => {
                    assert!(self.running.is_none(), "two turns run");
                    assert_eq!(run, self.starts.last().map_or(0, |(run, _)| *run) + 1);
                    self.starts.push((run, (*request).clone()));
                    self.running = Some((run, *request));
                }
                Effect::Ready { run } => {
                    assert_eq!(Some(run), self.running.as_ref().map(|(run, _)| *run));
                    let mut unwritten = self.batches.iter().flat_map(|batch| &batch.events);
                    let is_said =
                        |event: &SessionEvent| matches!(event.body, SessionEventBody::Tokens { .. });
                    assert!(!unwritten.any(is_said), "it may speak before all it said is written");
                }
                Effect::Cancel { run } => assert_eq!(Some(run), self.running.as_ref().map(|(run, _)| *run)),
                Effect::LetGo { run } => assert!(self.running.take().is_none_or(|running| running.0 == run)),
                Effect::StepDown { .. } | Effect::Delete { .. } => self.running = None,
            }
        }
        assert!(self.published.last().is_none_or(|event| event.seq <= self.head()), "shown before written");
    }
}
