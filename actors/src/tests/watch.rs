//! The feed of the fleet: who reads it, who is too slow, and who comes back.

use pomona_protocol::{
    FleetEventBody, FleetNode, MachineFigures, NodeId, NodeState, NoticeKind, PathKind, PeerRole, Principal,
};

use super::bench::parts;
use crate::watch::Watch;

fn watch() -> Watch {
    let folder = tempfile::tempdir().unwrap();
    Watch::new(&parts(folder.path()))
}

fn node(name: &str, state: NodeState) -> FleetNode {
    FleetNode {
        node: NodeId::from("a"),
        name: name.to_owned(),
        role: PeerRole::Node,
        state,
        path: (state != NodeState::Offline).then_some(PathKind::Lan),
        rtt_ms: 1.0,
        version: None,
        hosts: true,
        is_here: false,
        machine: MachineFigures::default(),
        certificate_expires_unix_s: 0,
        certificate_life_s: 0,
        model_bytes_max: 0,
        model_bytes_used: 0,
        turns: 0,
        tokens_per_s: 0.0,
        replicas: Vec::new(),
    }
}

#[tokio::test]
async fn a_reader_hears_everything_first_and_then_each_change() {
    let watch = watch();
    watch.node(node("a", NodeState::Alive));
    let mut feed = watch.read(None);
    let first = feed.next().await.unwrap();
    let FleetEventBody::Snapshot { fleet } = &first.body else { panic!("{first:?}") };
    assert_eq!(fleet.nodes.len(), 1);
    watch.node(node("b", NodeState::Alive));
    let second = feed.next().await.unwrap();
    assert!(matches!(&second.body, FleetEventBody::Node { node } if node.name == "b"));
    assert_eq!(second.number, first.number + 1);
    assert!(feed.next_ready().is_none());
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_cut_off_and_may_come_back() {
    let watch = watch();
    let mut feed = watch.read(None);
    let first = feed.next().await.unwrap();
    for round in 0..2000 {
        watch.node(node(&round.to_string(), NodeState::Alive));
    }
    let cut = feed.next().await.unwrap();
    assert!(matches!(&cut.body, FleetEventBody::Cut { reason } if reason == "slow"), "{cut:?}");
    assert!(feed.next().await.is_none() && feed.next_ready().is_none());
    let mut again = watch.read(Some(&feed.id_of(&first)));
    assert_eq!(again.next().await.unwrap().body.kind(), "snapshot", "it missed more than is remembered");
    let newest = watch.read(None).next().await.unwrap();
    let id = watch.read(None).id_of(&newest);
    watch.node(node("last", NodeState::Alive));
    let mut near = watch.read(Some(&id));
    let missed = near.next().await.unwrap();
    assert!(matches!(&missed.body, FleetEventBody::Node { node } if node.name == "last"), "{missed:?}");
}

#[tokio::test]
async fn a_lost_node_makes_a_notice_that_can_be_acknowledged() {
    let watch = watch();
    watch.node(node("a", NodeState::Alive));
    watch.node(node("a", NodeState::Offline));
    let notices = watch.notices();
    assert_eq!(notices.len(), 1);
    assert_eq!((notices[0].kind, notices[0].seen_by.as_str()), (NoticeKind::NodeLost, "pear"));
    let acknowledged = watch.acknowledge(notices[0].id, Principal(1)).unwrap();
    assert_eq!(acknowledged.acknowledged.map(|by| by.by), Some("key_0000000000000001".to_owned()));
    assert!(watch.acknowledge(pomona_protocol::NoticeId(7), Principal(1)).is_none());
}
