//! Tables and properties of the plan.

use proptest::prelude::*;

use super::*;

fn limits() -> PlanLimits {
    PlanLimits {
        sources_max: 3,
        asks_per_source_max: 2,
        steal_after: Duration::from_secs(2),
        pause_base: Duration::from_millis(100),
        pause_max: Duration::from_secs(5),
        failures_max: 4,
        refusals_max: 20,
    }
}

fn want(count: u32) -> Input {
    Input::Want((0..count).collect())
}

fn asks(effects: &[Effect]) -> Vec<(usize, u32)> {
    let ask = |effect: &Effect| match effect {
        Effect::Ask { source, item } => Some((*source, *item)),
        _ => None,
    };
    effects.iter().filter_map(ask).collect()
}

#[test]
fn items_are_spread_over_the_sources() {
    let mut plan = Plan::new(limits(), 2);
    let effects = plan.handle(want(9), Instant::now());
    assert_eq!(asks(&effects), [(0, 0), (1, 1), (0, 2), (1, 3)]);
}

#[test]
fn a_spare_comes_in_when_a_source_is_given_up() {
    let now = Instant::now();
    let mut plan = Plan::new(PlanLimits { sources_max: 1, asks_per_source_max: 1, ..limits() }, 2);
    assert_eq!(asks(&plan.handle(want(2), now)), [(0, 0)]);
    let effects = plan.handle(Input::Failed { source: 0, item: 0, fault: Fault::Lied }, now);
    assert_eq!(effects, [Effect::Drop { source: 0, fault: Fault::Lied }, Effect::Ask { source: 1, item: 0 }]);
}

#[test]
fn a_free_source_takes_over_what_another_is_slow_with() {
    let now = Instant::now();
    let mut plan = Plan::new(limits(), 2);
    plan.handle(want(2), now);
    assert_eq!(asks(&plan.handle(Input::Finished { source: 1, item: 1 }, now)), []);
    let Outlook::Working { wake_at: Some(later) } = plan.outlook(now) else { panic!() };
    assert_eq!(asks(&plan.handle(Input::Tick, later)), [(1, 0)]);
    let effects = plan.handle(Input::Finished { source: 1, item: 0 }, later);
    assert_eq!(effects, [Effect::Cancel { source: 0, item: 0 }]);
    assert_eq!(plan.outlook(later), Outlook::Done);
}

#[test]
fn a_source_that_goes_on_failing_is_left_alone_for_longer_and_then_given_up() {
    let mut now = Instant::now();
    let mut plan = Plan::new(limits(), 1);
    let mut effects = plan.handle(want(1), now);
    let mut pauses = Vec::new();
    while asks(&effects) == [(0, 0)] {
        plan.handle(Input::Failed { source: 0, item: 0, fault: Fault::Broken }, now);
        let Outlook::Working { wake_at: Some(later) } = plan.outlook(now) else { break };
        pauses.push((later - now).as_millis());
        now = later;
        effects = plan.handle(Input::Tick, now);
    }
    assert_eq!(pauses, [100, 200, 400]);
    assert_eq!(plan.outlook(now), Outlook::Exhausted);
}

#[test]
fn all_that_breaks_with_one_link_is_one_failure() {
    let now = Instant::now();
    let mut plan = Plan::new(PlanLimits { failures_max: 2, ..limits() }, 1);
    plan.handle(want(2), now);
    plan.handle(Input::Failed { source: 0, item: 0, fault: Fault::Broken }, now);
    plan.handle(Input::Failed { source: 0, item: 1, fault: Fault::Broken }, now);
    assert_eq!(plan.sources_left(), 1);
}

