//! A session: the order of its turns, its log, and what its clients are told.
//!
//! The Session actor wraps this machine; see `session.md` beside it for the properties that the tests hold. Commands are
//! decided on everything that was appended; clients hear of it once it is written. Here is what waits for the log;
//! what a command does stands in `session_commands`, what a running turn says in `session_turns`.

use std::collections::VecDeque;

use pomona_protocol::{
    Cause, Permission, Principal, SessionEvent, SessionEventBody, SessionReply, SessionView, TurnId,
};

use crate::session_record::text_of;
pub use crate::session_state::{SessionState, TurnRecord};
use crate::session_turns::Running;
pub use crate::session_words::{Batch, Effect, Input, SessionLimits};

/// The machine of one activation.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) limits: SessionLimits,
    /// What follows from everything that was appended.
    pub(crate) state: SessionState,
    /// What follows from everything that is written. Kept while a turn is open or something is unwritten; otherwise
    /// `state` says it, so that an idle session is in memory once.
    written: Option<Box<SessionState>>,
    written_seq: u64,
    unwritten: VecDeque<SessionEvent>,
    /// Answers that wait until a number is written, those numbers ascending.
    waiting: VecDeque<Waiting>,
    pub(crate) running: Option<Running>,
    /// Starts of this activation.
    pub(crate) runs: u32,
    pub(crate) phase: Phase,
}

/// An answer that waits.
#[derive(Clone, Debug)]
struct Waiting {
    seq: u64,
    number: u64,
    answer: Answer,
}

/// What a question is answered with once everything that it rests on is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    View,
    Accepted { turn: TurnId, seq: u64, is_new: bool },
    Done { seq: u64 },
    Conflict { expected: u64, head: u64 },
}

/// How far the activation is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Phase {
    /// Everything goes on.
    Active,
    /// The process is going down: no turn starts any more, what is asked is still written.
    Closing,
    /// It is over; every question gets this answer.
    Over(Cause),
}

impl Session {
    /// An activation on what the log says; everything in `state` is written.
    pub fn new(state: SessionState, limits: SessionLimits) -> Self {
        Self {
            limits,
            written_seq: state.head_seq,
            state,
            written: None,
            unwritten: VecDeque::new(),
            waiting: VecDeque::new(),
            running: None,
            runs: 0,
            phase: Phase::Active,
        }
    }

    /// Starts the turn that ran when the last activation ended, or the first that waits. To be called once, first.
    pub fn resume(&mut self, now_ms: u64) -> Vec<Effect> {
        self.start_next(now_ms)
    }

    /// Takes note of something and says what is to be done. `now_ms` is Unix time; it never decides, it is only noted.
    pub fn handle(&mut self, input: Input, now_ms: u64) -> Vec<Effect> {
        if let Phase::Over(cause) = &self.phase {
            return match input {
                Input::Command { number, .. } => vec![Effect::Reply { number, reply: Err(cause.clone()) }],
                Input::Turn { .. } | Input::Written { .. } | Input::WriteFailed { .. } | Input::Fenced => {
                    Vec::new()
                }
            };
        }
        match input {
            Input::Command { number, request, digest, turn, seed } => {
                let asked = crate::session_commands::Asked { number, digest, turn, seed, now_ms };
                self.command(*request, asked)
            }
            Input::Turn { run, events } => self.turn_said(run, events, now_ms),
            Input::Written { seq } => self.written(seq),
            Input::WriteFailed { cause } => {
                let mut effects = self.end(cause.clone(), cause);
                effects.push(Effect::StepDown { reason: "store" });
                effects
            }
            Input::Fenced => {
                let mut effects = self.end(Cause::SessionMoved, Cause::SessionMoved);
                effects.push(Effect::StepDown { reason: "moved" });
                effects
            }
        }
    }

    /// What follows from everything that was appended, written or not.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The last number that is written.
    pub fn written_seq(&self) -> u64 {
        self.written_seq
    }

    /// What people see of everything that is written. `oldest_seq` is the store's.
    pub fn view(&self, oldest_seq: u64) -> Option<SessionView> {
        self.written_state().view(oldest_seq)
    }

    /// Whether no turn runs or waits, no question is open and nothing is unwritten: the activation may end.
    pub fn is_idle(&self) -> bool {
        let is_over = matches!(self.phase, Phase::Over(_));
        let is_written = self.unwritten.is_empty() && self.waiting.is_empty();
        is_over || is_written && self.state.oldest_open().is_none()
    }

    /// Whether `by` may read it. `false` as well while nothing is known of it.
    pub fn is_readable_by(&self, by: Principal) -> bool {
        self.written_state().allows(by, Permission::Read)
    }

    pub(crate) fn written_state(&self) -> &SessionState {
        self.written.as_deref().unwrap_or(&self.state)
    }

