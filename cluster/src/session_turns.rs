//! The running turn of a session: starting it, logging what it says, and going on to the next.

use pomona_protocol::said::marks_from;
use pomona_protocol::{
    Cause, ContextPolicy, Mark, SessionEvent, SessionEventBody, SessionLive, TurnEvent, TurnId,
};

use crate::session::{Effect, Phase, Session};
use crate::session_prompt;
use crate::session_state::TurnRecord;

/// The turn that runs. It is always the oldest open one.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// Which start.
    pub(crate) run: u32,
    pub(crate) turn: TurnId,
    /// It says more once this number is written.
    ready_at: Option<u64>,
}

/// What a turn's words come to.
#[derive(Default)]
struct Heard {
    bodies: Vec<SessionEventBody>,
    live: Vec<SessionLive>,
    outcome: Outcome,
}

/// What becomes of a start.
#[derive(Default)]
enum Outcome {
    #[default]
    GoesOn,
    /// Its terminal event is among the bodies.
    Ended,
    /// What it said breaks the protocol; the turn has failed, and nobody listens to it any more.
    Broken,
    /// The process is going down.
    Interrupted,
    /// It starts again with a shorter prompt.
    Again,
}

impl Session {
    /// Starts the oldest open turn unless one runs. Those whose end was asked for end here without starting.
    pub(crate) fn start_next(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.running.is_none() && self.phase == Phase::Active {
            let Some(record) = self.state.oldest_open() else { break };
            if record.cancelled_by.is_some() {
                let cancelled = record.cancelled();
                effects.push(self.append(vec![cancelled], Vec::new(), now_ms));
                continue;
            }
            let request = Box::new(session_prompt::request(&self.state, record));
            let (turn, by) = (record.turn, record.by);
            self.runs += 1;
            let run = self.runs;
            self.running = Some(Running { run, turn, ready_at: None });
            effects.push(Effect::Start { run, request, by });
        }
        effects
    }

    /// Logs what the running turn said, as one piece.
    pub(crate) fn turn_said(&mut self, run: u32, events: Vec<TurnEvent>, now_ms: u64) -> Vec<Effect> {
        let Some(running) = self.running.as_ref().filter(|running| running.run == run) else {
            return Vec::new();
        };
        let Some(record) = self.state.turn(running.turn) else { return Vec::new() };
        let heard = self.hear(record, events);
        let mut effects = Vec::new();
        if !heard.bodies.is_empty() {
            effects.push(self.append(heard.bodies, Vec::new(), now_ms));
        }
        effects.extend(heard.live.into_iter().map(Effect::Live));
        match heard.outcome {
            Outcome::GoesOn => {
                let head_seq = self.state.head_seq;
                if let Some(running) = &mut self.running {
                    running.ready_at = Some(head_seq);
                }
                effects.extend(self.ready());
                return effects;
            }
            Outcome::Ended | Outcome::Again => {}
            Outcome::Broken => effects.push(Effect::LetGo { run }),
            Outcome::Interrupted => {
                effects.push(Effect::LetGo { run });
                self.phase = Phase::Closing;
            }
        }
        self.running = None;
        effects.extend(self.start_next(now_ms));
        effects
    }

    /// Lets the running turn say more when everything that it said is written.
    pub(crate) fn ready(&mut self) -> Option<Effect> {
        let written_seq = self.written_seq();
        let running = self.running.as_mut()?;
        running.ready_at.take_if(|seq| *seq <= written_seq)?;
        Some(Effect::Ready { run: running.run })
    }

    fn hear(&self, record: &TurnRecord, events: Vec<TurnEvent>) -> Heard {
        let turn = record.turn;
        let mut heard = Heard::default();
        let mut answer = Answer::of(record);
        let mut is_started = record.started.is_some();
        for event in events {
            match event {
                TurnEvent::Queued { ahead } => heard.live.push(SessionLive::Queued { turn, ahead }),
                TurnEvent::Prefill { done, total } => {
                    // The newest number stands for those before it.
                    heard.live.retain(|live| !matches!(live, SessionLive::Prefill { .. }));
                    heard.live.push(SessionLive::Prefill { turn, done, total });
                }
                TurnEvent::Resumed { shown, cause, node } => {
                    heard.live.push(SessionLive::Resumed { turn, shown, cause, node });
                }
                TurnEvent::Started { prompt_tokens, cached_tokens } => {
                    if !std::mem::replace(&mut is_started, true) {
                        heard.bodies.push(SessionEventBody::Started { turn, prompt_tokens, cached_tokens });
                    }
                }
                TurnEvent::Tokens { first, ids, text, marks, .. } => {
                    match answer.take(first, ids, text, marks) {
                        Ok(Some(tokens)) => push_tokens(&mut heard.bodies, tokens),
                        Ok(None) => {}
                        Err(cause) => {
                            heard.bodies.push(SessionEventBody::Failed { turn, cause });
                            heard.outcome = Outcome::Broken;
                        }
                    }
                }
                TurnEvent::Finished { reason, text, marks, usage, stop, embedding: _ } => {
                    heard.bodies.push(SessionEventBody::Finished { turn, reason, text, marks, usage, stop });
                    heard.outcome = Outcome::Ended;
                }
                TurnEvent::Failed { cause: Cause::ShuttingDown } => heard.outcome = Outcome::Interrupted,
                TurnEvent::Failed { cause } => {
                    let shorter = if answer.known() == 0 { self.shorter(record, &cause) } else { None };
                    heard.outcome = if shorter.is_some() { Outcome::Again } else { Outcome::Ended };
                    heard.bodies.push(shorter.unwrap_or(SessionEventBody::Failed { turn, cause }));
                }
            }
            if !matches!(heard.outcome, Outcome::GoesOn) {
                break;
            }
        }
        heard
    }

