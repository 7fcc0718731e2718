//! Both sides of a first contact over loopback, with a real authority and a real registry.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use pomona_protocol::NewToken;
use pomona_protocol::join::{JoinRefusal, TOKEN_ADDRESSES_MAX};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio_util::task::AbortOnDropHandle;

use super::error::DialFailure;
use super::*;
use crate::authority::Authority;
use crate::certificate;
use crate::endpoint::{Endpoint, EndpointParts, Incoming};
use crate::registry::{Registry, RegistryParts};
use crate::revocation::RevocationList;
use crate::speaker::Speaker;
use crate::tls::ALPN_JOIN;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Gateway {
    folder: TempDir,
    authority: Arc<Authority>,
    registry: Arc<Registry>,
    now: SystemTime,
}

impl Gateway {
    fn new() -> Self {
        Self::at(SystemTime::now())
    }

    /// A gateway that believes that it is `now`.
    fn at(now: SystemTime) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::load_or_create(folder.path(), "orchard").unwrap());
        let parts = RegistryParts {
            folder: folder.path().to_owned(),
            members_max: 8,
            certificate_lifetime: DAY,
            version: "0.1.0".to_owned(),
        };
        let registry = Arc::new(Registry::open(parts).unwrap());
        Self { folder, authority, registry, now }
    }

    fn token(&self, addresses: &[SocketAddr]) -> JoinToken {
        self.token_of(addresses, PeerRole::Node)
    }

    fn token_of(&self, addresses: &[SocketAddr], role: PeerRole) -> JoinToken {
        let wish = NewToken { role, ttl_s: 600, uses: 1, name: None };
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let fingerprint = self.authority.fingerprint();
        self.registry.create_token(&wish, &addresses, fingerprint, self.now).unwrap().1
    }

    /// Listens with a certificate of its own authority.
    fn listen(&self) -> (SocketAddr, Server) {
        self.listen_as(PeerRole::Gateway, self.authority.certificate().clone())
    }

    /// Listens as some member and shows `shown` for its authority.
    fn listen_as(&self, role: PeerRole, shown: CertificateDer<'static>) -> (SocketAddr, Server) {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
        let signed = self.authority.sign(request.der(), role, DAY, self.now).unwrap();
        let endpoint = endpoint(vec![signed.certificate, shown], &key);
        let address = endpoint.local_addr().unwrap();
        let (registry, authority, now) = (Arc::clone(&self.registry), Arc::clone(&self.authority), self.now);
        let serve = async move {
            while let Some(incoming) = endpoint.accept().await {
                let Ok(connection) = incoming.await else { continue };
                let Ok(contact) = JoinConnection::receive(connection, Duration::from_secs(5)).await else {
                    continue;
                };
                let (request, exporter) = (contact.request(), contact.exporter());
                let answer = registry.admit(request, exporter, contact.remote(), &authority, now);
                contact.answer(&answer).await.unwrap();
            }
        };
        (address, Server { _task: AbortOnDropHandle::new(spawn(serve)) })
    }
}

struct Server {
    _task: AbortOnDropHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "the handle is owned by its Server")]
fn spawn(work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(work)
}