    /// Appends events that were just decided, as one piece.
    pub(crate) fn append(
        &mut self,
        bodies: Vec<SessionEventBody>,
        audit: Vec<(Principal, &'static str, Option<TurnId>)>,
        now_ms: u64,
    ) -> Effect {
        if self.written.is_none() {
            self.written = Some(Box::new(self.state.clone()));
        }
        let mut batch = Batch { expected_seq: self.state.head_seq, audit, ..Batch::default() };
        for body in bodies {
            let first_seq = self.state.head_seq + 1;
            let seq = self.state.head_seq + body.width();
            let event = SessionEvent { first_seq, seq, at_ms: now_ms, body };
            self.state.apply(&event).expect("invariant: what is decided on a state follows it");
            batch.synced |= is_synced(&event.body);
            batch.texts.extend(self.found_by(&event.body));
            self.unwritten.push_back(event.clone());
            batch.events.push(event);
        }
        if batch.synced {
            batch.summary = self.state.summary();
        }
        Effect::Append(Box::new(batch))
    }

    /// Answers as soon as everything up to `seq` is written.
    pub(crate) fn answer(&mut self, number: u64, answer: Answer, seq: u64) -> Vec<Effect> {
        if seq <= self.written_seq {
            return vec![self.reply(number, answer)];
        }
        let at = self.waiting.partition_point(|waiting| waiting.seq <= seq);
        self.waiting.insert(at, Waiting { seq, number, answer });
        Vec::new()
    }

    /// Ends the activation: whoever waits hears `cause`, later questions `later`, and what is unwritten is forgotten.
    pub(crate) fn end(&mut self, cause: Cause, later: Cause) -> Vec<Effect> {
        let refuse = |waiting: Waiting| Effect::Reply { number: waiting.number, reply: Err(cause.clone()) };
        let mut effects: Vec<Effect> = self.waiting.drain(..).map(refuse).collect();
        if let Some(running) = self.running.take() {
            effects.push(Effect::LetGo { run: running.run });
        }
        self.unwritten.clear();
        if let Some(written) = self.written.take() {
            self.state = *written;
        }
        self.phase = Phase::Over(later);
        effects
    }

    fn written(&mut self, seq: u64) -> Vec<Effect> {
        let count = self.unwritten.partition_point(|event| event.seq <= seq);
        let events: Vec<SessionEvent> = self.unwritten.drain(..count).collect();
        let Some(last) = events.last() else { return Vec::new() };
        self.written_seq = last.seq;
        if let Some(written) = &mut self.written {
            for event in &events {
                written.apply(event).expect("invariant: what followed one state follows its copy");
            }
        }
        if self.unwritten.is_empty() && self.state.oldest_open().is_none() {
            self.written = None;
            // Room for many events is not kept for a session that may be idle for days.
            self.unwritten = VecDeque::new();
        }
        let mut effects = vec![Effect::Publish(events)];
        let count = self.waiting.partition_point(|waiting| waiting.seq <= self.written_seq);
        let answered: Vec<Waiting> = self.waiting.drain(..count).collect();
        effects.extend(answered.into_iter().map(|waiting| self.reply(waiting.number, waiting.answer)));
        effects.extend(self.ready());
        effects
    }

    fn reply(&self, number: u64, answer: Answer) -> Effect {
        let reply = match answer {
            Answer::View => self.show(),
            Answer::Accepted { turn, seq, is_new } => Ok(SessionReply::Accepted { turn, seq, is_new }),
            Answer::Done { seq } => Ok(SessionReply::Done { seq }),
            Answer::Conflict { expected, head } => Err(Cause::SessionConflict { expected, head }),
        };
        Effect::Reply { number, reply }
    }

    /// What is written. Only the store knows how far back the log goes; the shell puts that in.
    pub(crate) fn show(&self) -> Result<SessionReply, Cause> {
        let view = self.view(1).map(|view| SessionReply::View(Box::new(view)));
        view.ok_or_else(|| self.unknown())
    }

    pub(crate) fn unknown(&self) -> Cause {
        Cause::UnknownSession { session: self.state.id.to_string() }
    }

    /// The text by which people find an event's turn.
    fn found_by(&self, body: &SessionEventBody) -> Option<(TurnId, u8, String)> {
        let record = self.state.turn(body.turn()?)?;
        match body {
            SessionEventBody::Accepted { turn, input, .. } => Some((*turn, 0, text_of(input))),
            _ if body.is_terminal() && !record.answer.is_empty() => {
                Some((record.turn, 1, record.answer.clone()))
            }
            _ => None,
        }
    }
}

/// Whether people act on it, so that the disk must have it before they hear of it.
fn is_synced(body: &SessionEventBody) -> bool {
    match body {
        SessionEventBody::Created { .. }
        | SessionEventBody::Updated { .. }
        | SessionEventBody::Accepted { .. }
        | SessionEventBody::CancelAsked { .. }
        | SessionEventBody::Finished { .. }
        | SessionEventBody::Failed { .. }
        | SessionEventBody::BranchChosen { .. }
        | SessionEventBody::Deleted { .. } => true,
        SessionEventBody::ContextDropped { .. }
        | SessionEventBody::Started { .. }
        | SessionEventBody::Tokens { .. } => false,
    }
}

#[cfg(test)]
#[path = "session_bench_tests.rs"]
mod bench;

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "session_branch_tests.rs"]
mod branch_tests;

#[cfg(test)]
#[path = "session_turn_tests.rs"]
mod turn_tests;

#[cfg(test)]
#[path = "session_told_tests.rs"]
mod told_tests;

#[cfg(test)]
#[path = "session_random_tests.rs"]
mod random_tests;
