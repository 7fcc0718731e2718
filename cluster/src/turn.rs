//! The turn that survives: what a turn does next, from its birth to its one terminal event.
//!
//! The Turn actor wraps this machine. Tokens do not pass through it: the attempt that runs checks them against
//! the [`crate::ledger::Ledger`] and hands that back when it ends. The contract, which the tests hold:
//! - each turn ends with exactly one `Effect::End`;
//! - at most one attempt runs at a time, so nothing but the newest can show anything;
//! - a retryable loss leads to another attempt until `attempts_max` tries in a row showed no new token, or the
//!   time is up; a loss that showed nothing new is retried at once the first time, then after growing pauses;
//! - a move that admission asks for is such a loss, except that leaving a draining node costs no try.

use std::time::{Duration, Instant};

use pomona_protocol::{Cause, ReplicaId};

/// What a lost engine, node or link weighs against a turn that showed nothing there.
const BLAME_OF_LOSS: u32 = 4;
/// What a machine weighs that fell silent: it may be overrun or asleep, which is seldom the turn's doing. With as much as a
/// loss, eight suspicions of a starved fleet would end turns that nothing is wrong with.
const BLAME_OF_SILENCE: u32 = 1;

/// Limits of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnLimits {
    /// Tries in a row without a new token; four that a machine's silence ended count as one.
    pub attempts_max: u32,
    /// Time in all.
    pub total_max: Duration,
    /// Pause before the second retry in a row, doubled for each further one.
    pub backoff_base: Duration,
    /// Longest pause.
    pub backoff_max: Duration,
}

/// What can happen to a turn. Inputs of an attempt that is not the newest are ignored.
#[derive(Clone, Debug)]
pub enum Input {
    /// The router granted a place.
    Placed {
        /// For which attempt.
        attempt: u32,
        /// Where.
        replica: ReplicaId,
    },
    /// The router refused.
    Refused {
        /// For which attempt.
        attempt: u32,
        /// Why.
        cause: Cause,
    },
    /// The attempt's stream reached its end.
    AttemptEnded {
        /// Which.
        attempt: u32,
        /// Tokens of the answer shown so far, over all attempts.
        shown: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// The running attempt should give up its place for another one. Ignored unless an attempt runs.
    Move {
        /// Which attempt.
        attempt: u32,
        /// Why; retryable. A drain ([`Cause::NodeDraining`]) does not count against the attempts.
        cause: Cause,
    },
    /// A pause is over.
    PauseOver {
        /// Before which attempt.
        attempt: u32,
    },
    /// Somebody cancelled, or nobody listens any more.
    Cancel,
    /// Time has passed.
    Tick,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The engine finished the answer; the terminal event is kept by the shell.
    Finished,
    /// The engine or the stream failed.
    Failed(Cause),
    /// It was told to stop.
    Stopped,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the router for a place.
    Ask {
        /// For this attempt.
        attempt: u32,
        /// The replica that failed last.
        avoid: Option<ReplicaId>,
        /// The replica whose link was lost last: it may hold the turn still.
        prefer: Option<ReplicaId>,
    },
    /// Tell the router that this attempt's place or queue entry is free.
    Leave {
        /// Which attempt's.
        attempt: u32,
    },
    /// Open a stream to the replica and pump it.
    Run {
        /// As this attempt.
        attempt: u32,
        /// There.
        replica: ReplicaId,
    },
    /// Tell the running attempt to stop; it answers with `AttemptEnded`.
    Stop,
    /// Say `PauseOver` after this time.
    Pause {
        /// Before this attempt.
        attempt: u32,
        /// How long.
        pause: Duration,
    },
    /// Note for the metrics: the turn goes on after a loss.
    NoteRetry {
        /// What was lost.
        cause: Cause,
        /// Tokens shown so far.
        shown: u32,
        /// When the loss was noticed. The shell notes the time from here to the next token as the gap.
        lost_at: Instant,
    },
    /// The end: send the terminal event and stop.
    End(End),
}

/// Which terminal event a turn gets.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The engine's own `Finished`.
    Finished,
    /// `Finished` with reason `cancelled`.
    Cancelled,
    /// `Failed` with this cause.
    Failed(Cause),
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Placing,
    Running {
        replica: ReplicaId,
    },
    /// Waits for the running attempt to stop, and goes on elsewhere.
    Moving {
        replica: ReplicaId,
        cause: Cause,
        since: Instant,
    },
    Pausing,
    /// Waits for the running attempt to hand the ledger back.
    Stopping {
        end: End,
    },
    Ended,
}

