//! The rules of placement, and random fleets: never over memory, nothing to do twice, nothing moved in vain.

use pomona_protocol::ModelOffer;
use proptest::prelude::*;

use super::*;

fn offer(model: &str, memory_bytes: u64) -> ModelOffer {
    ModelOffer { model: ModelId::from(model), memory_bytes, digest: String::new(), card: None }
}

pub(super) fn hosted(model: &str, memory_bytes: u64, turns: u32) -> Hosted {
    Hosted {
        model: ModelId::from(model),
        memory_bytes,
        has_failed: false,
        turns,
        is_pinned: false,
        idle_ms: 0,
    }
}

pub(super) fn host(node: &str, memory_bytes: u64, offers: &[(&str, u64)], replicas: Vec<Hosted>) -> Host {
    Host {
        node: NodeId::from(node),
        hosts: true,
        is_draining: false,
        is_suspect: false,
        memory_bytes,
        memory_bytes_of_others: 0,
        offers: offers.iter().map(|(model, bytes)| offer(model, *bytes)).collect(),
        replicas,
    }
}

pub(super) fn wanted(list: &[(&str, u32)]) -> Vec<Wanted> {
    list.iter()
        .map(|(model, replicas)| Wanted { model: ModelId::from(*model), replicas: *replicas })
        .collect()
}

/// A plan in short: `-model@node` for what goes, `+model@node` for what comes, `!model:n` for what is missing.
fn words(plan: &Plan) -> String {
    let unloads = plan.unloads.iter().map(|unload| format!("-{}@{}", unload.model, unload.node));
    let loads = plan.loads.iter().map(|load| format!("+{}@{}", load.model, load.node));
    let refusals = plan.refusals.iter().map(|refusal| format!("!{}:{}", refusal.model, refusal.missing));
    unloads.chain(loads).chain(refusals).collect::<Vec<_>>().join(" ")
}

fn solved(list: &[(&str, u32)], view: &[Host]) -> String {
    words(&solve(&wanted(list), view, &Assignment::new()))
}

#[test]
fn replicas_spread_over_nodes_and_prefer_those_with_the_weights() {
    let view = [
        host("a", 100, &[], vec![]),
        host("b", 100, &[("m", 10), ("x", 10)], vec![]),
        host("c", 100, &[("m", 10)], vec![]),
    ];
    assert_eq!(solved(&[("m", 1)], &view), "+m@b");
    assert_eq!(solved(&[("m", 3)], &view), "+m@b +m@c +m@a");
    assert_eq!(solved(&[("m", 1), ("x", 1)], &view), "+m@b +x@b");
    let plan = solve(&wanted(&[("m", 3)]), &view, &Assignment::new());
    assert_eq!(plan.loads[2].fetch_from, [NodeId::from("b"), NodeId::from("c")]);
    assert!(plan.loads[0].fetch_from.is_empty());
}

#[test]
fn what_is_there_stays_and_what_is_too_much_goes_idle_first() {
    let offers = [("m", 10)];
    let view = [
        host("a", 100, &offers, vec![hosted("m", 10, 0)]),
        host("b", 100, &offers, vec![hosted("m", 10, 3)]),
        host("c", 100, &offers, vec![]),
    ];
    assert_eq!(solved(&[("m", 2)], &view), "");
    assert_eq!(solved(&[("m", 1)], &view), "-m@a");
    assert_eq!(solved(&[("m", 0)], &view), "-m@b -m@a");
    assert_eq!(solved(&[], &view), "");
}

#[test]
fn a_load_under_way_is_not_asked_for_twice() {
    let view = [host("a", 15, &[("m", 10), ("x", 10)], vec![]), host("b", 15, &[("m", 10)], vec![])];
    let first = solve(&wanted(&[("m", 1)]), &view, &Assignment::new());
    assert_eq!(words(&first), "+m@a");
    let again = solve(&wanted(&[("m", 1)]), &view, &first.assignment);
    assert_eq!(words(&again), "");
    let other = solve(&wanted(&[("m", 1), ("x", 1)]), &view, &first.assignment);
    assert_eq!(words(&other), "+x@b");
}

#[test]
fn a_draining_or_failed_replica_is_replaced_and_a_suspect_one_is_not() {
    let offers = [("m", 10)];
    let there = host("a", 100, &offers, vec![hosted("m", 10, 1)]);
    let spare = host("b", 100, &offers, vec![]);
    let draining = Host { is_draining: true, ..there.clone() };
    let failed = Host { replicas: vec![Hosted { has_failed: true, ..hosted("m", 10, 0) }], ..there.clone() };
    let suspect = Host { is_suspect: true, ..there };
    assert_eq!(solved(&[("m", 1)], &[draining, spare.clone()]), "+m@b");
    assert_eq!(solved(&[("m", 1)], &[failed, spare.clone()]), "+m@b");
    assert_eq!(solved(&[("m", 1)], &[suspect.clone(), spare]), "");
    let silent = Host { replicas: vec![], ..suspect };
    assert_eq!(solved(&[("m", 1)], &[silent]), "!m:1");
}

