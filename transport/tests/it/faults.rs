//! What happens to a link when the world around it changes.

use std::time::Duration;

use pomona_config::LinkConfig;
use pomona_protocol::{PathKind, PeerRole};
use pomona_transport::{CloseCode, LinkError};

use crate::fake::Relay;
use crate::orchard::{Options, Orchard, linked, open, target};

#[tokio::test]
async fn a_member_that_moves_keeps_its_link_and_every_byte() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (at_node, at_gateway) = linked(&node, &gateway).await;
    let before = at_gateway.address();
    let (mut send, mut recv) = at_gateway.open().await.unwrap();
    send.write_all(b"?").await.unwrap();
    let (mut answer, _asked) = at_node.accept().await.unwrap();
    for step in 0..400u32 {
        if step == 200 {
            node.endpoint.rebind().unwrap();
        }
        answer.write_all(&step.to_be_bytes()).await.unwrap();
        let mut word = [0; 4];
        recv.read_exact(&mut word).await.unwrap();
        assert_eq!(u32::from_be_bytes(word), step);
    }
    assert!(!at_node.is_closed() && !at_gateway.is_closed());
    assert_ne!(at_gateway.address(), before);
    assert_eq!(at_gateway.address(), node.address());
}

#[tokio::test]
async fn a_restarted_peer_is_noticed_by_its_reset() {
    let orchard = Orchard::plant();
    // Without the reset this test would wait for a minute.
    let link = LinkConfig { lan_keep_alive_ms: 100, lan_idle_ms: 60_000, ..LinkConfig::default() };
    let node = orchard.member(PeerRole::Node, Options { link, ..Options::default() }).await;
    let gateway = orchard.gateway().await;
    let relay = Relay::to(gateway.address());
    let only = target(Some(gateway.id()), &[(relay.address, PathKind::Lan)]);
    let link = node.endpoint.dial(only.clone()).await.unwrap();
    let restarted = open(&gateway.identity, 2, Options::default()).await;
    relay.point_at(Some(restarted.local_addr().unwrap()));
    assert_eq!(link.closed().await, LinkError::Reset);
    assert_eq!(node.endpoint.dial(only).await.unwrap().peer().boot, 2);
}

#[tokio::test]
async fn a_restarted_peer_that_dials_ends_the_links_of_its_last_process() {
    let orchard = Orchard::plant();
    let small = Options { members_max: 1, ..Options::default() };
    let gateway = orchard.member(PeerRole::Gateway, small).await;
    let node = orchard.node().await;
    let (_before, old) = linked(&node, &gateway).await;
    // The old process says nothing more, and the new one has another port.
    let restarted = open(&node.identity, 2, Options::default()).await;
    let link = restarted.dial(gateway.target()).await.unwrap();
    assert_eq!(old.closed().await, LinkError::Reset);
    let new = gateway.arrival().await;
    assert_eq!(new.peer().boot, 2);
    assert!(!link.is_closed() && !new.is_closed());
    assert_eq!(gateway.endpoint.links().len(), 1);
}

#[tokio::test]
async fn a_peer_that_fell_silent_is_given_up() {
    let orchard = Orchard::plant();
    let link = LinkConfig { lan_keep_alive_ms: 50, lan_idle_ms: 2_000, ..LinkConfig::default() };
    let node = orchard.member(PeerRole::Node, Options { link, ..Options::default() }).await;
    let gateway = orchard.gateway().await;
    let relay = Relay::to(gateway.address());
    let only = target(Some(gateway.id()), &[(relay.address, PathKind::Lan)]);
    let link = node.endpoint.dial(only).await.unwrap();
    let theirs = gateway.arrival().await;
    relay.point_at(None);
    assert_eq!(link.closed().await, LinkError::TimedOut);
    assert_eq!(theirs.closed().await, LinkError::TimedOut);
}

#[tokio::test]
async fn a_busy_process_does_not_look_dead() {
    let orchard = Orchard::plant();
    let link = LinkConfig { lan_keep_alive_ms: 50, lan_idle_ms: 2_000, ..LinkConfig::default() };
    let node = orchard.member(PeerRole::Node, Options { link, ..Options::default() }).await;
    let gateway = orchard.gateway().await;
    let (ours, theirs) = linked(&node, &gateway).await;
    // This is the only thread of this runtime: for three idle times it does nothing but compute.
    std::thread::sleep(Duration::from_secs(6));
    let (mut send, _recv) = theirs.open().await.unwrap();
    send.write_all(b"still here").await.unwrap();
    ours.accept().await.unwrap();
}

#[tokio::test]
async fn who_closes_tells_the_others_and_ends_its_thread() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (ours, _theirs) = linked(&node, &gateway).await;
    gateway.endpoint.close().await;
    gateway.endpoint.close().await;
    assert!(gateway.endpoint.accept().await.is_none());
    let shutdown = |error| matches!(error, LinkError::ClosedByPeer { code: CloseCode::Shutdown, .. });
    assert!(shutdown(ours.closed().await));
    assert!(gateway.dial(&node).await.is_err());
    assert!(node.dial(&gateway).await.is_err());
}

#[tokio::test]
async fn a_link_ends_with_its_last_holder_and_says_who_closed_it() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (ours, theirs) = linked(&node, &gateway).await;
    let clone = ours.clone();
    drop(ours);
    assert!(!clone.is_closed());
    clone.close(CloseCode::Superseded, "a better path");
    clone.close(CloseCode::Other, "too late to say");
    let reason = "a better path".to_owned();
    assert_eq!(clone.closed().await, LinkError::ClosedHere { reason: reason.clone() });
    assert_eq!(theirs.closed().await, LinkError::ClosedByPeer { code: CloseCode::Superseded, reason });

    let (ours, theirs) = linked(&node, &gateway).await;
    drop(ours);
    let dropped = |error| matches!(error, LinkError::ClosedByPeer { code: CloseCode::Dropped, .. });
    assert!(dropped(theirs.closed().await));
    assert!(gateway.endpoint.links().is_empty());
}

#[tokio::test]
async fn dropping_a_dial_gives_up_its_tries() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    for _ in 0..20 {
        let dial = node.dial(&gateway);
        drop(tokio::time::timeout(Duration::from_millis(1), dial).await);
    }
    let (_ours, _theirs) = linked(&node, &gateway).await;
    assert_eq!(node.endpoint.links().len(), 1);
}
