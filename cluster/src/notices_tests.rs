//! Which notices are made, repeated, kept and forgotten.

use pomona_protocol::{FleetReplica, MachineFigures, NodeState, PathKind, PeerRole, ReplicaState, Severity};

use super::*;

const HOUR_MS: u64 = 3_600_000;

fn limits() -> NoticeLimits {
    NoticeLimits { kept_max: 5, repeat_ms: 10_000, disk_bytes_min: 1000, store_slow_ms: 500 }
}

fn book() -> Notices {
    Notices::new(limits(), "gw".to_owned(), "2".to_owned(), 7)
}

fn replica(restarts: u64, state: ReplicaState) -> FleetReplica {
    FleetReplica {
        model: "sprout".to_owned(),
        state,
        restarts,
        memory_bytes: 0,
        sequences: 0,
        waiting: 0,
        kv_blocks_used: 0,
        kv_blocks_total: 0,
        tokens_per_s: 0.0,
        is_pinned: false,
        error: None,
    }
}

fn node() -> FleetNode {
    FleetNode {
        node: NodeId::from("n"),
        name: "mini".to_owned(),
        role: PeerRole::Node,
        state: NodeState::Alive,
        path: Some(PathKind::Lan),
        rtt_ms: 1.0,
        version: Some("2".to_owned()),
        hosts: true,
        is_here: false,
        machine: MachineFigures { disk_bytes: 10_000, disk_bytes_free: 5_000, ..MachineFigures::default() },
        certificate_expires_unix_s: 0,
        certificate_life_s: 0,
        model_bytes_max: 0,
        model_bytes_used: 0,
        turns: 0,
        tokens_per_s: 0.0,
        replicas: vec![replica(0, ReplicaState::Ready)],
    }
}

fn offline() -> FleetNode {
    FleetNode { state: NodeState::Offline, path: None, ..node() }
}

fn on_wan() -> FleetNode {
    FleetNode { path: Some(PathKind::Wan), ..node() }
}

fn with_disk(free: u64) -> FleetNode {
    let machine = MachineFigures { disk_bytes_free: free, ..node().machine };
    FleetNode { machine, ..node() }
}

fn with_certificate(expires: u64, life: u64) -> FleetNode {
    FleetNode { certificate_expires_unix_s: expires / 1000, certificate_life_s: life / 1000, ..node() }
}

fn with_replica(restarts: u64, state: ReplicaState) -> FleetNode {
    FleetNode { replicas: vec![replica(restarts, state)], ..node() }
}

fn of_version(version: &str) -> FleetNode {
    FleetNode { version: Some(version.to_owned()), ..node() }
}

/// Kinds of the notices that a row of states makes, each a second behind the last.
fn kinds(states: &[FleetNode]) -> Vec<&'static str> {
    let mut book = book();
    let mut before: Option<&FleetNode> = None;
    let mut kinds = Vec::new();
    for (second, now) in states.iter().enumerate() {
        let told = book.judge(before, now, 100 * HOUR_MS + second as u64 * 1000);
        kinds.extend(told.iter().filter(|told| told.is_new).map(|told| told.notice.kind.as_str()));
        before = Some(now);
    }
    kinds
}

#[test]
fn what_happens_to_a_member_is_told_once() {
    use ReplicaState::{Failed, Loading, Ready, Restarting};
    let draining = FleetNode { state: NodeState::Draining, ..node() };
    let suspect = FleetNode { state: NodeState::Suspect, ..node() };
    let here = FleetNode { is_here: true, version: Some("1".to_owned()), ..node() };
    let nothing: &[&str] = &[];
    for (states, expected) in [
        (vec![node(), node()], nothing),
        (vec![node(), offline(), offline()], &["node_lost"]),
        (vec![node(), suspect.clone(), offline()], &["node_lost"]),
        (vec![node(), suspect, node()], nothing),
        (vec![node(), offline(), node(), node()], &["node_lost", "node_back"]),
        (vec![node(), draining, offline(), node()], nothing),
        (vec![offline(), node()], nothing),
        (vec![node(), on_wan(), on_wan(), node()], &["path_wan", "path_lan"]),
        (vec![node(), offline(), on_wan(), node()], &["node_lost", "node_back", "path_wan", "path_lan"]),
        (vec![on_wan(), node()], nothing),
        (
            vec![node(), with_replica(0, Restarting), with_replica(1, Loading), with_replica(1, Ready)],
            &["replica_restarted"],
        ),
        (vec![with_replica(3, Ready), with_replica(0, Ready)], nothing),
        (vec![with_replica(3, Ready)], nothing),
        (vec![node(), with_replica(0, Failed), with_replica(0, Failed)], &["replica_failed"]),
        (vec![with_replica(0, Failed)], &["replica_failed"]),
        (vec![with_disk(999), with_disk(900)], &["disk_low"]),
        (vec![with_disk(999), with_disk(1_100), with_disk(999)], &["disk_low"]),
        (vec![of_version("1"), of_version("1")], &["update_needed"]),
        (vec![of_version("1"), of_version("2")], &["update_needed"]),
        (vec![of_version("")], nothing),
        (vec![here], nothing),
    ] {
        assert_eq!(kinds(&states), expected, "{states:#?}");
    }
}

