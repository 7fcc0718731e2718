//! Two members meet: what each learns of the other, and over which address.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use pomona_config::LinkConfig;
use pomona_protocol::{LinkPurpose, PathKind, PeerRole};
use pomona_transport::tls::{ALPN_HTTP3, ALPN_JOIN};
use pomona_transport::{AttemptError, DialError, DialTarget, Incoming, Speaker};
use tokio::io::AsyncReadExt;

use crate::fake;
use crate::orchard::{DAY, Options, Orchard, linked, target};

#[tokio::test]
async fn each_side_learns_who_the_other_is_and_the_first_stream_goes_on() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (ours, theirs) = linked(&node, &gateway).await;
    assert_eq!((&ours.peer().node, ours.peer().role), (&gateway.id(), PeerRole::Gateway));
    assert_eq!((&theirs.peer().node, theirs.peer().role), (&node.id(), PeerRole::Node));
    assert_eq!((ours.peer().address, theirs.peer().address), (gateway.address(), node.address()));
    assert_eq!((ours.peer().path, theirs.peer().path), (PathKind::Lan, PathKind::Lan));
    assert_eq!(theirs.peer().addresses, ["10.0.0.1:9999"]);
    assert_eq!(ours.our_control_key(), theirs.peer().control_key);
    assert_eq!(theirs.our_control_key(), ours.peer().control_key);
    assert_ne!(ours.our_control_key(), theirs.our_control_key());
    assert!(ours.dialled() && !theirs.dialled());

    let (mut recv, mut send) = ours.take_control().unwrap();
    let (mut their_recv, mut their_send) = theirs.take_control().unwrap();
    assert!(ours.take_control().is_none());
    send.write_all(b"beat").await.unwrap();
    let mut word = [0; 4];
    their_recv.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"beat");
    their_send.write_all(b"load").await.unwrap();
    AsyncReadExt::read_exact(&mut recv, &mut word).await.unwrap();
    assert_eq!(&word, b"load");
    assert!(ours.stats().mtu >= 1200 && ours.stats().congestion_window > 0);
}

#[tokio::test]
async fn two_nodes_share_weights_and_nothing_else() {
    let orchard = Orchard::plant();
    let (one, other) = (orchard.node().await, orchard.node().await);
    let refused = one.dial(&other).await.unwrap_err();
    assert!(
        matches!(&refused, DialError::Refused { refusal, .. } if refusal.code() == "purpose"),
        "{refused}"
    );
    let bulk = DialTarget { purpose: LinkPurpose::Bulk, ..other.target() };
    let (ours, theirs) = tokio::join!(one.endpoint.dial(bulk), other.arrival());
    let ours = ours.unwrap();
    assert!(ours.take_control().is_none() && theirs.take_control().is_none());
    let (mut send, _recv) = theirs.open_bulk().await.unwrap();
    send.write_all(b"weights").await.unwrap();
    send.finish().unwrap();
    let (_send, mut recv) = ours.accept().await.unwrap();
    assert_eq!(recv.read_to_end(100).await.unwrap(), b"weights");
}

#[tokio::test]
async fn a_lan_address_that_answers_wins() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let both = [(gateway.address(), PathKind::Wan), (gateway.address(), PathKind::Lan)];
    let link = node.endpoint.dial(target(Some(gateway.id()), &both)).await.unwrap();
    assert_eq!(link.peer().path, PathKind::Lan);
    assert_eq!(gateway.arrival().await.peer().path, PathKind::Lan);
}

#[tokio::test]
async fn a_silent_lan_address_leaves_the_link_to_the_wan() {
    let orchard = Orchard::plant();
    let link = LinkConfig { wan_head_start_ms: 20, ..LinkConfig::default() };
    let node = orchard.member(PeerRole::Node, Options { link, ..Options::default() }).await;
    let gateway = orchard.gateway().await;
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let both = [(silent.local_addr().unwrap(), PathKind::Lan), (gateway.address(), PathKind::Wan)];
    let link = node.endpoint.dial(target(Some(gateway.id()), &both)).await.unwrap();
    assert_eq!(link.peer().path, PathKind::Wan);
}

