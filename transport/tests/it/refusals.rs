//! Who is not let in, and what it is told.

use std::sync::Arc;
use std::time::SystemTime;

use pomona_config::LinkConfig;
use pomona_protocol::{Hello, LinkRefusal, NodeId, PeerRole};
use pomona_transport::tls::ALPN_MEMBER;
use pomona_transport::{AttemptError, DialError, LinkError, OnRefused};

use crate::fake;
use crate::orchard::{DAY, Member, Options, Orchard, linked};

fn why(error: DialError) -> AttemptError {
    match error {
        DialError::Failed(mut failed) => failed.remove(0).1,
        other => panic!("{other}"),
    }
}

fn refused(error: DialError) -> LinkRefusal {
    match error {
        DialError::Refused { refusal, .. } => refusal,
        other => panic!("{other}"),
    }
}

/// Whatever came before, a member gets in.
async fn still_serves(orchard: &Orchard, gateway: &Member) {
    let node = orchard.node().await;
    drop(linked(&node, gateway).await);
}

#[tokio::test]
async fn members_of_another_authority_are_refused_on_both_sides() {
    let (ours, theirs) = (Orchard::plant(), Orchard::plant());
    let (gateway, stranger) = (ours.gateway().await, theirs.node().await);
    let error = why(stranger.dial(&gateway).await.unwrap_err());
    assert!(matches!(error, AttemptError::Link(LinkError::Certificate { .. })), "{error}");
    // One that trusts anybody does not get in either.
    let connection = fake::try_connect(&gateway, Some(&stranger), ALPN_MEMBER).await;
    let error = match connection {
        Ok(connection) => connection.closed().await,
        Err(error) => error,
    };
    assert!(matches!(LinkError::from(error), LinkError::CertificateRefused { .. }));
    still_serves(&ours, &gateway).await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_name_on_both_sides() {
    let orchard = Orchard::plant();
    let long_ago = Options { signed_at: SystemTime::now() - 90 * DAY, ..Options::default() };
    let expired = orchard.member(PeerRole::Gateway, long_ago).await;
    let gateway = orchard.gateway().await;
    let error = why(expired.dial(&gateway).await.unwrap_err());
    assert!(matches!(error, AttemptError::Link(LinkError::CertificateRefused { .. })), "{error}");
    let error = why(gateway.dial(&expired).await.unwrap_err());
    assert!(matches!(error, AttemptError::Link(LinkError::Certificate { .. })), "{error}");
    assert!(error.to_string().contains("expired"), "{error}");
    still_serves(&orchard, &gateway).await;
}

#[tokio::test]
async fn a_removed_member_loses_its_links_at_once_and_gets_no_new_one() {
    let orchard = Orchard::plant();
    let (gateway, node, other) = (orchard.gateway().await, orchard.node().await, orchard.node().await);
    let (ours, theirs) = linked(&node, &gateway).await;
    let (kept, _seen) = linked(&other, &gateway).await;
    gateway.endpoint.revoke(&[node.id()]);
    assert_eq!(theirs.closed().await, LinkError::Revoked);
    assert_eq!(ours.closed().await, LinkError::Revoked);
    assert!(matches!(ours.open().await, Err(LinkError::Revoked)));
    assert!(!kept.is_closed());
    let refusal = refused(node.dial(&gateway).await.unwrap_err());
    assert_eq!(refusal, LinkRefusal::Revoked { node: node.id() });
    // The gateway does not dial it either.
    let bulk = pomona_transport::DialTarget { purpose: pomona_protocol::LinkPurpose::Bulk, ..node.target() };
    let refusal = refused(gateway.endpoint.dial(bulk).await.unwrap_err());
    assert_eq!(refusal, LinkRefusal::Revoked { node: node.id() });
}

#[tokio::test]
async fn without_a_certificate_nothing_is_read() {
    let orchard = Orchard::plant();
    let gateway = orchard.gateway().await;
    let connection = fake::connect(&gateway, None, ALPN_MEMBER).await;
    assert_eq!(fake::close_code(&connection).await, 3);
    still_serves(&orchard, &gateway).await;
}

#[tokio::test]
async fn a_greeting_that_lies_is_refused_by_name() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let honest = fake::hello(&node.identity, PeerRole::Node);
    let role = Hello { role: PeerRole::Gateway, ..honest.clone() };
    let id = Hello { node: NodeId::from("n-0000000000000000"), ..honest.clone() };
    let cluster = Hello { cluster: "meadow".to_owned(), ..honest.clone() };
    let older = Hello { protocol: 0, ..honest.clone() };
    for (hello, code) in [(role, "identity"), (id, "identity"), (cluster, "cluster"), (older, "version")] {
        let connection = fake::connect(&gateway, Some(&node), ALPN_MEMBER).await;
        let refusal = fake::refusal(&connection, &hello).await;
        assert_eq!(refusal.code(), code, "{refusal}");
        assert_eq!(fake::close_code(&connection).await, 5);
    }
    let connection = fake::connect(&gateway, Some(&node), ALPN_MEMBER).await;
    let welcome = fake::greet(&connection, &honest).await;
    assert!(matches!(welcome, pomona_protocol::HelloAnswer::Welcome(hello) if hello.node == gateway.id()));
}