/// When an attempt was lost, and whether that was a planned move.
struct Loss {
    at: Instant,
    is_drain: bool,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Turn {
    limits: TurnLimits,
    born: Instant,
    attempt: u32,
    /// Attempts in a row that showed nothing new; the pause before the next one follows from it.
    fruitless: u32,
    /// What they weigh against the turn.
    blame: u32,
    shown: u32,
    /// The replica whose link was lost last, and which may hold the turn.
    held_at: Option<ReplicaId>,
    state: State,
}

impl Turn {
    /// A turn that was accepted at `now`, and what it does first.
    pub fn start(limits: TurnLimits, now: Instant) -> (Self, Vec<Effect>) {
        let turn = Self {
            limits,
            born: now,
            attempt: 1,
            fruitless: 0,
            blame: 0,
            shown: 0,
            held_at: None,
            state: State::Placing,
        };
        (turn, vec![Effect::Ask { attempt: 1, avoid: None, prefer: None }])
    }

    /// The newest attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When the turn must be over.
    pub fn deadline(&self) -> Instant {
        self.born + self.limits.total_max
    }

    /// What it is doing, in a word.
    pub fn phase(&self) -> &'static str {
        match self.state {
            State::Placing => "queued",
            State::Running { .. } if self.shown == 0 => "prefilling",
            State::Running { .. } => "generating",
            State::Moving { .. } => "moving",
            State::Pausing => "waiting for a retry",
            State::Stopping { .. } => "stopping",
            State::Ended => "ended",
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match (&self.state, input) {
            (State::Ended, _) => Vec::new(),
            (State::Placing, Input::Placed { attempt, replica }) if attempt == self.attempt => {
                self.state = State::Running { replica: replica.clone() };
                vec![Effect::Run { attempt, replica }]
            }
            (State::Placing, Input::Refused { attempt, cause }) if attempt == self.attempt => {
                self.end(End::Failed(cause))
            }
            (State::Running { replica }, Input::AttemptEnded { attempt, shown, outcome })
                if attempt == self.attempt =>
            {
                let replica = replica.clone();
                let mut effects = vec![Effect::Leave { attempt }];
                effects.extend(self.after_attempt(
                    replica,
                    shown,
                    outcome,
                    Loss { at: now, is_drain: false },
                    now,
                ));
                effects
            }
            (State::Running { replica }, Input::Move { attempt, cause }) if attempt == self.attempt => {
                self.state = State::Moving { replica: replica.clone(), cause, since: now };
                vec![Effect::Stop]
            }
            (State::Moving { replica, cause, since }, Input::AttemptEnded { attempt, shown, outcome })
                if attempt == self.attempt =>
            {
                let replica = replica.clone();
                // A node that refuses because it drains counts like any other failure, or asking it again and
                // again would never end; only a move that admission asked for is free.
                let loss = Loss { at: *since, is_drain: matches!(cause, Cause::NodeDraining { .. }) };
                let outcome =
                    if outcome == Outcome::Stopped { Outcome::Failed(cause.clone()) } else { outcome };
                let mut effects = vec![Effect::Leave { attempt }];
                effects.extend(self.after_attempt(replica, shown, outcome, loss, now));
                effects
            }
            (State::Stopping { end }, Input::AttemptEnded { attempt, shown, outcome })
                if attempt == self.attempt =>
            {
                self.shown = shown;
                let end = if outcome == Outcome::Finished { End::Finished } else { end.clone() };
                let mut effects = vec![Effect::Leave { attempt }];
                effects.extend(self.end(end));
                effects
            }
            (State::Pausing, Input::PauseOver { attempt }) if attempt == self.attempt => {
                self.state = State::Placing;
                vec![Effect::Ask { attempt, avoid: None, prefer: self.held_at.clone() }]
            }
            (_, Input::Cancel) => self.stop(End::Cancelled),
            (_, Input::Tick) if now >= self.deadline() => self.stop(End::Failed(self.out_of_time())),
            (
                State::Placing
                | State::Running { .. }
                | State::Moving { .. }
                | State::Pausing
                | State::Stopping { .. },
                Input::Placed { .. }
                | Input::Refused { .. }
                | Input::AttemptEnded { .. }
                | Input::Move { .. }
                | Input::PauseOver { .. }
                | Input::Tick,
            ) => Vec::new(),
        }
    }