#[test]
fn a_refusal_names_each_node_and_what_it_lacks() {
    let view = [
        host("a", 8, &[("m", 10)], vec![]),
        Host { hosts: false, ..host("b", 100, &[], vec![]) },
        Host { is_draining: true, ..host("c", 100, &[], vec![]) },
        host("d", 20, &[], vec![hosted("x", 15, 1)]),
    ];
    let plan = solve(&wanted(&[("m", 2)]), &view, &Assignment::new());
    assert_eq!(
        plan.refusals[0].to_string(),
        "model `m` lacks 2 of its replicas: a: lacks 2 bytes (needs 10, has 8 free or idle of 8); b: hosts no \
         models; c: is draining; d: lacks 5 bytes (needs 10, has 5 free or idle of 20)"
    );
    let nobody = solve(&wanted(&[("z", 1)]), &view[..1], &Assignment::new());
    assert_eq!(
        nobody.refusals[0].to_string(),
        "model `z` lacks 1 of its replicas: a: nobody linked has its weights"
    );
}

#[test]
fn room_is_made_only_by_idle_unpinned_unwanted_replicas() {
    let place = |replica: Hosted, wishes: &[(&str, u32)]| {
        let view = [host("a", 20, &[("m", 10), ("x", 15)], vec![replica])];
        place_on_demand(&ModelId::from("m"), &wanted(wishes), &view, &Assignment::new())
    };
    match place(hosted("x", 15, 0), &[]) {
        Ok(OnDemand::Place { unloads, load }) => {
            assert_eq!(unloads, [Unload { model: ModelId::from("x"), node: NodeId::from("a") }]);
            assert_eq!((load.model, load.memory_bytes), (ModelId::from("m"), 10));
        }
        other => panic!("{other:?}"),
    }
    assert!(place(hosted("x", 15, 1), &[]).is_err(), "busy");
    assert!(place(Hosted { is_pinned: true, ..hosted("x", 15, 0) }, &[]).is_err(), "pinned");
    assert!(place(hosted("x", 15, 0), &[("x", 1)]).is_err(), "wanted");
    assert_eq!(place(hosted("m", 10, 0), &[]), Ok(OnDemand::IsThere(NodeId::from("a"))));
}

#[test]
fn what_was_used_least_recently_makes_room_and_no_more_goes_than_has_to() {
    let idle = |model, bytes, idle_ms| Hosted { idle_ms, ..hosted(model, bytes, 0) };
    let unloads = |replicas: Vec<Hosted>, needs| {
        let view = [host("a", 30, &[("m", needs)], replicas)];
        let Ok(OnDemand::Place { unloads, .. }) =
            place_on_demand(&ModelId::from("m"), &[], &view, &Assignment::new())
        else {
            return "none".to_owned();
        };
        unloads.iter().map(|unload| unload.model.0.clone()).collect::<Vec<_>>().join(" ")
    };
    let three = || vec![idle("x", 10, 5), idle("y", 10, 90), idle("z", 10, 40)];
    assert_eq!(unloads(three(), 10), "y");
    assert_eq!(unloads(three(), 20), "y z");
    assert_eq!(unloads(three(), 30), "y z x");
    assert_eq!(unloads(three(), 31), "none");
    // The small one that waited longest is no help once the large one has to go as well.
    assert_eq!(unloads(vec![idle("x", 2, 90), idle("y", 28, 1)], 25), "y");
    let pinned = Hosted { is_pinned: true, ..idle("y", 10, 90) };
    assert_eq!(unloads(vec![idle("x", 10, 5), pinned, idle("z", 10, 40)], 10), "z");
}

#[test]
fn every_model_gets_its_first_replica_before_any_gets_its_second() {
    let offers = [("m", 10), ("x", 10)];
    let view = [host("a", 10, &offers, vec![]), host("b", 10, &offers, vec![])];
    assert_eq!(solved(&[("m", 2), ("x", 1)], &view), "+m@a +x@b !m:1");
}

/// The view once a plan was carried out.
fn apply(view: &[Host], plan: &Plan) -> Vec<Host> {
    let mut view = view.to_vec();
    for host in &mut view {
        let unloads = plan.unloads.iter().filter(|unload| unload.node == host.node);
        let gone: Vec<_> = unloads.map(|unload| unload.model.clone()).collect();
        host.replicas.retain(|hosted| !gone.contains(&hosted.model));
        let loads = plan.loads.iter().filter(|load| load.node == host.node);
        host.replicas.extend(loads.map(|load| hosted(&load.model.0, load.memory_bytes, 0)));
    }
    view
}

fn used(host: &Host) -> u64 {
    let replicas = host.replicas.iter().filter(|hosted| !hosted.has_failed);
    replicas.map(|hosted| hosted.memory_bytes).sum::<u64>() + host.memory_bytes_of_others
}

const MODELS: [(&str, u64); 4] = [("m0", 10), ("m1", 25), ("m2", 40), ("m3", 70)];