#[test]
fn a_certificate_is_told_when_its_renewal_has_failed_for_long() {
    let now = 100 * HOUR_MS;
    for (left_hours, life_hours, expected) in [
        (20, 60, 0),
        (10, 60, 1),
        (11, 60, 0),
        (0, 60, 1),
        (240, 720, 0),
        (100, 720, 1),
        (3, 24, 1),
        (8, 24, 0),
    ] {
        let node = with_certificate(now + left_hours * HOUR_MS, life_hours * HOUR_MS);
        let told = book().judge(None, &node, now);
        assert_eq!(told.len(), expected, "{left_hours} of {life_hours} h: {told:?}");
    }
    let mut book = book();
    let soon = with_certificate(now + HOUR_MS, 24 * HOUR_MS);
    assert_eq!(book.judge(None, &soon, now).len(), 1);
    assert_eq!(book.judge(Some(&soon), &soon, now + 60_000).len(), 0, "one certificate is told once");
    assert_eq!(book.judge(None, &with_certificate(0, 0), now).len(), 0, "a member that says nothing");
}

#[test]
fn the_same_is_not_told_anew_within_a_time_but_counted() {
    let mut book = book();
    let lose = |book: &mut Notices, now_ms| {
        book.judge(Some(&offline()), &node(), now_ms);
        book.judge(Some(&node()), &offline(), now_ms + 1)
    };
    let first = lose(&mut book, 1_000_000);
    assert!(first[0].is_new);
    let again = lose(&mut book, 1_005_000);
    assert!(!again[0].is_new);
    assert_eq!((again[0].notice.id, again[0].notice.repeats), (first[0].notice.id, 1));
    let later = lose(&mut book, 1_010_002);
    assert!(later[0].is_new, "the time counts from the notice, so that what goes on for long is told again");
    let id = later[0].notice.id;
    book.acknowledge(id, "key_1".to_owned(), 1_010_003);
    assert!(lose(&mut book, 1_011_000)[0].is_new, "an acknowledged one does not hide what happens anew");
}

#[test]
fn the_number_of_notices_is_bounded_and_the_oldest_go() {
    let mut book = book();
    for round in 0..20u64 {
        book.judge(Some(&node()), &offline(), round * 60_000);
    }
    let kept: Vec<u64> = book.list().map(|notice| notice.at_unix_ms / 60_000).collect();
    assert_eq!(kept, [19, 18, 17, 16, 15]);
    let ids: std::collections::BTreeSet<_> = book.list().map(|notice| notice.id).collect();
    assert_eq!(ids.len(), 5);
}

#[test]
fn an_acknowledgement_names_who_gave_it_first() {
    let mut book = book();
    let id = book.judge(Some(&node()), &offline(), 1)[0].notice.id;
    let first = book.acknowledge(id, "key_1".to_owned(), 5).unwrap();
    let second = book.acknowledge(id, "key_2".to_owned(), 6).unwrap();
    assert_eq!(first.acknowledged, Some(Acknowledged { at_unix_ms: 5, by: "key_1".to_owned() }));
    assert_eq!(second, first);
    assert_eq!(book.acknowledge(NoticeId(1), "key_1".to_owned(), 5), None);
}

#[test]
fn what_was_kept_comes_back_in_order_and_once() {
    let mut old = book();
    for round in 0..3u64 {
        old.judge(Some(&node()), &offline(), round * 60_000);
    }
    let kept: Vec<Notice> = old.list().cloned().collect();
    let mut fresh = book();
    fresh.restore(kept.clone());
    fresh.restore(kept.clone());
    assert_eq!(fresh.list().cloned().collect::<Vec<_>>(), kept);
}

#[test]
fn a_store_that_is_full_failing_or_slow_is_told() {
    let mut book = book();
    let health =
        StoreHealth { slowest_ms: 500, full: Some("disk".to_owned()), failed: Some("io".to_owned()) };
    let told = book.judge_store(&health, 1);
    let kinds: Vec<_> = told.iter().map(|told| told.notice.kind).collect();
    assert_eq!(kinds, [NoticeKind::StoreFull, NoticeKind::StoreFailed, NoticeKind::StoreSlow]);
    assert_eq!(told[0].notice.severity, Severity::Error);
    assert!(told[2].notice.message.contains("500 ms"));
    assert_eq!(book.judge_store(&StoreHealth { slowest_ms: 499, ..StoreHealth::default() }, 2), []);
}
