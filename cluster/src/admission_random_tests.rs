//! Random fleets against the invariants of admission.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pomona_protocol::ReplicaLoad;
use proptest::prelude::*;

use super::fleet_tests::{Bench, LIMITS, question, replica, ticket};
use super::*;

/// One random step: what happens, to which turn, at which node.
type Step = (u8, u128, usize);

/// Plays a fleet in which every turn that is told to move does so; returns the machine with all turns gone.
fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let nodes = ["a", "b", "c"];
    let mut bench = Bench::new(&["a"]);
    let mut attempts: BTreeMap<u128, u32> = BTreeMap::new();
    let mut held: BTreeMap<Ticket, ReplicaId> = BTreeMap::new();
    let mut waits = BTreeSet::new();
    let mut standing = BTreeMap::from([("a", (false, false))]);
    for (kind, turn, node) in steps {
        let node = nodes[node];
        let last = ticket(turn, attempts.get(&turn).copied().unwrap_or(0));
        let input = match kind {
            0..=3 if !held.contains_key(&last) && !waits.contains(&last) => {
                *attempts.entry(turn).or_default() += 1;
                Input::Ask(Box::new(Ask { key: turn as u64 % 3, ..question(turn, last.attempt + 1) }))
            }
            0..=5 => {
                held.remove(&last);
                waits.remove(&last);
                Input::Leave { ticket: last }
            }
            6 | 7 => {
                standing.entry(node).or_insert((false, false));
                let (load, rtt) = (ReplicaLoad::default(), Duration::ZERO);
                let (is_suspect, is_draining) = standing[node];
                Input::ReplicaUp {
                    replica: replica(node),
                    load: ReplicaLoad { is_suspect, ..load },
                    rtt,
                    is_draining,
                }
            }
            8 => {
                standing.remove(node);
                held.retain(|_, at| at.node.0 != node);
                Input::ReplicaDown { replica: replica(node) }
            }
            9 => {
                standing.entry(node).and_modify(|s| s.0 = true);
                Input::ReplicaSuspect { replica: replica(node) }
            }
            10 => {
                standing.entry(node).and_modify(|s| s.0 = false);
                Input::ReplicaCleared { replica: replica(node) }
            }
            11 | 12 => {
                standing.entry(node).and_modify(|s| s.1 = kind == 11);
                Input::ReplicaDraining { replica: replica(node), on: kind == 11 }
            }
            _ => {
                bench.now += Duration::from_millis(900);
                Input::Tick
            }
        };
        let mut moved = BTreeSet::new();
        for effect in bench.admission.handle(input, bench.now) {
            match effect {
                Effect::Grant { ticket, replica, .. } => {
                    let (is_suspect, is_draining) = standing[replica.node.0.as_str()];
                    let ready_is_up = standing.values().any(|s| *s == (false, false));
                    prop_assert!(!(is_draining || is_suspect && ready_is_up), "{replica}");
                    waits.remove(&ticket);
                    prop_assert!(held.insert(ticket, replica).is_none(), "granted twice");
                }
                Effect::Queued { ticket, .. } => drop(waits.insert(ticket)),
                Effect::Refuse { ticket, .. } => {
                    waits.remove(&ticket);
                    prop_assert!(!held.contains_key(&ticket));
                }
                Effect::Move { ticket, .. } => {
                    prop_assert!(standing.values().any(|s| *s == (false, false)), "nowhere to go");
                    prop_assert_ne!(standing[held[&ticket].node.0.as_str()], (false, false));
                    prop_assert!(moved.insert(ticket), "told twice");
                }
                Effect::WantModel { .. } => {}
            }
        }
        prop_assert_eq!(bench.admission.placed() as usize, held.len());
        prop_assert_eq!(bench.admission.queued() as usize, waits.len());
        for node in nodes {
            let own = held.values().filter(|at| at.node.0 == node).count() as u32;
            prop_assert_eq!(bench.admission.placed_at(&replica(node)), own);
            prop_assert!(own <= LIMITS.replica_turns_max);
        }
    }
    // Nobody is left standing: once there is room and time for all, every place is given and given back.
    bench.up("z");
    for ticket in held.keys().chain(&waits) {
        bench.admission.handle(Input::Leave { ticket: *ticket }, bench.now);
    }
    prop_assert_eq!((bench.admission.placed(), bench.admission.queued()), (0, 0));
    Ok(())
}

proptest! {
    #[test]
    fn a_random_fleet_keeps_its_places_in_order(steps in prop::collection::vec((0u8..15, 0u128..12, 0usize..3), 1..300)) {
        play(steps)?;
    }

    #[test]
    fn room_and_waiting_turns_never_stand_side_by_side(steps in prop::collection::vec((0u8..4, 0u128..40), 1..200)) {
        let mut bench = Bench::new(&["a", "b"]);
        for (kind, turn) in steps {
            if kind < 2 { bench.ask(turn); } else { bench.leave(turn); }
            let free = ["a", "b"].iter().any(|node| bench.admission.placed_at(&replica(node)) < 2);
            prop_assert!(!free || bench.admission.queued() == 0);
        }
    }
}