#[tokio::test]
async fn each_refused_link_is_reported_once_with_its_member_and_reason() {
    let orchard = Orchard::plant();
    let (heard, mut refusals) = tokio::sync::mpsc::unbounded_channel();
    let on_refused: OnRefused = Arc::new(move |node, remote, refusal| {
        heard.send((node.cloned(), remote.ip(), refusal.code())).unwrap();
    });
    let options = Options { members_max: 1, on_refused: Some(on_refused), ..Options::default() };
    let gateway = orchard.member(PeerRole::Gateway, options).await;
    let (node, other) = (orchard.node().await, orchard.node().await);
    let honest = fake::hello(&node.identity, PeerRole::Node);
    // Whatever it claims: the certificate says who it is.
    let id = Hello { node: NodeId::from("n-0000000000000000"), ..honest.clone() };
    let cluster = Hello { cluster: "meadow".to_owned(), ..honest.clone() };
    let older = Hello { protocol: 0, ..honest };
    let mut expected = Vec::new();
    for (hello, code) in [(id, "identity"), (cluster, "cluster"), (older, "version")] {
        let connection = fake::connect(&gateway, Some(&node), ALPN_MEMBER).await;
        fake::refusal(&connection, &hello).await;
        expected.push((node.id(), code));
    }
    let (_held, _theirs) = linked(&node, &gateway).await;
    refused(other.dial(&gateway).await.unwrap_err());
    expected.push((other.id(), "full"));
    gateway.endpoint.revoke(&[node.id()]);
    refused(node.dial(&gateway).await.unwrap_err());
    expected.push((node.id(), "revoked"));
    gateway.endpoint.drain();
    assert_eq!(refused(other.dial(&gateway).await.unwrap_err()), LinkRefusal::ShuttingDown);
    for (node, code) in expected {
        assert_eq!(refusals.recv().await, Some((Some(node), gateway.address().ip(), code)));
    }
    // Going down is no refusal to account for, and nothing was said twice.
    assert!(refusals.try_recv().is_err());
}

#[tokio::test]
async fn a_node_reports_that_it_takes_no_member_links() {
    let orchard = Orchard::plant();
    let (heard, mut refusals) = tokio::sync::mpsc::unbounded_channel();
    let on_refused: OnRefused = Arc::new(move |node, _, refusal| {
        heard.send((node.cloned(), refusal.code())).unwrap();
    });
    let options = Options { on_refused: Some(on_refused), ..Options::default() };
    let node = orchard.member(PeerRole::Node, options).await;
    let other = orchard.node().await;
    refused(other.dial(&node).await.unwrap_err());
    assert_eq!(refusals.recv().await, Some((Some(other.id()), "purpose")));
    assert!(refusals.try_recv().is_err());
}

#[tokio::test]
async fn another_protocol_is_told_so_even_when_its_greeting_looks_different() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let connection = fake::connect(&gateway, Some(&node), ALPN_MEMBER).await;
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    // {"protocol": 2}
    send.write_all(b"\0\0\0\x0b\x81\xa8protocol\x02").await.unwrap();
    let answer = recv.read_to_end(1000).await.unwrap();
    let answer: pomona_protocol::HelloAnswer = rmp_serde::from_slice(&answer[4..]).unwrap();
    let version = LinkRefusal::Version { ours: 1, version: "0.1.0".to_owned(), theirs: 2 };
    assert_eq!(answer, pomona_protocol::HelloAnswer::Refused(version));
}

