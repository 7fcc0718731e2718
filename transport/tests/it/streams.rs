//! What a link carries: streams both ways, bounded in number and in bytes.

use std::time::Duration;

use pomona_config::LinkConfig;
use pomona_protocol::PeerRole;
use pomona_transport::streams::CANCELLED;
use tokio::time::timeout;

use crate::orchard::{Options, Orchard, linked};

/// Long enough for what is ready to happen.
const MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_gateway_opens_streams_and_a_reset_tells_why() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (at_node, at_gateway) = linked(&node, &gateway).await;
    for turn in 0..20u8 {
        let (mut send, mut recv) = at_gateway.open().await.unwrap();
        send.write_all(&[turn; 10]).await.unwrap();
        send.finish().unwrap();
        let (mut answer, mut asked) = at_node.accept().await.unwrap();
        assert_eq!(asked.read_to_end(100).await.unwrap(), [turn; 10]);
        if turn % 2 == 0 {
            answer.write_all(&[turn; 3]).await.unwrap();
            answer.finish().unwrap();
            assert_eq!(recv.read_to_end(100).await.unwrap(), [turn; 3]);
        } else {
            recv.stop(CANCELLED).unwrap();
            assert_eq!(answer.stopped().await.unwrap(), Some(CANCELLED));
        }
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_pins_one_window_and_no_more() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (at_node, at_gateway) = linked(&node, &gateway).await;
    let (mut send, _recv) = at_gateway.open().await.unwrap();
    let piece = vec![1; 16 * 1024];
    let mut written = 0;
    while let Ok(bytes) = timeout(MOMENT, send.write(&piece)).await {
        written += bytes.unwrap();
    }
    assert_eq!(written, 256 * 1024);
    let (mut other, _recv) = at_gateway.open().await.unwrap();
    other.write_all(b"turns of others go on").await.unwrap();
    other.finish().unwrap();
    let (_unread, _stuck) = at_node.accept().await.unwrap();
    let (_answer, mut recv) = at_node.accept().await.unwrap();
    assert_eq!(recv.read_to_end(100).await.unwrap(), b"turns of others go on");
    drop(_stuck);
    assert!(send.write_all(&piece).await.is_err(), "it was told to stop");
}

#[tokio::test]
async fn a_stream_over_the_limit_waits_until_others_end() {
    let orchard = Orchard::plant();
    let link = LinkConfig { streams_max: 16, ..LinkConfig::default() };
    let node = orchard.member(PeerRole::Node, Options { link, ..Options::default() }).await;
    let gateway = orchard.gateway().await;
    let (at_node, at_gateway) = linked(&node, &gateway).await;
    let mut held = Vec::new();
    for _ in 0..16 {
        let (mut send, recv) = at_gateway.open().await.unwrap();
        send.write_all(b"x").await.unwrap();
        held.push((send, recv));
    }
    assert!(timeout(MOMENT, at_gateway.open()).await.is_err());
    // More room is announced when more than an eighth of it was given back.
    for (send, recv) in held.iter_mut().take(3) {
        send.finish().unwrap();
        let (mut answer, mut asked) = at_node.accept().await.unwrap();
        asked.read_to_end(10).await.unwrap();
        answer.finish().unwrap();
        recv.read_to_end(10).await.unwrap();
    }
    at_gateway.open().await.unwrap();
}

#[tokio::test]
async fn a_node_has_few_streams_towards_a_gateway() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (at_node, _at_gateway) = linked(&node, &gateway).await;
    let mut held = Vec::new();
    while let Ok(stream) = timeout(MOMENT, at_node.open()).await {
        held.push(stream.unwrap());
    }
    // The first stream is the control one.
    assert_eq!(held.len(), 15);
}
