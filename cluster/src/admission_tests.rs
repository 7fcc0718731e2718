//! The rules of admission, and random loads against its invariants.

use pomona_protocol::{NodeId, ReplicaLoad, TurnId};
use proptest::prelude::*;

use std::time::Duration;

use super::*;

const LIMITS: AdmissionLimits =
    AdmissionLimits { replica_turns_max: 2, queue_max: 2, wait_max: Duration::from_secs(5) };

fn ticket(turn: u128) -> Ticket {
    Ticket { turn: TurnId(turn), attempt: 1 }
}

fn replica(incarnation: u64) -> ReplicaId {
    ReplicaId { node: NodeId::from("n"), model: ModelId::from("m"), incarnation }
}

fn up(replica: ReplicaId) -> Input {
    Input::ReplicaUp { replica, load: ReplicaLoad::default(), rtt: Duration::ZERO, is_draining: false }
}

fn ask(turn: u128) -> Input {
    Input::Ask(Box::new(Ask::new(ticket(turn), ModelId::from("m"))))
}

struct Bench {
    admission: Admission,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self { admission: Admission::new(LIMITS), now: Instant::now() };
        bench.give(Input::ModelWanted { model: ModelId::from("m") });
        bench
    }

    /// The effects in short: `+turn` granted, `?turn:ahead` queued, `-turn:code` refused.
    fn give(&mut self, input: Input) -> String {
        let effects = self.admission.handle(input, self.now);
        let words = effects.iter().map(|effect| match effect {
            Effect::Grant { ticket, .. } => format!("+{}", ticket.turn.0),
            Effect::Queued { ticket, ahead } => format!("?{}:{ahead}", ticket.turn.0),
            Effect::Refuse { ticket, cause } => format!("-{}:{}", ticket.turn.0, cause.code()),
            Effect::Move { ticket, cause } => format!(">{}:{}", ticket.turn.0, cause.code()),
            Effect::WantModel { model } => format!("want:{model}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn turns_are_placed_then_queued_then_refused() {
    let mut bench = Bench::new();
    bench.give(up(replica(1)));
    let answers: Vec<_> = (1..=5).map(|turn| bench.give(ask(turn))).collect();
    assert_eq!(answers, ["+1", "+2", "?3:0", "?4:1", "-5:overloaded"]);
    assert_eq!(bench.give(Input::Leave { ticket: ticket(1) }), "+3 ?4:0");
    assert_eq!(bench.give(Input::Leave { ticket: ticket(4) }), "");
    assert_eq!((bench.admission.placed(), bench.admission.queued()), (2, 0));
}

#[test]
fn a_turn_waits_for_a_model_that_is_still_loading() {
    let mut bench = Bench::new();
    assert_eq!(bench.give(ask(1)), "?1:0");
    assert_eq!(bench.give(up(replica(1))), "+1");
}

#[test]
fn a_model_that_is_gone_refuses_those_who_wait_and_those_who_come() {
    let mut bench = Bench::new();
    bench.give(ask(1));
    let gone = Input::ModelGone { model: ModelId::from("m"), message: "no".to_owned() };
    assert_eq!(bench.give(gone), "-1:model_unavailable");
    assert_eq!(bench.give(ask(2)), "-2:model_unavailable");
}

#[test]
fn an_unknown_model_is_refused_with_the_known_ones() {
    let mut bench = Bench::new();
    let input = Input::Ask(Box::new(Ask::new(ticket(1), ModelId::from("x"))));
    let effects = bench.admission.handle(input, bench.now);
    let cause = Cause::UnknownModel { model: "x".to_owned(), known: vec!["m".to_owned()] };
    assert_eq!(effects, [Effect::Refuse { ticket: ticket(1), cause }]);
}

#[test]
fn a_model_that_may_turn_up_is_waited_for_and_then_unknown() {
    let mut bench = Bench::new();
    let until = bench.now + Duration::from_secs(2);
    let hopeful = |turn, model| {
        let ask = Ask::new(ticket(turn), ModelId::from(model));
        Input::Ask(Box::new(Ask { unknown_until: Some(until), ..ask }))
    };
    assert_eq!(bench.give(hopeful(1, "x")), "?1:0");
    assert_eq!(bench.give(hopeful(2, "y")), "?2:0");
    assert_eq!(bench.give(Input::Catalog { models: vec![ModelId::from("y")] }), "want:y");
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.give(Input::Tick), "");
    bench.now = until;
    assert_eq!(bench.give(Input::Tick), "-1:model_not_found");
    assert_eq!(bench.give(hopeful(3, "x")), "-3:model_not_found");
    // The other one is known by now, and waited for as long as any.
    bench.now += Duration::from_secs(4);
    assert_eq!(bench.give(Input::Tick), "-2:deadline_exceeded");
}

#[test]
fn a_lost_replica_takes_its_places_along() {
    let mut bench = Bench::new();
    bench.give(up(replica(1)));
    bench.give(ask(1));
    bench.give(Input::ReplicaDown { replica: replica(1) });
    assert_eq!(bench.admission.placed(), 0);
    bench.give(up(replica(2)));
    bench.give(Input::Leave { ticket: ticket(1) });
    assert_eq!(bench.admission.placed_at(&replica(2)), 0);
}

#[test]
fn a_retry_may_wait_even_when_the_queue_is_full() {
    let mut bench = Bench::new();
    bench.give(ask(1));
    bench.give(ask(2));
    let ticket = Ticket { turn: TurnId(9), attempt: 2 };
    assert_eq!(bench.give(Input::Ask(Box::new(Ask::new(ticket, ModelId::from("m"))))), "?9:0");
}

#[test]
fn whoever_waits_too_long_is_refused() {
    let mut bench = Bench::new();
    bench.give(ask(1));
    bench.now += Duration::from_secs(4);
    bench.give(ask(2));
    bench.now += Duration::from_secs(2);
    assert_eq!(bench.give(Input::Tick), "-1:deadline_exceeded");
    assert_eq!(bench.admission.queued(), 1);
}

proptest! {
    #[test]
    fn places_never_exceed_the_limit_and_every_ask_is_answered_once(
        steps in prop::collection::vec((0u8..5, 0u128..12), 1..200),
    ) {
        let mut bench = Bench::new();
        let mut asked = std::collections::BTreeSet::new();
        let mut held = std::collections::BTreeSet::new();
        for (kind, number) in steps {
            let input = match kind {
                0 | 1 => {
                    if !asked.insert(number) { continue }
                    ask(number)
                }
                2 => { held.remove(&number); Input::Leave { ticket: ticket(number) } }
                3 => up(replica(number as u64 % 3)),
                _ => Input::ReplicaDown { replica: replica(number as u64 % 3) },
            };
            for effect in bench.admission.handle(input, bench.now) {
                match effect {
                    Effect::Grant { ticket, .. } => prop_assert!(held.insert(ticket.turn.0), "granted twice"),
                    Effect::Refuse { ticket, .. } => prop_assert!(!held.contains(&ticket.turn.0)),
                    Effect::Queued { .. } | Effect::Move { .. } | Effect::WantModel { .. } => {}
                }
            }
            for incarnation in 0..3 {
                prop_assert!(bench.admission.placed_at(&replica(incarnation)) <= LIMITS.replica_turns_max);
            }
            prop_assert!(bench.admission.queued() <= LIMITS.queue_max);
        }
    }
}
