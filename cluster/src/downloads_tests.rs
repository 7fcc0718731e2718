//! Downloads that run, wait, stop, go on and are forgotten.

use super::*;

const LIMITS: DownloadLimits = DownloadLimits { running_max: 2, waiting_max: 3, ended_max: 2 };

fn machine() -> Downloads {
    Downloads::new(LIMITS, NodeId::from("n-1"), "desk".to_owned(), Vec::new())
}

fn wanted(repo: &str) -> Wanted {
    let (revision, by) = ("main".to_owned(), "key_1".to_owned());
    Wanted { repo: repo.to_owned(), revision, file: None, model: None, by }
}

fn ask(machine: &mut Downloads, number: u64) -> Vec<Effect> {
    let (_, is_new, effects) =
        machine.ask(DownloadId(number), wanted(&format!("a/{number}")), number).unwrap();
    assert!(is_new);
    effects
}

fn state(machine: &Downloads, number: u64) -> DownloadState {
    machine.list().into_iter().find(|told| told.id.0 == number).unwrap().state
}

fn failed() -> Heard {
    Heard::Failed(DownloadError { code: "hub_denied".to_owned(), message: "no".to_owned() })
}

#[test]
fn two_run_and_the_others_wait_for_their_turn() {
    let mut machine = machine();
    for number in 1..=3 {
        let started = ask(&mut machine, number).contains(&Effect::Start(DownloadId(number)));
        assert_eq!(started, number <= 2);
    }
    let effects = machine.heard(DownloadId(1), Heard::Done { model: "m".to_owned(), bytes: 9 }, 10);
    assert!(effects.contains(&Effect::Start(DownloadId(3))) && effects.contains(&Effect::Keep));
    assert_eq!(state(&machine, 1), DownloadState::Done);
    assert_eq!(state(&machine, 3), DownloadState::Running);
}

#[test]
fn the_same_again_is_the_same_download_until_it_is_over() {
    let mut machine = machine();
    ask(&mut machine, 1);
    let (told, is_new, effects) = machine.ask(DownloadId(2), wanted("a/1"), 5).unwrap();
    assert_eq!((told.id.0, is_new, effects.len()), (1, false, 0));
    machine.heard(DownloadId(1), failed(), 6);
    let (told, is_new, _) = machine.ask(DownloadId(2), wanted("a/1"), 7).unwrap();
    assert_eq!((told.id.0, is_new), (2, true));
}

#[test]
fn more_than_may_wait_are_refused() {
    let mut machine = machine();
    (1..=5).for_each(|number| drop(ask(&mut machine, number)));
    let refused = machine.ask(DownloadId(6), wanted("a/6"), 6).unwrap_err();
    assert_eq!(refused, Refused::TooMany { waiting_max: 3 });
}

#[test]
fn one_that_was_paused_makes_room_and_goes_on_where_it_was() {
    let mut machine = machine();
    (1..=3).for_each(|number| drop(ask(&mut machine, number)));
    let selected = Heard::Selected {
        model: "m".to_owned(),
        commit: "c".to_owned(),
        files: 2,
        bytes_total: 100,
        bytes_done: 10,
    };
    machine.heard(DownloadId(1), selected, 10);
    let (told, effects) = machine.pause(DownloadId(1), 20).unwrap();
    assert_eq!((told.state, told.bytes_done), (DownloadState::Paused, 10));
    assert!(
        effects.contains(&Effect::Stop(DownloadId(1))) && effects.contains(&Effect::Start(DownloadId(3)))
    );
    // What it still says is too late.
    assert!(machine.heard(DownloadId(1), Heard::Progress { bytes_done: 50 }, 21).is_empty());
    assert!(machine.pause(DownloadId(1), 22).unwrap().1.is_empty(), "twice is once");
    let (told, effects) = machine.resume(DownloadId(1), 30).unwrap();
    assert_eq!(told.state, DownloadState::Waiting, "two others run");
    assert!(!effects.contains(&Effect::Start(DownloadId(1))));
}

#[test]
fn a_failed_one_can_be_tried_again_and_a_finished_one_not() {
    let mut machine = machine();
    ask(&mut machine, 1);
    machine.heard(DownloadId(1), failed(), 2);
    assert_eq!(machine.pause(DownloadId(1), 3).unwrap_err(), Refused::Ended);
    let (told, _) = machine.resume(DownloadId(1), 4).unwrap();
    assert_eq!((told.state, told.error), (DownloadState::Running, None));
    machine.heard(DownloadId(1), Heard::Done { model: "m".to_owned(), bytes: 1 }, 5);
    assert_eq!(machine.resume(DownloadId(1), 6).unwrap_err(), Refused::Ended);
    assert_eq!(machine.resume(DownloadId(9), 6).unwrap_err(), Refused::Unknown);
}

#[test]
fn what_is_removed_leaves_nothing_but_a_model() {
    let mut machine = machine();
    ask(&mut machine, 1);
    let effects = machine.remove(DownloadId(1), 2).unwrap();
    let (stop, sweep) = (Effect::Stop(DownloadId(1)), Effect::Sweep(DownloadId(1)));
    assert_eq!(effects, [stop, sweep.clone(), Effect::Gone(DownloadId(1)), Effect::Keep]);
    ask(&mut machine, 2);
    machine.heard(DownloadId(2), Heard::Done { model: "m".to_owned(), bytes: 1 }, 3);
    assert!(!machine.remove(DownloadId(2), 4).unwrap().contains(&Effect::Sweep(DownloadId(2))));
    assert!(machine.list().is_empty());
}

#[test]
fn speed_and_time_left_follow_the_last_seconds() {
    let mut machine = machine();
    ask(&mut machine, 1);
    let id = DownloadId(1);
    let selected = Heard::Selected {
        model: "m".to_owned(),
        commit: "c".to_owned(),
        files: 1,
        bytes_total: 10_000,
        bytes_done: 0,
    };
    machine.heard(id, selected, 1_000);
    for second in 1..=10u64 {
        machine.heard(id, Heard::Progress { bytes_done: second * 500 }, 1_000 + second * 1_000);
    }
    let told = &machine.list()[0];
    assert_eq!((told.bytes_per_s, told.eta_s), (500.0, Some(10)));
    let retry = DownloadRetry { what: "f".to_owned(), message: "reset".to_owned(), at_unix_ms: 20_000 };
    machine.heard(id, Heard::Retry(retry), 12_000);
    let told = &machine.list()[0];
    assert_eq!((told.bytes_per_s, told.eta_s, told.retry.is_some()), (0.0, None, true));
}

#[test]
fn a_restart_goes_on_with_what_ran_and_leaves_what_stood_still() {
    let mut before = machine();
    (1..=3).for_each(|number| drop(ask(&mut before, number)));
    before.pause(DownloadId(2), 9).unwrap();
    let mut machine = Downloads::new(LIMITS, NodeId::from("n-1"), "desk".to_owned(), before.list());
    let effects = machine.begin(10);
    assert!(
        effects.contains(&Effect::Start(DownloadId(1))) && effects.contains(&Effect::Start(DownloadId(3)))
    );
    assert_eq!(state(&machine, 2), DownloadState::Paused);
}

#[test]
fn of_those_that_are_over_the_newest_are_remembered() {
    let mut machine = machine();
    for number in 1..=4 {
        ask(&mut machine, number);
        machine.heard(DownloadId(number), failed(), number);
    }
    let left: Vec<u64> = machine.list().iter().map(|told| told.id.0).collect();
    assert_eq!(left, [4, 3]);
}
