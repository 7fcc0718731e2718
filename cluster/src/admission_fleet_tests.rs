//! The rules of admission over several replicas: fairness, moves, affinity, models on demand.

use std::time::Duration;

use pomona_protocol::{NodeId, ReplicaLoad, TurnId, TurnInput};

use super::*;
use crate::affinity::Prefix;

pub(super) const LIMITS: AdmissionLimits =
    AdmissionLimits { replica_turns_max: 2, queue_max: 8, wait_max: Duration::from_secs(5) };

pub(super) struct Bench {
    pub(super) admission: Admission,
    pub(super) now: Instant,
}

pub(super) fn replica(node: &str) -> ReplicaId {
    ReplicaId { node: NodeId::from(node), model: ModelId::from("m"), incarnation: 1 }
}

pub(super) fn ticket(turn: u128, attempt: u32) -> Ticket {
    Ticket { turn: TurnId(turn), attempt }
}

pub(super) fn question(turn: u128, attempt: u32) -> Ask {
    Ask::new(ticket(turn, attempt), ModelId::from("m"))
}

impl Bench {
    pub(super) fn new(nodes: &[&str]) -> Self {
        let mut bench = Self { admission: Admission::new(LIMITS), now: Instant::now() };
        for node in nodes {
            bench.up(node);
        }
        bench
    }

