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

fn moved(attempt: u32, cause: Cause) -> Input {
    Input::Move { attempt, cause }
}

fn suspect() -> Cause {
    Cause::NodeSuspect { node: "n".to_owned() }
}

fn draining() -> Cause {
    Cause::NodeDraining { node: "n".to_owned() }
}

fn words(effects: Vec<Effect>) -> String {
    let words = effects.into_iter().map(|effect| match effect {
        Effect::Ask { attempt, avoid, prefer } => {
            let avoid = if avoid.is_some() { " elsewhere" } else { "" };
            format!("ask {attempt}{avoid}{}", if prefer.is_some() { " or back" } else { "" })
        }
        Effect::Leave { attempt } => format!("leave {attempt}"),
        Effect::Run { attempt, .. } => format!("run {attempt}"),
        Effect::Stop => "stop".to_owned(),
        Effect::Pause { attempt, pause } => format!("pause {}ms {attempt}", pause.as_millis()),
        Effect::NoteRetry { cause, shown, .. } => format!("note {} {shown}", cause.code()),
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

#[test]
fn a_turn_that_is_told_to_move_stops_and_asks_elsewhere() {
    check(vec![
        (placed(1), "run 1"),
        (moved(1, suspect()), "stop"),
        (moved(1, suspect()), ""),
        (ended(1, 5, Outcome::Stopped), "leave 1, note node_suspect 5, ask 2 elsewhere"),
        (placed(2), "run 2"),
        (moved(1, suspect()), ""),
        (ended(2, 9, Outcome::Finished), "leave 2, end finished"),
    ]);
}

#[test]
fn a_move_is_not_heard_unless_an_attempt_runs() {
    check(vec![
        (moved(1, suspect()), ""),
        (placed(1), "run 1"),
        (Input::Cancel, "stop"),
        (moved(1, suspect()), ""),
        (ended(1, 5, Outcome::Stopped), "leave 1, end cancelled"),
        (moved(1, suspect()), ""),
    ]);
}

#[test]
fn an_answer_that_ends_before_it_moves_has_ended() {
    let failed = Outcome::Failed(Cause::KvExhausted { needed: 2, total: 1 });
    for (outcome, end) in [(Outcome::Finished, "end finished"), (failed, "end kv_exhausted")] {
        check(vec![
            (placed(1), "run 1"),
            (moved(1, draining()), "stop"),
            (ended(1, 5, outcome), &format!("leave 1, {end}")),
        ]);
    }
}

#[test]
fn a_cancel_or_the_deadline_ends_a_turn_that_moves() {
    check(vec![
        (placed(1), "run 1"),
        (moved(1, draining()), "stop"),
        (Input::Cancel, ""),
        (ended(1, 5, Outcome::Stopped), "leave 1, end cancelled"),
    ]);
    let start = Instant::now();
    let (mut turn, _) = Turn::start(LIMITS, start);
    turn.handle(placed(1), start);
    turn.handle(moved(1, draining()), start);
    let late = start + Duration::from_secs(60);
    assert_eq!(words(turn.handle(Input::Tick, late)), "");
    assert_eq!(words(turn.handle(ended(1, 2, Outcome::Stopped), late)), "leave 1, end deadline_exceeded");
}

#[test]
fn drains_never_use_up_the_attempts_and_suspicions_do() {
    let now = Instant::now();
    for (cause, survives) in [(draining(), true), (suspect(), false)] {
        let (mut turn, _) = Turn::start(LIMITS, now);
        let mut last = String::new();
        for _ in 0..20 {
            let attempt = turn.attempt();
            if turn.phase() == "waiting for a retry" {
                turn.handle(Input::PauseOver { attempt }, now);
            }
            turn.handle(placed(attempt), now);
            turn.handle(moved(attempt, cause.clone()), now);
            last = words(turn.handle(ended(attempt, 0, Outcome::Stopped), now));
            if last.contains("end") {
                break;
            }
        }
        assert_eq!(last.contains("ask 21 elsewhere"), survives, "{last}");
        assert_eq!(last.contains("end attempts_exhausted"), !survives, "{last}");
    }
}

#[test]
fn four_silences_weigh_as_much_as_one_loss_and_a_token_forgives_all() {
    let now = Instant::now();
    let (mut turn, _) = Turn::start(LIMITS, now);
    let mut lose = |silent: bool, shown: u32| {
        let attempt = turn.attempt();
        if turn.phase() == "waiting for a retry" {
            turn.handle(Input::PauseOver { attempt }, now);
        }
        turn.handle(placed(attempt), now);
        if silent {
            turn.handle(moved(attempt, suspect()), now);
            return words(turn.handle(ended(attempt, shown, Outcome::Stopped), now)).contains("end");
        }
        words(turn.handle(ended(attempt, shown, Outcome::Failed(lost())), now)).contains("end")
    };
    assert!((0..15).all(|_| !lose(true, 0)), "fifteen silences are not enough");
    assert!(!lose(true, 1), "a token was shown: the count begins anew");
    assert!((0..3).all(|_| !lose(false, 1)) && (0..3).all(|_| !lose(true, 1)));
    assert!(lose(true, 1), "three losses and four silences");
}

#[test]
fn a_node_that_refuses_because_it_drains_is_not_asked_for_ever() {
    let now = Instant::now();
    let (mut turn, _) = Turn::start(LIMITS, now);
    for attempt in 1..=4 {
        turn.handle(Input::PauseOver { attempt }, now);
        turn.handle(placed(attempt), now);
        turn.handle(ended(attempt, 0, Outcome::Failed(draining())), now);
    }
    assert_eq!(turn.phase(), "ended");
}

#[test]
fn a_turn_whose_link_was_lost_may_go_back_to_its_replica() {
    let link_lost = || Cause::LinkLost { node: "n".to_owned(), message: "cut".to_owned() };
    check(vec![
        (placed(1), "run 1"),
        (ended(1, 0, Outcome::Failed(link_lost())), "leave 1, note link_lost 0, ask 2 elsewhere or back"),
        (placed(2), "run 2"),
        (ended(2, 0, Outcome::Failed(link_lost())), "leave 2, note link_lost 0, pause 20ms 3"),
        (Input::PauseOver { attempt: 3 }, "ask 3 or back"),
        (placed(3), "run 3"),
        (ended(3, 1, Outcome::Failed(lost())), "leave 3, note engine_lost 1, ask 4 elsewhere"),
    ]);
}

#[test]
fn a_loss_is_dated_to_when_it_was_noticed() {
    let start = Instant::now();
    let later = start + Duration::from_millis(300);
    let lost_at = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::NoteRetry { lost_at, .. } => Some(lost_at),
            _ => None,
        })
    };
    let (mut turn, _) = Turn::start(LIMITS, start);
    turn.handle(placed(1), start);
    turn.handle(moved(1, suspect()), start);
    assert_eq!(lost_at(turn.handle(ended(1, 5, Outcome::Stopped), later)), Some(start));
    turn.handle(placed(2), later);
    assert_eq!(lost_at(turn.handle(ended(2, 6, Outcome::Failed(lost())), later)), Some(later));
}

proptest! {
    /// A shell that answers every effect, with faults drawn at random: however it goes, the turn ends once, runs
    /// one attempt at a time, and leaves every place that it was given.
    #[test]
    fn every_history_ends_exactly_once(faults in prop::collection::vec(0u8..10, 0..60)) {
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
                        8 => Some(moved(attempt, draining())),
                        9 => Some(moved(attempt, suspect())),
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