fn any_host() -> impl Strategy<Value = Host> {
    let flags = (prop::bool::weighted(0.9), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let replicas = prop::collection::btree_map(
        0usize..4,
        (0u32..3, prop::bool::weighted(0.2), prop::bool::weighted(0.1)),
        0..3,
    );
    (flags, 0u64..160, 0u64..20, prop::collection::btree_set(0usize..4, 0..4), replicas).prop_map(
        |((hosts, is_draining, is_suspect), memory_bytes, memory_bytes_of_others, offers, replicas)| Host {
            node: NodeId::from("to be named"),
            hosts,
            is_draining,
            is_suspect,
            memory_bytes,
            memory_bytes_of_others,
            offers: offers.into_iter().map(|at| offer(MODELS[at].0, MODELS[at].1)).collect(),
            replicas: replicas
                .into_iter()
                .map(|(at, (turns, is_pinned, has_failed))| Hosted {
                    is_pinned,
                    has_failed,
                    ..hosted(MODELS[at].0, MODELS[at].1, turns)
                })
                .collect(),
        },
    )
}

prop_compose! {
    pub(super) fn any_view()(hosts in prop::collection::vec(any_host(), 0..8)) -> Vec<Host> {
        let name = |(at, host): (usize, Host)| Host { node: NodeId(format!("n{at}")), ..host };
        hosts.into_iter().enumerate().map(name).collect()
    }
}

pub(super) fn any_wishes() -> impl Strategy<Value = Vec<Wanted>> {
    prop::collection::vec((0usize..4, 0u32..6), 0..5).prop_map(|list| {
        let list: Vec<_> = list.into_iter().map(|(at, count)| (MODELS[at].0, count)).collect();
        wanted(&list)
    })
}

proptest! {
    #[test]
    fn nothing_is_loaded_over_a_nodes_memory_or_on_one_that_may_not(view in any_view(), wishes in any_wishes()) {
        let plan = solve(&wishes, &view, &Assignment::new());
        for (before, after) in view.iter().zip(apply(&view, &plan)) {
            let grew = plan.loads.iter().any(|load| load.node == before.node);
            prop_assert!(!grew || (used(&after) <= after.memory_bytes && after.hosts && !after.is_draining && !after.is_suspect));
            let mut models: Vec<_> = after.replicas.iter().map(|hosted| &hosted.model).collect();
            models.sort();
            prop_assert!(models.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(view in any_view(), wishes in any_wishes()) {
        let plan = solve(&wishes, &view, &Assignment::new());
        for (view, previous) in [(apply(&view, &plan), &plan.assignment), (apply(&view, &plan), &Assignment::new())] {
            let again = solve(&wishes, &view, previous);
            prop_assert_eq!((&again.loads, &again.unloads), (&vec![], &vec![]));
            prop_assert_eq!(&again.assignment, &plan.assignment);
        }
        // Nor does one that is under way, once its unloads are done.
        let unloads = Plan { loads: Vec::new(), ..plan.clone() };
        let again = solve(&wishes, &apply(&view, &unloads), &plan.assignment);
        prop_assert_eq!((&again.loads, &again.unloads), (&vec![], &vec![]));
    }

    #[test]
    fn a_death_moves_nothing_but_what_died(view in any_view(), wishes in any_wishes(), dead in 0usize..8) {
        let plan = solve(&wishes, &view, &Assignment::new());
        let mut after = apply(&view, &plan);
        if after.is_empty() { return Ok(()) }
        let dead = after.remove(dead % after.len()).node;
        let again = solve(&wishes, &after, &plan.assignment);
        for (model, nodes) in &plan.assignment {
            let stays = nodes.iter().filter(|node| **node != dead);
            prop_assert!(stays.clone().all(|node| again.assignment[model].contains(node)), "{} moved", model);
            let loads = again.loads.iter().filter(|load| load.model == *model).count();
            prop_assert!(loads <= usize::from(nodes.contains(&dead)), "{} loads of {}", loads, model);
        }
    }

    #[test]
    fn all_is_placed_where_every_node_has_room_for_all(nodes in 1usize..8, wishes in any_wishes()) {
        let view: Vec<_> = (0..nodes).map(|at| host(&format!("n{at}"), 145, if at == 0 { &MODELS } else { &[] }, vec![])).collect();
        let plan = solve(&wishes, &view, &Assignment::new());
        for (model, count) in wishes.iter().map(|w| (&w.model, w.replicas)).collect::<BTreeMap<_, _>>() {
            prop_assert_eq!(plan.assignment[model].len(), nodes.min(count as usize));
        }
    }

    #[test]
    fn only_idle_unpinned_unwanted_replicas_make_room(view in any_view(), wishes in any_wishes(), model in 0usize..4) {
        let model = ModelId::from(MODELS[model].0);
        let Ok(OnDemand::Place { unloads, load }) = place_on_demand(&model, &wishes, &view, &Assignment::new()) else { return Ok(()) };
        for unload in &unloads {
            let host = view.iter().find(|host| host.node == unload.node).expect("a host of the view");
            let hosted = host.replicas.iter().find(|hosted| hosted.model == unload.model).expect("it is there");
            prop_assert!(hosted.turns == 0 && !hosted.is_pinned && host.node == load.node);
            prop_assert!(wishes.iter().all(|wanted| wanted.model != unload.model));
        }
    }
}