    /// The effects in short: `+turn@node` granted, `?turn:ahead` queued, `-turn:code` refused, `>turn:code`
    /// moved.
    pub(super) fn give(&mut self, input: Input) -> String {
        let effects = self.admission.handle(input, self.now);
        let words = effects.iter().map(|effect| match effect {
            Effect::Grant { ticket, replica, .. } => format!("+{}@{}", ticket.turn.0, replica.node),
            Effect::Queued { ticket, ahead } => format!("?{}:{ahead}", ticket.turn.0),
            Effect::Refuse { ticket, cause } => format!("-{}:{}", ticket.turn.0, cause.code()),
            Effect::Move { ticket, cause } => format!(">{}:{}", ticket.turn.0, cause.code()),
            Effect::WantModel { model } => format!("want:{model}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn up(&mut self, node: &str) -> String {
        let (load, rtt) = (ReplicaLoad::default(), Duration::ZERO);
        self.give(Input::ReplicaUp { replica: replica(node), load, rtt, is_draining: false })
    }

    pub(super) fn ask(&mut self, turn: u128) -> String {
        self.put(question(turn, 1))
    }

    pub(super) fn put(&mut self, ask: Ask) -> String {
        self.give(Input::Ask(Box::new(ask)))
    }

    pub(super) fn leave(&mut self, turn: u128) -> String {
        self.give(Input::Leave { ticket: ticket(turn, 1) })
    }
}

#[test]
fn keys_share_the_queue_however_much_one_of_them_asks() {
    let mut bench = Bench::new(&["a"]);
    bench.ask(1);
    bench.ask(2);
    for turn in 10..15 {
        bench.put(Ask { key: 1, ..question(turn, 1) });
    }
    assert_eq!(bench.put(Ask { key: 2, ..question(20, 1) }), "?20:1");
    assert_eq!(bench.put(Ask { key: 2, ..question(21, 1) }), "?21:3");
    let order: Vec<_> = [1, 2, 10, 20, 11].map(|turn| bench.leave(turn)).to_vec();
    let first: Vec<_> = order.iter().filter_map(|effects| effects.split(' ').next()).collect();
    assert_eq!(first, ["+10@a", "+20@a", "+11@a", "+21@a", "+12@a"]);
}

#[test]
fn a_key_that_comes_back_pays_for_what_it_was_just_given() {
    let mut bench = Bench::new(&["a"]);
    bench.ask(1);
    bench.ask(2);
    for turn in 10..13 {
        bench.put(Ask { key: 1, ..question(turn, 1) });
    }
    bench.put(Ask { key: 2, ..question(20, 1) });
    assert!(bench.leave(1).starts_with("+10@a"));
    assert!(bench.leave(2).starts_with("+20@a"));
    bench.put(Ask { key: 2, ..question(21, 1) });
    assert!(bench.leave(10).starts_with("+11@a"));
    assert!(bench.leave(20).starts_with("+21@a"));
}

#[test]
fn a_key_that_was_away_saves_nothing_up() {
    let mut bench = Bench::new(&["a"]);
    bench.ask(1);
    bench.ask(2);
    for turn in 10..16 {
        bench.put(Ask { key: 1, ..question(turn, 1) });
    }
    for turn in [1, 2, 10, 11] {
        bench.leave(turn);
    }
    for turn in 20..23 {
        bench.put(Ask { key: 2, ..question(turn, 1) });
    }
    let order: Vec<_> = [12, 13, 20].map(|turn| bench.leave(turn)).to_vec();
    let first: Vec<_> = order.iter().filter_map(|effects| effects.split(' ').next()).collect();
    assert_eq!(first, ["+20@a", "+14@a", "+21@a"]);
}

#[test]
fn a_turn_with_a_long_prompt_pays_more() {
    let mut bench = Bench::new(&["a"]);
    bench.ask(1);
    bench.ask(2);
    let long = Prefix::of(&TurnInput::Text("x".repeat(8000)));
    bench.put(Ask { key: 1, prefix: long, ..question(10, 1) });
    bench.put(Ask { key: 1, ..question(11, 1) });
    for turn in 20..23 {
        bench.put(Ask { key: 2, ..question(turn, 1) });
    }
    let order: Vec<_> = [1, 2, 10, 20].map(|turn| bench.leave(turn)).to_vec();
    let first: Vec<_> = order.iter().filter_map(|effects| effects.split(' ').next()).collect();
    assert_eq!(first, ["+10@a", "+20@a", "+21@a", "+22@a"]);
}

#[test]
fn a_suspect_gets_turns_only_when_nothing_else_is_up() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.give(Input::ReplicaSuspect { replica: replica("a") });
    assert_eq!(bench.ask(1), "+1@b");
    assert_eq!(bench.ask(2), "+2@b");
    assert_eq!(bench.ask(3), "?3:0");
    assert_eq!(bench.give(Input::ReplicaDown { replica: replica("b") }), "");
    assert_eq!(bench.give(Input::Tick), "+3@a");
}

#[test]
fn a_draining_replica_gets_no_turns_at_all() {
    let mut bench = Bench::new(&["a"]);
    bench.give(Input::ReplicaDraining { replica: replica("a"), on: true });
    assert_eq!(bench.ask(1), "?1:0");
    assert_eq!(bench.give(Input::ReplicaDraining { replica: replica("a"), on: false }), "+1@a");
    let mut bench = Bench::new(&[]);
    bench.give(Input::ModelWanted { model: ModelId::from("m") });
    bench.ask(1);
    let (load, rtt) = (ReplicaLoad::default(), Duration::ZERO);
    let up = Input::ReplicaUp { replica: replica("a"), load, rtt, is_draining: true };
    assert_eq!(bench.give(up), "");
}

#[test]
fn turns_at_a_suspect_move_once_somebody_else_is_up_and_not_before() {
    let mut bench = Bench::new(&["a"]);
    bench.ask(1);
    bench.ask(2);
    assert_eq!(bench.give(Input::ReplicaSuspect { replica: replica("a") }), "");
    assert_eq!(bench.up("b"), ">1:node_suspect >2:node_suspect");
    assert_eq!(bench.give(Input::Tick), "");
    bench.leave(1);
    let ask = Ask { avoid: Some(replica("a")), ..question(1, 2) };
    assert_eq!(bench.put(ask), "+1@b");
}

#[test]
fn turns_at_a_draining_replica_move_as_places_come_free() {
    let mut bench = Bench::new(&["a"]);
    for turn in 1..=2 {
        bench.ask(turn);
    }
    bench.up("b");
    bench.ask(3);
    assert_eq!(bench.give(Input::ReplicaDraining { replica: replica("a"), on: true }), ">1:node_draining");
    // The free place is kept for the one that moves; a newcomer waits.
    assert_eq!(bench.ask(4), "?4:0");
    bench.leave(1);
    assert_eq!(bench.put(question(1, 2)), "+1@b");
    assert_eq!(bench.leave(3), ">2:node_draining");
    bench.leave(2);
    assert_eq!(bench.put(question(2, 2)), "+2@b");
    assert_eq!(bench.give(Input::Leave { ticket: ticket(1, 2) }), "+4@b");
}

#[test]
fn a_place_kept_for_a_turn_that_ended_instead_is_given_to_others() {
    let mut bench = Bench::new(&["a"]);
    bench.ask(1);
    bench.up("b");
    bench.ask(2);
    bench.ask(3);
    bench.ask(9);
    bench.give(Input::ReplicaDraining { replica: replica("a"), on: true });
    for turn in [1, 2, 3, 9] {
        bench.leave(turn);
    }
    bench.ask(4);
    bench.ask(5);
    bench.now += Duration::from_secs(1);
    bench.give(Input::Tick);
    assert_eq!((bench.admission.placed(), bench.admission.queued()), (2, 0));
}

#[test]
fn a_replica_that_may_hold_the_turn_gets_it_when_it_is_up_again() {
    let mut bench = Bench::new(&["a", "b"]);
    for turn in 1..=4 {
        bench.ask(turn);
    }
    bench.give(Input::ReplicaDown { replica: replica("a") });
    let back = |turn| Ask { avoid: Some(replica("a")), prefer: Some(replica("a")), ..question(turn, 2) };
    assert_eq!(bench.ask(9), "?9:0");
    assert_eq!(bench.put(Ask { prefer: None, ..back(8) }), "?8:0");
    assert_eq!(bench.put(back(1)), "?1:1");
    assert_eq!(bench.up("a"), "+1@a +8@a ?9:0");
    let up = Bench::new(&["a", "b"]).put(Ask { avoid: None, ..back(1) });
    assert_eq!(up, "+1@a");
}

#[test]
fn a_turn_goes_where_its_conversation_was() {
    let text = "apples and pears. ".repeat(1000);
    for node in ["a", "b", "c"] {
        let mut bench = Bench::new(&["a", "b", "c"]);
        let others = ["a", "b", "c"].into_iter().filter(|other| *other != node);
        for other in others.clone() {
            bench.give(Input::ReplicaDraining { replica: replica(other), on: true });
        }
        let mut prefix = Prefix::of(&TurnInput::Text(text.clone()));
        bench.put(Ask { prefix: prefix.clone(), ..question(1, 1) });
        prefix.push_answer(&"They keep. ".repeat(200));
        bench.give(Input::Answered { ticket: ticket(1, 1), prefix: prefix.clone() });
        bench.leave(1);
        for other in others {
            bench.give(Input::ReplicaDraining { replica: replica(other), on: false });
        }
        for draw in [0, u64::MAX, 0x0000_0001_0000_0002] {
            let ask = Ask { prefix: prefix.clone(), draw, ..question(2, 1) };
            assert_eq!(bench.put(ask), format!("+2@{node}"));
            bench.leave(2);
        }
    }
}

#[test]
fn turns_placed_since_the_report_count_against_a_replica() {
    let mut bench = Bench::new(&["a", "b"]);
    for node in ["a", "b"] {
        let load = ReplicaLoad { turns_max: 100, step_ms: 20.0, ..ReplicaLoad::default() };
        bench.give(Input::ReplicaLoad { replica: replica(node), load, rtt: Duration::ZERO });
    }
    for turn in 0..40 {
        bench.put(Ask { draw: 0x1234_5678_9abc_def0 ^ (turn as u64) << 31, ..question(turn, 1) });
    }
    let at = |node| bench.admission.placed_at(&replica(node));
    assert!(at("a").abs_diff(at("b")) <= 8, "{} and {}", at("a"), at("b"));
}

#[test]
fn a_model_that_the_fleet_has_is_asked_for_once_and_the_turn_waits() {
    let mut bench = Bench::new(&[]);
    assert_eq!(bench.ask(1), "-1:model_not_found");
    bench.give(Input::Catalog { models: vec![ModelId::from("m")] });
    assert_eq!(bench.ask(1), "?1:0 want:m");
    assert_eq!(bench.ask(2), "?2:1");
    assert_eq!(bench.up("a"), "+1@a +2@a");
    bench.give(Input::ReplicaDown { replica: replica("a") });
    assert_eq!(bench.ask(3), "?3:0 want:m");
    let gone = Input::ModelGone { model: ModelId::from("m"), message: "no room".to_owned() };
    assert_eq!(bench.give(gone), "-3:model_unavailable");
    assert_eq!(bench.ask(4), "-4:model_unavailable");
    bench.now += GONE_HELD;
    assert_eq!(bench.ask(5), "?5:0 want:m");
}

#[test]
fn a_model_that_leaves_the_fleet_refuses_those_who_wait() {
    let mut bench = Bench::new(&[]);
    bench.give(Input::Catalog { models: vec![ModelId::from("m")] });
    bench.ask(1);
    assert_eq!(bench.give(Input::Catalog { models: Vec::new() }), "-1:model_unavailable");
    assert_eq!(bench.ask(2), "-2:model_not_found");
}

#[test]
fn a_failed_replica_does_not_make_a_model_gone_that_others_serve() {
    let mut bench = Bench::new(&["b"]);
    bench.give(Input::ModelGone { model: ModelId::from("m"), message: "no".to_owned() });
    assert_eq!(bench.ask(1), "+1@b");
}

#[test]
fn nobody_waits_past_its_own_deadline() {
    let mut bench = Bench::new(&["a"]);
    bench.ask(1);
    bench.ask(2);
    let deadline = Some(bench.now + Duration::from_secs(1));
    bench.put(Ask { deadline, ..question(3, 1) });
    bench.ask(4);
    bench.now += Duration::from_secs(2);
    assert_eq!(bench.give(Input::Tick), "-3:deadline_exceeded");
}

#[test]
fn retry_after_follows_the_measured_rate_within_its_bounds() {
    for (pause_ms, expected) in [(1, 1), (2000, 18), (60_000, 60)] {
        let mut bench = Bench::new(&["a"]);
        for turn in 100..110 {
            bench.ask(turn);
            bench.now += Duration::from_millis(pause_ms);
            bench.leave(turn);
        }
        let refused: Vec<_> = (0..11)
            .flat_map(|turn| bench.admission.handle(Input::Ask(Box::new(question(turn, 1))), bench.now))
            .filter_map(|effect| match effect {
                Effect::Refuse { cause: Cause::Overloaded { retry_after_s, .. }, .. } => Some(retry_after_s),
                _ => None,
            })
            .collect();
        assert!(refused[0].abs_diff(expected) <= 1, "{pause_ms} ms: {refused:?}");
    }
}

#[test]
fn the_report_says_how_many_turns_a_replica_takes() {
    let mut bench = Bench::new(&["a"]);
    let load = |turns_max| ReplicaLoad { turns_max, ..ReplicaLoad::default() };
    let report =
        |turns_max| Input::ReplicaLoad { replica: replica("a"), load: load(turns_max), rtt: Duration::ZERO };
    bench.give(report(1));
    bench.ask(1);
    assert_eq!(bench.ask(2), "?2:0");
    assert_eq!(bench.give(report(3)), "+2@a");
}

#[test]
fn a_turn_without_a_place_goes_before_one_that_only_has_to_move() {
    let mut bench = Bench::new(&["a", "b", "c"]);
    for turn in 1..=6 {
        bench.ask(turn);
    }
    bench.give(Input::ReplicaDraining { replica: replica("a"), on: true });
    bench.give(Input::ReplicaDown { replica: replica("c") });
    let free = (1..=6).find(|turn| bench.admission.place_of(ticket(*turn, 1)) == Some(&replica("b")));
    assert_eq!(bench.put(question(9, 2)), "?9:0");
    assert_eq!(bench.leave(free.expect("b had two turns")), "+9@b");
}

#[test]
fn a_turn_that_shows_tokens_waits_as_long_as_it_may_live() {
    let mut bench = Bench::new(&["a"]);
    bench.ask(1);
    bench.ask(2);
    let deadline = Some(bench.now + Duration::from_secs(60));
    bench.put(Ask { deadline, ..question(3, 2) });
    bench.now += Duration::from_secs(59);
    assert_eq!(bench.give(Input::Tick), "");
    bench.now += Duration::from_secs(2);
    assert_eq!(bench.give(Input::Tick), "-3:deadline_exceeded");
}

#[test]
fn a_report_with_absurd_numbers_harms_nobody() {
    let mut bench = Bench::new(&["a", "b"]);
    let load = ReplicaLoad {
        turns_max: u32::MAX,
        running: u32::MAX,
        waiting: u32::MAX,
        step_ms: f32::MAX,
        prefill_tokens_per_s: f32::MIN_POSITIVE,
        ..ReplicaLoad::default()
    };
    for node in ["a", "b"] {
        bench.give(Input::ReplicaLoad { replica: replica(node), load, rtt: Duration::ZERO });
    }
    for turn in 1..=9 {
        assert!(bench.put(Ask { resume_tokens: u32::MAX, ..question(turn, 1) }).starts_with('+'));
    }
    bench.give(Input::ReplicaDraining { replica: replica("a"), on: true });
}