    /// What the log says when the turn goes on without its oldest predecessors; `None` when it cannot.
    fn shorter(&self, record: &TurnRecord, cause: &Cause) -> Option<SessionEventBody> {
        let Cause::ContextExceeded { prompt_tokens, context_tokens } = cause else { return None };
        if self.state.settings.context != ContextPolicy::DropOldest || record.cancelled_by.is_some() {
            return None;
        }
        let dropped = session_prompt::drop_oldest(&self.state, record, *prompt_tokens, *context_tokens)?;
        Some(SessionEventBody::ContextDropped { turn: record.turn, dropped })
    }
}

/// Puts tokens behind others of the same input.
fn push_tokens(bodies: &mut Vec<SessionEventBody>, tokens: SessionEventBody) {
    let numbered = |first_seq: u64, body: SessionEventBody| {
        let seq = first_seq + body.width() - 1;
        SessionEvent { first_seq, seq, at_ms: 0, body }
    };
    let Some(last) = bodies.pop() else {
        bodies.push(tokens);
        return;
    };
    // The numbers are only for joining; the log gives the real ones.
    let mut last = numbered(1, last);
    let rest = last.join(numbered(last.seq + 1, tokens));
    bodies.push(last.body);
    bodies.extend(rest.map(|event| event.body));
}

/// The answer of a turn while its words are heard: what the log has, and what comes behind it now.
struct Answer<'a> {
    record: &'a TurnRecord,
    new_ids: Vec<u32>,
    new_text: String,
    new_ends: Vec<u32>,
}

impl<'a> Answer<'a> {
    fn of(record: &'a TurnRecord) -> Self {
        Self { record, new_ids: Vec::new(), new_text: String::new(), new_ends: Vec::new() }
    }

    fn known(&self) -> usize {
        self.record.ids.len() + self.new_ids.len()
    }

    /// The tokens that are new among these, `None` when all are known. What is certain only with several tokens is
    /// said to come with the last of them.
    fn take(
        &mut self,
        first: u32,
        ids: Vec<u32>,
        text: String,
        marks: Vec<Mark>,
    ) -> Result<Option<SessionEventBody>, Cause> {
        let known = self.known();
        let again = known.checked_sub(first as usize).ok_or_else(|| self.broken(first, ids.len()))?;
        if ids.is_empty() || u32::try_from(known + ids.len()).is_err() {
            return Err(self.broken(first, ids.len()));
        }
        let repeats =
            ids.iter().take(again).enumerate().all(|(at, id)| self.id(first as usize + at) == Some(*id));
        if !repeats {
            return Err(self.broken(first, ids.len()));
        }
        if again >= ids.len() {
            return Ok(None);
        }
        let said = self.text_behind(first as usize);
        let text = text.strip_prefix(&said).ok_or_else(|| self.broken(first, ids.len()))?.to_owned();
        let marks = marks_from(&marks, said.len() as u32);
        let ids = ids[again..].to_vec();
        let mut ends = vec![0; ids.len()];
        if let Some(last) = ends.last_mut() {
            *last = text.len() as u32;
        }
        self.new_ids.extend_from_slice(&ids);
        let base = self.new_text.len() as u32;
        self.new_ends.extend(ends.iter().map(|end| base + end));
        self.new_text.push_str(&text);
        Ok(Some(SessionEventBody::Tokens {
            turn: self.record.turn,
            first: known as u32,
            ids,
            text,
            marks,
            ends,
        }))
    }

    fn id(&self, at: usize) -> Option<u32> {
        let old = self.record.ids.len();
        self.record.ids.get(at).or_else(|| self.new_ids.get(at.checked_sub(old)?)).copied()
    }

    /// The text that the known ids from this one on made certain.
    fn text_behind(&self, first: usize) -> String {
        let old = self.record.ids.len();
        if let Some(at) = first.checked_sub(old) {
            let from = at.checked_sub(1).and_then(|at| self.new_ends.get(at)).copied().unwrap_or(0);
            return self.new_text.get(from as usize..).unwrap_or_default().to_owned();
        }
        let from = first.checked_sub(1).and_then(|at| self.record.ends.get(at)).copied().unwrap_or(0);
        let said = self.record.answer.get(from as usize..).unwrap_or_default();
        format!("{said}{}", self.new_text)
    }

    fn broken(&self, first: u32, count: usize) -> Cause {
        let known = self.known();
        Cause::Protocol {
            message: format!("{count} tokens from index {first} do not continue the {known} before"),
        }
    }
}