    fn after_attempt(
        &mut self,
        replica: ReplicaId,
        shown: u32,
        outcome: Outcome,
        loss: Loss,
        now: Instant,
    ) -> Vec<Effect> {
        let fruitful = shown > self.shown;
        self.shown = shown;
        let cause = match outcome {
            Outcome::Finished => return self.end(End::Finished),
            Outcome::Stopped => return self.end(End::Cancelled),
            Outcome::Failed(cause) if !cause.is_retryable() => return self.end(End::Failed(cause)),
            Outcome::Failed(cause) => cause,
        };
        if fruitful {
            (self.fruitless, self.blame) = (0, 0);
        } else if !loss.is_drain {
            self.fruitless += 1;
            self.blame +=
                if matches!(cause, Cause::NodeSuspect { .. }) { BLAME_OF_SILENCE } else { BLAME_OF_LOSS };
        }
        self.held_at = matches!(cause, Cause::LinkLost { .. }).then(|| replica.clone());
        if now >= self.deadline() {
            return self.end(End::Failed(self.out_of_time()));
        }
        if self.blame >= self.limits.attempts_max.saturating_mul(BLAME_OF_LOSS) {
            let cause = Cause::AttemptsExhausted { attempts: self.attempt, last: Box::new(cause) };
            return self.end(End::Failed(cause));
        }
        self.attempt += 1;
        let note = Effect::NoteRetry { cause, shown, lost_at: loss.at };
        let pause = if loss.is_drain { Duration::ZERO } else { self.pause() };
        if pause.is_zero() {
            self.state = State::Placing;
            let prefer = self.held_at.clone();
            return vec![note, Effect::Ask { attempt: self.attempt, avoid: Some(replica), prefer }];
        }
        self.state = State::Pausing;
        vec![note, Effect::Pause { attempt: self.attempt, pause }]
    }

    /// None for the first loss in a row, then `backoff_base` doubled up to `backoff_max`.
    fn pause(&self) -> Duration {
        match self.fruitless.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => {
                self.limits.backoff_base.saturating_mul(1 << doublings.min(20)).min(self.limits.backoff_max)
            }
        }
    }

    fn stop(&mut self, end: End) -> Vec<Effect> {
        match self.state {
            State::Running { .. } => {
                self.state = State::Stopping { end };
                vec![Effect::Stop]
            }
            // It was told to stop already.
            State::Moving { .. } => {
                self.state = State::Stopping { end };
                Vec::new()
            }
            State::Placing => {
                let mut effects = vec![Effect::Leave { attempt: self.attempt }];
                effects.extend(self.end(end));
                effects
            }
            State::Pausing => self.end(end),
            State::Stopping { .. } | State::Ended => Vec::new(),
        }
    }

    fn end(&mut self, end: End) -> Vec<Effect> {
        self.state = State::Ended;
        vec![Effect::End(end)]
    }

    fn out_of_time(&self) -> Cause {
        Cause::DeadlineExceeded {
            limit_ms: self.limits.total_max.as_millis() as u64,
            phase: self.phase().to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