fn endpoint(chain: Vec<CertificateDer<'static>>, key: &rcgen::KeyPair) -> quinn::Endpoint {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut tls = rustls::ServerConfig::builder_with_provider(certificate::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = vec![ALPN_JOIN.to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    quinn::Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

fn parts(folder: &TempDir, token: JoinToken) -> JoinParts {
    JoinParts {
        token,
        role: PeerRole::Node,
        name: "studio".to_owned(),
        version: "0.1.0".to_owned(),
        bind: Ipv4Addr::LOCALHOST.into(),
        folder: folder.path().to_owned(),
        mdns: false,
    }
}

async fn join_with(token: JoinToken) -> Result<(Identity, Membership), JoinError> {
    let folder = tempfile::tempdir().unwrap();
    join(&parts(&folder, token)).await
}

#[tokio::test]
async fn a_machine_with_a_token_becomes_a_member_and_stays_one() {
    let gateway = Gateway::new();
    let (address, _server) = gateway.listen();
    let folder = tempfile::tempdir().unwrap();
    let (identity, membership) = join(&parts(&folder, gateway.token(&[address]))).await.unwrap();
    assert_eq!((identity.node(), identity.role()), (&membership.node, PeerRole::Node));
    assert_eq!((identity.cluster().as_str(), membership.name.as_str()), ("orchard", "studio"));
    assert_eq!(gateway.registry.members()[0].node, membership.node);
    let loaded = Identity::load(folder.path()).unwrap().unwrap();
    assert_eq!(loaded.node(), identity.node());
    assert!(gateway.folder.path().join("registry.json").exists());
}

#[tokio::test]
async fn a_machine_joins_at_the_socket_that_takes_links_as_well() {
    let gateway = Gateway::new();
    let (authority, folder, now) = (&gateway.authority, gateway.folder.path(), gateway.now);
    let identity = Identity::self_signed_by(authority, folder, PeerRole::Gateway, DAY, now).unwrap();
    let speaker =
        Speaker { name: "gate".to_owned(), version: "0.1.0".to_owned(), boot: 1, addresses: Vec::new() };
    let endpoint = Endpoint::bind(EndpointParts {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        identity,
        speaker,
        link: pomona_config::LinkConfig::default(),
        members_max: 4,
        revoked: RevocationList::default(),
        on_refused: None,
    })
    .await
    .unwrap();
    let token = gateway.token(&[endpoint.local_addr().unwrap()]);
    let serve = async {
        let Some(Incoming::Join(connection)) = endpoint.accept().await else { panic!("no first contact") };
        let contact = JoinConnection::receive(connection, Duration::from_secs(5)).await.unwrap();
        let (request, exporter) = (contact.request(), contact.exporter());
        let answer = gateway.registry.admit(request, exporter, contact.remote(), authority, now);
        contact.answer(&answer).await.unwrap();
    };
    let (joined, ()) = tokio::join!(join_with(token), serve);
    assert_eq!(joined.unwrap().1.name, "studio");
    endpoint.close().await;
}

#[tokio::test]
async fn each_refusal_arrives_as_what_it_is() {
    let gateway = Gateway::new();
    let (address, _server) = gateway.listen();
    let token = gateway.token(&[address]);
    join_with(token.clone()).await.unwrap();
    let refusal = |joined: Result<_, JoinError>| match joined.map(|(identity, _)| identity) {
        Err(JoinError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    };
    assert_eq!(refusal(join_with(token).await), JoinRefusal::Used { uses: 1 });
    let foreign = JoinToken { secret: [0; 16], ..gateway.token(&[address]) };
    assert_eq!(refusal(join_with(foreign).await), JoinRefusal::UnknownToken);
    let other_role = gateway.token_of(&[address], PeerRole::Gateway);
    assert_eq!(refusal(join_with(other_role).await).code(), "wrong_role");
    let hidden = tempfile::tempdir().unwrap();
    let nameless = JoinParts { name: String::new(), ..parts(&hidden, gateway.token(&[address])) };
    assert_eq!(refusal(join(&nameless).await).code(), "invalid");
    assert!(Identity::load(hidden.path()).unwrap().is_none());
}

#[tokio::test]
async fn an_old_token_is_refused_as_expired() {
    let mut gateway = Gateway::new();
    gateway.now -= Duration::from_secs(660);
    let mut token = gateway.token(&[]);
    gateway.now += Duration::from_secs(660);
    let (address, _server) = gateway.listen();
    token.addresses = vec![address.to_string()];
    let error = join_with(token).await.unwrap_err();
    assert!(matches!(error, JoinError::Refused(JoinRefusal::Expired { .. })), "{error}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_whichever_side_notices() {
    for (ahead, direction) in [(Duration::from_secs(900), "behind"), (2 * DAY, "behind")] {
        let gateway = Gateway::at(SystemTime::now() + ahead);
        let (address, _server) = gateway.listen();
        let error = join_with(gateway.token(&[address])).await.unwrap_err();
        assert!(matches!(&error, JoinError::Clock { direction: said, .. } if *said == direction), "{error}");
    }
    let gateway = Gateway::at(SystemTime::now() - 2 * DAY);
    let (address, _server) = gateway.listen();
    let error = join_with(gateway.token(&[address])).await.unwrap_err();
    assert!(matches!(&error, JoinError::Clock { direction: "ahead", .. }), "{error}");
    let gateway = Gateway::at(SystemTime::now() - Duration::from_secs(900));
    let (address, _server) = gateway.listen();
    let error = join_with(gateway.token(&[address])).await.unwrap_err();
    assert!(error.to_string().contains("ahead"), "{error}");
    assert!(matches!(error, JoinError::Refused(JoinRefusal::Clock { .. })), "{error}");
}

#[tokio::test]
async fn whoever_stands_in_the_middle_fails_at_the_certificate() {
    let (gateway, stranger) = (Gateway::new(), Gateway::new());
    let genuine = gateway.authority.certificate().clone();
    // With an authority of his own; with the real authority's certificate beside his; as a mere node of the cluster.
    let (own, _own) = stranger.listen();
    let (borrowed, _borrowed) = stranger.listen_as(PeerRole::Gateway, genuine.clone());
    let (node, _node) = gateway.listen_as(PeerRole::Node, genuine);
    for address in [own, borrowed, node] {
        let error = join_with(gateway.token(&[address])).await.unwrap_err();
        let JoinError::WrongFingerprint { address: named, .. } = &error else { panic!("{error}") };
        assert_eq!(*named, address.to_string());
    }
    assert_eq!(gateway.registry.tokens(gateway.now).len(), 3);
    assert!(stranger.registry.members().is_empty() && gateway.registry.members().is_empty());
}

#[tokio::test]
async fn one_right_address_among_wrong_ones_is_enough() {
    let (gateway, stranger) = (Gateway::new(), Gateway::new());
    let ((right, _server), (wrong, _other)) = (gateway.listen(), stranger.listen());
    let mut token = gateway.token(&[wrong, right]);
    token.addresses.insert(0, "no such host:1".to_owned());
    assert!(token.addresses.len() <= TOKEN_ADDRESSES_MAX);
    join_with(token).await.unwrap();
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_listed_with_its_reason() {
    let gateway = Gateway::new();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut token = gateway.token(&[silent.local_addr().unwrap()]);
    token.addresses.push("nowhere".to_owned());
    let error = join_with(token.clone()).await.unwrap_err();
    let JoinError::Unreachable { tried } = &error else { panic!("{error}") };
    assert_eq!(
        tried.iter().map(|tried| &tried.address).collect::<Vec<_>>(),
        token.addresses.iter().collect::<Vec<_>>()
    );
    assert!(tried.iter().all(|tried| matches!(tried.failure, DialFailure::Unreachable { .. })));
    assert!(error.to_string().contains("`nowhere` ("), "{error}");
    let error = join_with(gateway.token(&[])).await.unwrap_err();
    assert!(matches!(error, JoinError::NoAddress { looked: false }), "{error}");
}

#[tokio::test]
async fn a_caller_that_sends_no_request_is_let_go() {
    let gateway = Gateway::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let signed = gateway.authority.sign(request.der(), PeerRole::Gateway, DAY, gateway.now).unwrap();
    let server = endpoint(vec![signed.certificate, gateway.authority.certificate().clone()], &key);
    let address = [server.local_addr().unwrap().to_string()];
    let client = dial::endpoint(Ipv4Addr::LOCALHOST.into()).unwrap();
    let sent: [&[u8]; 3] = [b"", b"\0\xff\xff\xff", b"\0\0\0\x04nope"];
    for bytes in sent {
        let dialled = dial::first(&client, &address, gateway.authority.fingerprint());
        let accepted = async { server.accept().await.unwrap().await.unwrap() };
        let (dialled, accepted) = tokio::join!(dialled, accepted);
        let (mut send, _receive) = dialled.as_ref().unwrap().0.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        let limit = Duration::from_millis(if bytes.is_empty() { 50 } else { 60_000 });
        let error = JoinConnection::receive(accepted, limit).await.unwrap_err();
        let is_slow = matches!(error, JoinConnectionError::Slow { .. });
        assert_eq!(is_slow, bytes.is_empty(), "{error}");
        dialled.unwrap().0.closed().await;
    }
}
