//! What the fleet tells, step by step.

use pomona_protocol::{FleetReplica, MachineFigures, NodeState, PathKind, PeerRole, ReplicaState};

use super::*;

fn watch() -> FleetWatch {
    let watcher =
        Watcher { node: NodeId::from("g"), name: "gw".to_owned(), version: "1".to_owned(), seed: 1 };
    let limits = NoticeLimits { kept_max: 10, repeat_ms: 1000, disk_bytes_min: 0, store_slow_ms: 0 };
    FleetWatch::new(watcher, limits)
}

fn node(name: &str) -> FleetNode {
    FleetNode {
        node: NodeId::from(name),
        name: name.to_owned(),
        role: PeerRole::Node,
        state: NodeState::Alive,
        path: Some(PathKind::Lan),
        rtt_ms: 1.0,
        version: Some("1".to_owned()),
        hosts: true,
        is_here: false,
        machine: MachineFigures::default(),
        certificate_expires_unix_s: 0,
        certificate_life_s: 0,
        model_bytes_max: 10,
        model_bytes_used: 5,
        turns: 0,
        tokens_per_s: 0.0,
        replicas: vec![FleetReplica {
            model: "sprout".to_owned(),
            state: ReplicaState::Ready,
            restarts: 0,
            memory_bytes: 5,
            sequences: 0,
            waiting: 0,
            kv_blocks_used: 0,
            kv_blocks_total: 9,
            tokens_per_s: 0.0,
            is_pinned: false,
            error: None,
        }],
    }
}

fn second(tokens: &[(u128, u32)]) -> Input {
    let tokens = tokens.iter().map(|(id, tokens)| (TurnId(*id), *tokens)).collect();
    Input::Second { tokens, queued: 0, store: StoreHealth::default() }
}

fn said(effects: &[Effect]) -> Vec<&'static str> {
    let kinds = effects.iter().map(|effect| match effect {
        Effect::Say(body) => body.kind(),
        Effect::Keep(_) => "keep",
        Effect::FlushSoon => "flush_soon",
    });
    kinds.collect()
}

fn start(watch: &mut FleetWatch, id: u128) -> Vec<Effect> {
    let input =
        Input::TurnStarted { id: TurnId(id), model: ModelId::from("sprout"), by: Principal(7), tokens: 0 };
    watch.handle(input, 0)
}

fn end(watch: &mut FleetWatch, id: u128, tokens: u32) -> Vec<Effect> {
    watch.handle(Input::TurnEnded { id: TurnId(id), outcome: "stop", tokens, after_ms: 40.0 }, 0)
}

