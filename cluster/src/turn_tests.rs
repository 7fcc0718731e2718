//! The contract of the turn: tables for each rule, random histories for all of them together.

use pomona_protocol::{ModelId, NodeId};
use proptest::prelude::*;

use super::*;

const LIMITS: TurnLimits = TurnLimits {
    attempts_max: 4,
    total_max: Duration::from_secs(60),
    backoff_base: Duration::from_millis(20),
    backoff_max: Duration::from_millis(30),
};

fn replica(incarnation: u64) -> ReplicaId {
    ReplicaId { node: NodeId::from("n"), model: ModelId::from("m"), incarnation }
}

fn lost() -> Cause {
    Cause::EngineLost { message: "gone".to_owned() }
}

fn placed(attempt: u32) -> Input {
    Input::Placed { attempt, replica: replica(u64::from(attempt)) }
}

fn ended(attempt: u32, shown: u32, outcome: Outcome) -> Input {
    Input::AttemptEnded { attempt, shown, outcome }
}

fn words(effects: Vec<Effect>) -> String {
    let words = effects.into_iter().map(|effect| match effect {
        Effect::Ask { attempt, avoid } => {
            format!("ask {attempt}{}", if avoid.is_some() { " elsewhere" } else { "" })
        }
        Effect::Leave { attempt } => format!("leave {attempt}"),
        Effect::Run { attempt, .. } => format!("run {attempt}"),
        Effect::Stop => "stop".to_owned(),
        Effect::Pause { attempt, pause } => format!("pause {}ms {attempt}", pause.as_millis()),
        Effect::NoteRetry { cause, shown } => format!("note {} {shown}", cause.code()),
        Effect::End(End::Finished) => "end finished".to_owned(),
        Effect::End(End::Cancelled) => "end cancelled".to_owned(),
        Effect::End(End::Failed(cause)) => format!("end {}", cause.code()),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Plays inputs and compares what the machine says to each.
fn check(script: Vec<(Input, &str)>) {
    let now = Instant::now();
    let (mut turn, first) = Turn::start(LIMITS, now);
    assert_eq!(words(first), "ask 1");
    for (input, expected) in script {
        let shown = format!("{input:?}");
        assert_eq!(words(turn.handle(input, now)), expected, "{shown}");
    }
}

#[test]
fn an_undisturbed_turn_asks_runs_and_ends() {
    check(vec![(placed(1), "run 1"), (ended(1, 9, Outcome::Finished), "leave 1, end finished")]);
}

#[test]
fn a_lost_replica_is_replaced_at_once() {
    check(vec![
        (placed(1), "run 1"),
        (ended(1, 5, Outcome::Failed(lost())), "leave 1, note engine_lost 5, ask 2 elsewhere"),
        (placed(2), "run 2"),
        (ended(2, 9, Outcome::Finished), "leave 2, end finished"),
    ]);
}

#[test]
fn losses_without_a_new_token_pause_longer_and_end_in_a_named_failure() {
    check(vec![
        (placed(1), "run 1"),
        (ended(1, 0, Outcome::Failed(lost())), "leave 1, note engine_lost 0, ask 2 elsewhere"),
        (placed(2), "run 2"),
        (ended(2, 0, Outcome::Failed(lost())), "leave 2, note engine_lost 0, pause 20ms 3"),
        (Input::PauseOver { attempt: 3 }, "ask 3"),
        (placed(3), "run 3"),
        (ended(3, 0, Outcome::Failed(lost())), "leave 3, note engine_lost 0, pause 30ms 4"),
        (Input::PauseOver { attempt: 4 }, "ask 4"),
        (placed(4), "run 4"),
        (ended(4, 0, Outcome::Failed(lost())), "leave 4, end attempts_exhausted"),
    ]);
}

#[test]
fn a_cause_that_no_retry_can_help_ends_the_turn() {
    let cause = Cause::ContextExceeded { prompt_tokens: 9, context_tokens: 8 };
    check(vec![
        (placed(1), "run 1"),
        (ended(1, 0, Outcome::Failed(cause)), "leave 1, end context_length_exceeded"),
    ]);
}

#[test]
fn a_cancel_waits_for_the_attempt_to_hand_back_what_was_shown() {
    check(vec![
        (placed(1), "run 1"),
        (Input::Cancel, "stop"),
        (Input::Cancel, ""),
        (ended(1, 3, Outcome::Stopped), "leave 1, end cancelled"),
        (Input::Cancel, ""),
    ]);
}

#[test]
fn an_answer_that_finished_before_its_cancel_is_finished() {
    check(vec![
        (placed(1), "run 1"),
        (Input::Cancel, "stop"),
        (ended(1, 3, Outcome::Finished), "leave 1, end finished"),
    ]);
}

#[test]
fn a_cancel_in_the_queue_gives_the_place_back() {
    check(vec![(Input::Cancel, "leave 1, end cancelled"), (placed(1), "")]);
}

#[test]
fn an_older_attempt_is_not_heard() {
    check(vec![
        (placed(1), "run 1"),
        (ended(1, 5, Outcome::Failed(lost())), "leave 1, note engine_lost 5, ask 2 elsewhere"),
        (placed(1), ""),
        (ended(1, 9, Outcome::Finished), ""),
        (Input::Refused { attempt: 1, cause: Cause::ShuttingDown }, ""),
    ]);
}

#[test]
fn a_turn_that_runs_out_of_time_ends_so() {
    let start = Instant::now();
    let (mut turn, _) = Turn::start(LIMITS, start);
    turn.handle(placed(1), start);
    assert_eq!(words(turn.handle(Input::Tick, start + Duration::from_secs(59))), "");
    let late = start + Duration::from_secs(60);
    assert_eq!(words(turn.handle(Input::Tick, late)), "stop");
    assert_eq!(words(turn.handle(ended(1, 2, Outcome::Stopped), late)), "leave 1, end deadline_exceeded");
}

proptest! {
    /// A shell that answers every effect, with faults drawn at random: however it goes, the turn ends once, runs
    /// one attempt at a time, and leaves every place that it was given.
    #[test]
    fn every_history_ends_exactly_once(faults in prop::collection::vec(0u8..8, 0..60)) {
        let now = Instant::now();
        let (mut turn, mut todo) = Turn::start(LIMITS, now);
        let mut faults = faults.into_iter();
        let (mut shown, mut ends, mut running, mut held) = (0u32, 0, None::<u32>, 0i32);
        for _ in 0..500 {
            let Some(effect) = (!todo.is_empty()).then(|| todo.remove(0)) else { break };
            let fault = faults.next().unwrap_or(7);
            let answer = match effect {
                Effect::Ask { attempt, .. } if fault == 0 => Some(Input::Refused { attempt, cause: Cause::ShuttingDown }),
                Effect::Ask { attempt, .. } => { held += 1; Some(placed(attempt)) }
                Effect::Leave { .. } => { held -= 1; None }
                Effect::Run { attempt, .. } => {
                    prop_assert_eq!(running.replace(attempt), None);
                    match fault {
                        1 => Some(Input::Cancel),
                        2..=4 => { running = None; shown += u32::from(fault) - 2; Some(ended(attempt, shown, Outcome::Failed(lost()))) }
                        5 => { running = None; Some(ended(attempt, shown, Outcome::Failed(Cause::Cancelled))) }
                        _ => { running = None; shown += 3; Some(ended(attempt, shown, Outcome::Finished)) }
                    }
                }
                Effect::Stop => {
                    let attempt = running.take();
                    prop_assert!(attempt.is_some());
                    attempt.map(|attempt| ended(attempt, shown, Outcome::Stopped))
                }
                Effect::Pause { attempt, .. } if fault == 1 => { todo.extend(turn.handle(Input::Cancel, now)); Some(Input::PauseOver { attempt }) }
                Effect::Pause { attempt, .. } => Some(Input::PauseOver { attempt }),
                Effect::NoteRetry { .. } => None,
                Effect::End(_) => { ends += 1; None }
            };
            if let Some(input) = answer {
                todo.extend(turn.handle(input, now));
            }
        }
        prop_assert_eq!(ends, 1);
        prop_assert_eq!(running, None);
        prop_assert!(held <= 0, "a place was kept");
    }
}