#[tokio::test]
async fn another_node_at_an_address_is_skipped() {
    let orchard = Orchard::plant();
    let (wanted, other, node) = (orchard.gateway().await, orchard.gateway().await, orchard.node().await);
    let both = [(other.address(), PathKind::Lan), (wanted.address(), PathKind::Wan)];
    let link = node.endpoint.dial(target(Some(wanted.id()), &both)).await.unwrap();
    assert_eq!(link.peer().node, wanted.id());
    let only = target(Some(wanted.id()), &both[..1]);
    let Err(DialError::Failed(failed)) = node.endpoint.dial(only).await else { panic!() };
    assert_eq!(failed[0].1, AttemptError::WrongNode { expected: wanted.id(), found: other.id() });
    let any = node.endpoint.dial(target(None, &both[..1])).await.unwrap();
    assert_eq!(any.peer().node, other.id());
}

#[tokio::test]
async fn nobody_dials_itself_or_nowhere() {
    let gateway = Orchard::plant().gateway().await;
    assert_eq!(gateway.dial(&gateway).await.unwrap_err(), DialError::Own(gateway.id()));
    let own = target(None, &[(gateway.address(), PathKind::Lan)]);
    let Err(DialError::Failed(failed)) = gateway.endpoint.dial(own).await else { panic!() };
    assert_eq!(failed[0].1, AttemptError::Own);
    let nowhere = gateway.endpoint.dial(target(None, &[])).await.unwrap_err();
    assert_eq!(nowhere, DialError::NoCandidates);
    let unusable = SocketAddr::from(([127, 0, 0, 1], 0));
    let refused = gateway.endpoint.dial(target(None, &[(unusable, PathKind::Lan)])).await.unwrap_err();
    assert!(refused.to_string().contains("127.0.0.1:0 (lan): "), "{refused}");
}

#[tokio::test]
async fn a_first_contact_and_http3_need_no_certificate() {
    let orchard = Orchard::plant();
    let gateway = orchard.gateway().await;
    let _joining = fake::connect(&gateway, None, ALPN_JOIN).await;
    assert!(matches!(gateway.endpoint.accept().await, Some(Incoming::Join(_))));
    assert!(fake::try_connect(&gateway, None, ALPN_HTTP3).await.is_err(), "no certificate for it yet");
    let names = ["localhost".to_owned()];
    let made = orchard.authority.sign_server(&names, &[], DAY, std::time::SystemTime::now()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&made.key).unwrap();
    let shown = rustls::sign::CertifiedKey::new(made.chain.clone(), key);
    gateway.endpoint.offer_http3(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
    let client = fake::connect(&gateway, None, ALPN_HTTP3).await;
    let chain = client.peer_identity().unwrap().downcast::<Vec<rustls::pki_types::CertificateDer<'_>>>();
    assert_eq!(chain.unwrap()[0], made.chain[0]);
    assert!(matches!(gateway.endpoint.accept().await, Some(Incoming::Http3(_))));
    assert!(fake::try_connect(&gateway, None, b"smtp").await.is_err());
}

#[tokio::test]
async fn a_certificate_swapped_in_place_counts_from_the_next_handshake_on() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (first, theirs) = linked(&node, &gateway).await;
    let request = node.identity.renewal_request().unwrap();
    let now = std::time::SystemTime::now();
    let signed = orchard.authority.sign(&request.der, PeerRole::Gateway, DAY, now).unwrap();
    node.identity.swap(&signed.certificate).unwrap();
    let (_second, seen) = linked(&node, &gateway).await;
    assert_eq!((&seen.peer().node, seen.peer().role), (&node.id(), PeerRole::Gateway));
    assert_eq!(theirs.peer().role, PeerRole::Node);
    assert!(!first.is_closed() && !theirs.is_closed());

    let (_third, _seen) = linked(&gateway, &node).await;
}

#[tokio::test]
async fn what_is_said_in_greetings_can_change() {
    let orchard = Orchard::plant();
    let (gateway, node) = (orchard.gateway().await, orchard.node().await);
    let (first, _theirs) = linked(&node, &gateway).await;
    gateway.endpoint.set_speaker(Speaker {
        name: "quince".to_owned(),
        version: "0.2.0".to_owned(),
        boot: first.peer().boot,
        addresses: Vec::new(),
    });
    let (second, _theirs) = linked(&node, &gateway).await;
    assert_eq!((first.peer().name.as_str(), second.peer().name.as_str()), ("pear", "quince"));
    assert!(!first.is_closed() && second.peer().addresses.is_empty());
}
