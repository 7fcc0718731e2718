//! What is shown of a load is what the load does, whether it is placed by itself or on a host that somebody names.

use proptest::prelude::*;

use super::super::tests::{any_view, any_wishes, host, hosted, wanted};
use super::super::{Hosted, OnDemand, place_on_demand};
use super::*;

fn m() -> ModelId {
    ModelId::from("m")
}

fn node(name: &str) -> NodeId {
    NodeId::from(name)
}

#[test]
fn every_host_tells_what_a_load_takes_there_or_why_there_is_none() {
    let idle = |model, bytes| Hosted { idle_ms: 7, ..hosted(model, bytes, 0) };
    let view = [
        host("a", 20, &[("m", 10)], vec![idle("x", 15)]),
        host("b", 20, &[], vec![hosted("x", 15, 1)]),
        host("c", 30, &[], vec![]),
        Host { hosts: false, ..host("d", 90, &[], vec![]) },
        Host { is_draining: true, ..host("e", 90, &[], vec![]) },
        Host { is_suspect: true, ..host("f", 90, &[], vec![]) },
        host("g", 90, &[], vec![Hosted { has_failed: true, ..hosted("m", 10, 0) }]),
        host("h", 90, &[], vec![hosted("m", 12, 0)]),
    ];
    let seen = survey(&m(), &[], &view, &Assignment::new());
    assert_eq!(seen.best, Some(node("c")), "nothing has to go there");
    let words = |name: &str| match &seen.hosts[&node(name)].unloads {
        Ok(unloads) => unloads.iter().map(|(model, bytes)| format!("-{model} {bytes}")).collect::<String>(),
        Err(reason) => reason.to_string(),
    };
    for (name, says) in [
        ("a", "-x 15"),
        ("b", "lacks 5 bytes (needs 10, has 5 free or idle of 20)"),
        ("c", ""),
        ("d", "hosts no models"),
        ("e", "is draining"),
        ("f", "is silent"),
        ("g", "failed to load it"),
        ("h", "has it already"),
    ] {
        assert_eq!(words(name), says, "{name}");
    }
    let a = &seen.hosts[&node("a")];
    assert_eq!((a.needs_bytes, a.free_bytes, a.memory_bytes), (10, 5, 20));
    assert!(a.has_weights && a.fetch_from.is_empty());
    assert_eq!(seen.hosts[&node("c")].fetch_from, [node("a")]);
    let nobody = survey(&ModelId::from("z"), &[], &view, &Assignment::new());
    assert_eq!(nobody.hosts[&node("c")].unloads, Err(Reason::NoWeights));
    assert_eq!(nobody.best, None);
}

#[test]
fn a_named_host_makes_room_and_is_never_overrun() {
    let named = |host: Host, wishes: &[(&str, u32)]| {
        place_on(&m(), &node("a"), &wanted(wishes), &[host], &Assignment::new())
    };
    let full = |replica| host("a", 20, &[("m", 10)], vec![replica]);
    let (unloads, load) = named(full(hosted("x", 15, 0)), &[]).unwrap();
    assert_eq!(unloads, [Unload { model: ModelId::from("x"), node: node("a") }]);
    assert_eq!((load.memory_bytes, load.fetch_from), (10, vec![]));
    let lacks = Err(Reason::Memory { needs: 10, free: 5, memory: 20, lacks: 5 });
    assert_eq!(named(full(hosted("x", 15, 1)), &[]), lacks);
    assert_eq!(named(full(hosted("x", 15, 0)), &[("x", 1)]), lacks);
    assert_eq!(named(full(Hosted { is_pinned: true, ..hosted("x", 15, 0) }), &[]), lacks);
}

#[test]
fn a_named_host_is_asked_although_it_drains_is_silent_or_failed() {
    let plain = host("a", 20, &[("m", 10)], vec![]);
    let failed = Hosted { has_failed: true, ..hosted("m", 10, 0) };
    let again = hosted("m", 10, 0);
    for host in [
        Host { is_draining: true, ..plain.clone() },
        Host { is_suspect: true, ..plain.clone() },
        Host { replicas: vec![failed], ..plain.clone() },
        Host { replicas: vec![again, hosted("x", 10, 1)], ..plain.clone() },
    ] {
        let placed = place_on(&m(), &node("a"), &[], std::slice::from_ref(&host), &Assignment::new());
        assert!(placed.as_ref().is_ok_and(|(unloads, _)| unloads.is_empty()), "{host:?}: {placed:?}");
    }
    let refused = |host: Host, model: &str, name: &str| {
        place_on(&ModelId::from(model), &node(name), &[], &[host], &Assignment::new()).unwrap_err()
    };
    assert_eq!(refused(Host { hosts: false, ..plain.clone() }, "m", "a"), Reason::HostsNone);
    assert_eq!(refused(plain.clone(), "m", "b"), Reason::HostsNone);
    assert_eq!(refused(plain, "z", "a"), Reason::NoWeights);
}

proptest! {
    #[test]
    fn what_is_shown_is_what_a_load_does(view in any_view(), wishes in any_wishes(), model in 0usize..4) {
        let model = ModelId(format!("m{model}"));
        let seen = survey(&model, &wishes, &view, &Assignment::new());
        let is_there = view.iter().any(|host| seen.hosts[&host.node].unloads == Err(Reason::HasIt));
        match place_on_demand(&model, &wishes, &view, &Assignment::new()) {
            Ok(OnDemand::Place { unloads, load }) => {
                prop_assert_eq!(seen.best.as_ref(), Some(&load.node));
                let named = place_on(&model, &load.node, &wishes, &view, &Assignment::new());
                let shown = seen.hosts[&load.node].unloads.clone().unwrap();
                prop_assert!(shown.iter().map(|(model, _)| model).eq(unloads.iter().map(|unload| &unload.model)));
                prop_assert_eq!(&seen.hosts[&load.node].fetch_from, &load.fetch_from);
                prop_assert_eq!(named, Ok((unloads, load)));
            }
            Ok(OnDemand::IsThere(_)) => prop_assert!(is_there),
            Err(_) => prop_assert!(seen.best.is_none()),
        }
        for (node, seen) in &seen.hosts {
            let Ok(unloads) = &seen.unloads else { continue };
            let freed = unloads.iter().fold(seen.free_bytes, |free, (_, bytes)| free + bytes);
            prop_assert!(freed >= seen.needs_bytes, "{} is overrun", node);
        }
    }
}