fn check_invariants(plan: &Plan, done: &BTreeSet<u32>, count: u32) {
    for item in 0..count {
        let states = [plan.missing.contains(&item), plan.flights.contains_key(&item), done.contains(&item)];
        assert_eq!(states.iter().filter(|state| **state).count(), 1, "item {item}: {states:?}");
    }
    let mut flying = vec![0; plan.sources.len()];
    for flights in plan.flights.values() {
        assert!(flights.len() == 1 || flights.len() == 2 && flights[0].source != flights[1].source);
        flights.iter().for_each(|flight| flying[flight.source] += 1);
    }
    for (standing, flying) in plan.sources.iter().zip(&flying) {
        assert_eq!(standing.flying, *flying);
        assert!(*flying <= plan.limits.asks_per_source_max);
        assert!(!standing.dropped || *flying == 0);
    }
    assert!(flying.iter().filter(|flying| **flying > 0).count() <= plan.limits.sources_max);
}

/// What a source does, by a number that is drawn for each ask.
fn outcome(behaviour: u8, drawn: u8) -> Option<Fault> {
    match behaviour {
        0 => None,
        1 => Some(Fault::Lied),
        2 => Some(Fault::Broken),
        3 => drawn.is_multiple_of(2).then_some(Fault::Stalled),
        4 => (!drawn.is_multiple_of(4)).then_some(Fault::Busy),
        _ => drawn.is_multiple_of(8).then_some(Fault::Garbage),
    }
}

proptest! {
    #[test]
    fn all_items_are_done_while_an_honest_source_lives(
        count in 1u32..40,
        behaviours in prop::collection::vec(0u8..6, 0..5),
        honest in 0usize..5,
        draws in prop::collection::vec(any::<(u8, u8)>(), 64),
    ) {
        let mut behaviours = behaviours;
        behaviours.insert(honest.min(behaviours.len()), 0);
        let mut now = Instant::now();
        let mut plan = Plan::new(limits(), behaviours.len());
        let mut done = BTreeSet::new();
        let mut flying: Vec<(usize, u32)> = Vec::new();
        let mut liars = BTreeSet::new();
        let mut effects = plan.handle(want(count), now);
        for round in 0.. {
            for effect in effects.drain(..) {
                match effect {
                    Effect::Ask { source, item } => {
                        prop_assert!(!liars.contains(&source));
                        flying.push((source, item));
                    }
                    Effect::Cancel { source, item } => flying.retain(|flight| *flight != (source, item)),
                    Effect::Drop { .. } => {}
                }
            }
            check_invariants(&plan, &done, count);
            let wake_at = match plan.outlook(now) {
                Outlook::Done => break,
                Outlook::Exhausted => panic!("an honest source was given up"),
                Outlook::Working { wake_at } => wake_at,
            };
            prop_assert!(round < 10_000);
            let (which, drawn) = draws[round % draws.len()];
            let input = if flying.is_empty() || drawn.is_multiple_of(5) && wake_at.is_some() {
                now = wake_at.expect("nothing flies and nothing is awaited");
                Input::Tick
            } else {
                let (source, item) = flying.remove(usize::from(which) % flying.len());
                match outcome(behaviours[source], drawn) {
                    None => {
                        done.insert(item);
                        Input::Finished { source, item }
                    }
                    Some(fault) => {
                        if fault == Fault::Lied {
                            liars.insert(source);
                        }
                        Input::Failed { source, item, fault }
                    }
                }
            };
            effects = plan.handle(input, now);
        }
        prop_assert_eq!(done.len(), count as usize);
    }

    #[test]
    fn reports_that_nobody_asked_for_change_nothing(source in 0usize..3, item in 0u32..9) {
        let now = Instant::now();
        let mut plan = Plan::new(limits(), 3);
        let known = asks(&plan.handle(want(4), now));
        prop_assume!(!known.contains(&(source, item)));
        prop_assert_eq!(plan.handle(Input::Finished { source, item }, now), []);
        prop_assert_eq!(plan.handle(Input::Failed { source, item, fault: Fault::Lied }, now), []);
        check_invariants(&plan, &BTreeSet::new(), 4);
    }
}