#[tokio::test]
async fn garbage_in_place_of_a_greeting_closes_the_connection_and_nothing_else() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let mut noise = vec![0u8; 4096];
    (0..noise.len()).for_each(|i| noise[i] = (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]);
    let mut long_name = bytes::BytesMut::new();
    let hello = fake::hello(&node.identity, PeerRole::Node);
    let hello = Hello { name: "x".repeat(65), ..hello };
    pomona_protocol::encode_frame(&hello, &mut long_name, 1 << 20).unwrap();
    let whole = long_name.len();
    for garbage in [
        &noise[1..],
        b"\xff\xff\xff\xff",
        b"\0\x01\0\x01",
        b"\0\0\0\0",
        b"\0\0\0\x04\xde\xad\xbe\xef",
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
        b"\0\0",
        &long_name[..whole / 2],
        &long_name,
    ] {
        let connection = fake::connect(&gateway, Some(&node), ALPN_MEMBER).await;
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        // It may be closed before everything is written.
        drop(send.write_all(garbage).await);
        drop(send.finish());
        assert_eq!(fake::close_code(&connection).await, 4, "{:?}", &garbage[..garbage.len().min(20)]);
    }
    still_serves(&orchard, &gateway).await;
}

#[tokio::test]
async fn a_million_tiny_frames_end_with_the_first() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let connection = fake::connect(&gateway, Some(&node), ALPN_MEMBER).await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let frames = b"\0\0\0\x01\xc0".repeat(1_000_000);
    assert!(send.write_all(&frames).await.is_err(), "somebody read all of them");
    assert_eq!(fake::close_code(&connection).await, 4);
    still_serves(&orchard, &gateway).await;
}

#[tokio::test]
async fn who_says_nothing_is_shown_out() {
    let orchard = Orchard::plant();
    let link = LinkConfig { greeting_ms: 4_000, ..LinkConfig::default() };
    let gateway = orchard.member(PeerRole::Gateway, Options { link, ..Options::default() }).await;
    let node = orchard.node().await;
    let silent = fake::connect(&gateway, Some(&node), ALPN_MEMBER).await;
    assert_eq!(fake::close_code(&silent).await, 7);
    // A frame that never ends is no better.
    let slow = fake::connect(&gateway, Some(&node), ALPN_MEMBER).await;
    let (mut send, _recv) = slow.open_bi().await.unwrap();
    send.write_all(b"\0\0\x10\0half").await.unwrap();
    assert_eq!(fake::close_code(&slow).await, 7);
    still_serves(&orchard, &gateway).await;
}

#[tokio::test]
async fn a_full_or_draining_gateway_says_so() {
    let orchard = Orchard::plant();
    let small = Options { members_max: 1, ..Options::default() };
    let gateway = orchard.member(PeerRole::Gateway, small).await;
    let (one, two) = (orchard.node().await, orchard.node().await);
    let (held, theirs) = linked(&one, &gateway).await;
    let refusal = refused(two.dial(&gateway).await.unwrap_err());
    assert_eq!(refusal, LinkRefusal::Full { open: 1, limit: 1 });
    drop(held);
    assert!(matches!(theirs.closed().await, LinkError::ClosedByPeer { .. }));
    let (_held, _theirs) = linked(&two, &gateway).await;
    gateway.endpoint.drain();
    assert_eq!(refused(one.dial(&gateway).await.unwrap_err()), LinkRefusal::ShuttingDown);
}

#[tokio::test]
async fn a_crowd_in_the_doorway_does_not_keep_members_out() {
    let orchard = Orchard::plant();
    let link = LinkConfig { greeting_ms: 60_000, ..LinkConfig::default() };
    let gateway = orchard.member(PeerRole::Gateway, Options { link, ..Options::default() }).await;
    let node = orchard.node().await;
    let mut crowd = Vec::new();
    // From the 33rd on, addresses have to be proven first; no more than 64 come from one.
    for _ in 0..60 {
        crowd.push(fake::connect(&gateway, Some(&node), ALPN_MEMBER).await);
    }
    still_serves(&orchard, &gateway).await;
    for _ in 60..64 {
        crowd.push(fake::connect(&gateway, Some(&node), ALPN_MEMBER).await);
    }
    assert!(fake::try_connect(&gateway, Some(&node), ALPN_MEMBER).await.is_err());
    crowd.clear();
}