/// What of a node makes an event at once, and what waits for the second to end.
#[test]
fn states_are_told_at_once_and_measurements_each_second() {
    type Change = (&'static str, fn(&mut FleetNode), bool);
    let change: [Change; 10] = [
        ("state", |node| node.state = NodeState::Suspect, true),
        ("path", |node| node.path = Some(PathKind::Wan), true),
        ("version", |node| node.version = Some("2".to_owned()), true),
        ("name", |node| node.name = "b".to_owned(), true),
        ("replica", |node| node.replicas[0].state = ReplicaState::Restarting, true),
        ("restarts", |node| node.replicas[0].restarts = 1, true),
        ("replicas", |node| node.replicas.clear(), true),
        ("round trip", |node| node.rtt_ms = 2.0, false),
        ("sequences", |node| node.replicas[0].sequences = 2, false),
        ("memory", |node| node.machine.memory_bytes_available = 5, false),
    ];
    for (what, change, is_at_once) in change {
        let mut watch = watch();
        assert_eq!(said(&watch.handle(Input::Node(Box::new(node("a"))), 0)), ["node"]);
        assert_eq!(watch.handle(Input::Node(Box::new(node("a"))), 0), [], "{what}: nothing changed");
        let mut changed = node("a");
        change(&mut changed);
        let effects = watch.handle(Input::Node(Box::new(changed)), 0);
        assert_eq!(said(&effects).contains(&"node"), is_at_once, "{what}");
        let later = watch.handle(second(&[]), 1000);
        assert_eq!(said(&later).contains(&"node"), !is_at_once, "{what}");
        assert_eq!(said(&watch.handle(second(&[]), 2000)), ["rates"], "{what}: it is told once");
    }
}

#[test]
fn starts_and_ends_of_turns_are_told_together() {
    let mut watch = watch();
    assert_eq!(said(&start(&mut watch, 1)), ["flush_soon"]);
    start(&mut watch, 2);
    let effects = watch.handle(Input::Flush, 50);
    let [Effect::Say(FleetEventBody::Turns { started, ended, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((started.len(), ended.len()), (2, 0));
    assert_eq!(started[0].key, "key_0000000000000007");
    assert_eq!(watch.handle(Input::Flush, 51), [], "there is nothing more to tell");
    end(&mut watch, 1, 9);
    let effects = watch.handle(Input::Flush, 99);
    let [Effect::Say(FleetEventBody::Turns { ended, .. })] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((ended.len(), ended[0].tokens), (1, 9));
    start(&mut watch, 3);
    assert_eq!(said(&end(&mut watch, 3, 1)), Vec::<&str>::new());
    assert_eq!(watch.handle(Input::Flush, 120), [], "one that nobody saw begin is not told to end");
    assert_eq!(watch.view(120).turns.len(), 1);
}

#[test]
fn tokens_are_counted_for_the_replica_that_gave_them_and_each_once() {
    let mut watch = watch();
    watch.handle(Input::Node(Box::new(node("a"))), 0);
    watch.handle(Input::Node(Box::new(node("b"))), 0);
    start(&mut watch, 1);
    watch.handle(Input::TurnPlaced { id: TurnId(1), node: NodeId::from("a") }, 0);
    let first = watch.handle(second(&[(1, 10)]), 1000);
    assert!(said(&first).contains(&"turns"), "progress is told each second");
    assert_eq!(watch.view(1000).rates.tokens_per_s, 10.0);
    let nodes = watch.view(1000).nodes;
    assert!(nodes[0].tokens_per_s > 0.0 && nodes[0].turns == 1, "{nodes:?}");
    assert_eq!((nodes[1].tokens_per_s, nodes[1].turns), (0.0, 0));
    watch.handle(Input::TurnPlaced { id: TurnId(1), node: NodeId::from("b") }, 1500);
    end(&mut watch, 1, 25);
    watch.handle(second(&[]), 2000);
    let view = watch.view(2000);
    assert_eq!((view.rates.tokens_per_s, view.rates.turns_per_s), (15.0, 1.0));
    assert_eq!(view.nodes.iter().map(|node| node.turns).sum::<u32>(), 0);
    assert_eq!(view.history.len(), 2);
    assert_eq!(view.rates.turn_ms.p95, 40.0);
}

#[test]
fn a_lost_node_is_told_with_its_notice_which_is_kept_and_can_be_acknowledged() {
    let mut watch = watch();
    watch.handle(Input::Node(Box::new(node("a"))), 0);
    let gone = FleetNode { state: NodeState::Offline, path: None, ..node("a") };
    let effects = watch.handle(Input::Node(Box::new(gone)), 5);
    assert_eq!(said(&effects), ["node", "keep", "notice"]);
    let id = watch.view(5).notices[0].id;
    let effects = watch.handle(Input::Acknowledge { id, by: Principal(7) }, 6);
    assert_eq!(said(&effects), ["keep", "notice"]);
    assert!(watch.view(6).notices.is_empty(), "a snapshot has those that are open");
    assert_eq!(watch.notices().count(), 1, "the list has all");
    assert_eq!(watch.handle(Input::Acknowledge { id: NoticeId(1), by: Principal(7) }, 6), []);
}

#[test]
fn a_member_that_was_removed_is_gone_without_a_notice() {
    let mut watch = watch();
    watch.handle(Input::Node(Box::new(node("a"))), 0);
    assert_eq!(said(&watch.handle(Input::NodeRemoved(NodeId::from("a")), 1)), ["node_removed"]);
    assert_eq!(watch.handle(Input::NodeRemoved(NodeId::from("a")), 2), []);
    assert!(watch.view(2).nodes.is_empty());
}

#[test]
fn a_member_of_the_list_shows_as_offline_until_it_is_seen() {
    let mut watch = watch();
    let away = FleetNode { state: NodeState::Offline, path: None, ..node("a") };
    assert_eq!(watch.handle(Input::Known(Box::new(away.clone())), 0), []);
    assert_eq!(watch.view(0).nodes.len(), 1);
    assert_eq!(said(&watch.handle(Input::Node(Box::new(node("a"))), 1)), ["node"]);
    assert_eq!(watch.handle(Input::Known(Box::new(away)), 2), []);
    assert_eq!(watch.view(2).nodes[0].state, NodeState::Alive);
}

#[test]
fn who_goes_out_of_reach_while_the_gateway_ends_is_not_lost() {
    let offline = |name: &str| FleetNode { state: NodeState::Offline, path: None, ..node(name) };
    let mut watch = watch();
    for name in ["a", "b"] {
        watch.handle(Input::Node(Box::new(node(name))), 0);
    }
    assert_eq!(said(&watch.handle(Input::Node(Box::new(offline("a"))), 1)), ["node", "keep", "notice"]);
    assert_eq!(watch.handle(Input::Closing, 2), []);
    assert_eq!(said(&watch.handle(Input::Node(Box::new(offline("b"))), 3)), ["node"]);
    assert_eq!(watch.notices().count(), 1);
}
