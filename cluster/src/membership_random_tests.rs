//! Random histories against a picture of them that is computed anew each time.

use proptest::prelude::*;

use super::*;

proptest! {
    /// Whoever only adds the effects up knows exactly what the machine knows, and that is what the last reports
    /// of the linked members say.
    #[test]
    fn effects_add_up_to_the_truth(steps in prop::collection::vec((0u8..9, 0usize..4, 0u64..3, 0usize..8), 1..200)) {
        let nodes = ["a", "b", "g", "h"];
        let mut bench = Bench::new();
        let mut linked: BTreeMap<&str, u64> = BTreeMap::new();
        let mut offered: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut told: BTreeMap<ReplicaId, (NodeId, bool, bool)> = BTreeMap::new();
        for (seq, (kind, node, boot, mask)) in steps.into_iter().enumerate() {
            let node = nodes[node];
            let id = NodeId::from(node);
            let input = match kind {
                0 | 1 => {
                    if linked.insert(node, boot) != Some(boot) {
                        offered.remove(node);
                    }
                    let path = if kind == 0 { PathKind::Lan } else { PathKind::Wan };
                    Input::LinkUp { node: id, name: node.to_owned(), boot, path }
                }
                2 => {
                    if linked.get(node) == Some(&boot) {
                        linked.remove(node);
                        offered.remove(node);
                    }
                    Input::LinkDown { node: id, boot }
                }
                3..=5 => {
                    let own = match node { "g" | "h" => vec!["a", "b", "g"], own => vec![own] };
                    let own: Vec<_> = own.into_iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, n)| n).collect();
                    if linked.get(node) == Some(&boot) {
                        offered.insert(node, own.clone());
                    }
                    Input::Report(Box::new(report(node, boot, seq as u64 + 1, &own)))
                }
                6 => Input::Drain { node: id, on: boot > 0 },
                _ => { bench.now += Duration::from_millis(300); Input::Tick }
            };
            for effect in bench.membership.handle(input, bench.now) {
                match effect {
                    Effect::ReplicaUp { replica, via, load, is_draining, .. } => {
                        prop_assert!(told.insert(replica, (via, load.is_suspect, is_draining)).is_none());
                    }
                    Effect::ReplicaDown { replica } => prop_assert!(told.remove(&replica).is_some()),
                    Effect::ReplicaVia { replica, via } => {
                        let up = told.get_mut(&replica).expect("it is up");
                        prop_assert_ne!(std::mem::replace(&mut up.0, via.clone()), via);
                    }
                    Effect::ReplicaSuspect { replica } => {
                        let up = told.get_mut(&replica).expect("it is up");
                        prop_assert!(!std::mem::replace(&mut up.1, true));
                    }
                    Effect::ReplicaCleared { replica } => {
                        let up = told.get_mut(&replica).expect("it is up");
                        prop_assert!(std::mem::replace(&mut up.1, false));
                    }
                    Effect::ReplicaDraining { replica, on } => {
                        let up = told.get_mut(&replica).expect("it is up");
                        prop_assert_ne!(std::mem::replace(&mut up.2, on), on);
                    }
                    Effect::ReplicaLoad { replica, .. } => prop_assert!(told.contains_key(&replica)),
                    _ => {}
                }
            }
            let truth: BTreeSet<_> = offered.values().flatten().map(|node| replica(node)).collect();
            prop_assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), truth);
            let known = bench.membership.up.iter().map(|(r, up)| (r.clone(), (up.via.clone(), up.is_suspect, up.is_draining)));
            prop_assert_eq!(known.collect::<BTreeMap<_, _>>(), told.clone());
            for (replica, (via, ..)) in &told {
                prop_assert!(offered[via.0.as_str()].contains(&replica.node.0.as_str()));
            }
        }
    }
}
