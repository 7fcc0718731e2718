//! Others than ours on the wire: a QUIC client that says what it is told to, and a relay that can be pointed elsewhere.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::BytesMut;
use pomona_protocol::link::LINK_PROTOCOL;
use pomona_protocol::{Hello, HelloAnswer, LinkPurpose, LinkRefusal, PathKind, PeerRole, encode_frame};
use pomona_transport::Identity;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::DigitallySignedStruct;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::orchard::Member;

/// A client that trusts anybody and shows the certificate of `shown`, if any.
pub(crate) async fn connect(to: &Member, shown: Option<&Member>, protocol: &[u8]) -> quinn::Connection {
    try_connect(to, shown, protocol).await.unwrap()
}

pub(crate) async fn try_connect(
    to: &Member,
    shown: Option<&Member>,
    protocol: &[u8],
) -> Result<quinn::Connection, quinn::ConnectionError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(member) => {
            let read = |name: &str| std::fs::read(member.folder.path().join(name)).unwrap();
            let chain = vec![CertificateDer::from_pem_slice(&read("member.pem")).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(&read("member.key")).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
    let endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    endpoint.connect_with(config, to.address(), "localhost").unwrap().await
}

/// A greeting as it should be.
pub(crate) fn hello(identity: &Identity, role: PeerRole) -> Hello {
    Hello {
        protocol: LINK_PROTOCOL,
        version: "0.1.0".to_owned(),
        cluster: "orchard".to_owned(),
        node: identity.node().clone(),
        name: "fig".to_owned(),
        role,
        boot: 7,
        purpose: LinkPurpose::Member,
        path: PathKind::Lan,
        control_key: 1,
        addresses: Vec::new(),
    }
}

/// Says a greeting and reads the answer.
pub(crate) async fn greet(connection: &quinn::Connection, hello: &Hello) -> HelloAnswer {
    let mut frame = BytesMut::new();
    encode_frame(hello, &mut frame, 1 << 20).unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&frame).await.unwrap();
    let mut header = [0; 4];
    recv.read_exact(&mut header).await.unwrap();
    let mut body = vec![0; u32::from_be_bytes(header) as usize];
    recv.read_exact(&mut body).await.unwrap();
    rmp_serde::from_slice(&body).unwrap()
}

pub(crate) async fn refusal(connection: &quinn::Connection, hello: &Hello) -> LinkRefusal {
    match greet(connection, hello).await {
        HelloAnswer::Refused(refusal) => refusal,
        HelloAnswer::Welcome(_) => panic!("welcome, {hello:?}"),
    }
}

/// The code that the other side closed with.
pub(crate) async fn close_code(connection: &quinn::Connection) -> u64 {
    match connection.closed().await {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other} instead of a close"),
    }
}

/// Passes packets of one client on to whoever it is pointed at.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    upstream: Arc<Mutex<Option<SocketAddr>>>,
    front: Arc<UdpSocket>,
    stop: Arc<Mutex<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    pub(crate) fn to(upstream: SocketAddr) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        front.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = front.local_addr().unwrap();
        let upstream = Arc::new(Mutex::new(Some(upstream)));
        let stop = Arc::new(Mutex::new(false));
        let (socket, target, stopped) = (Arc::clone(&front), Arc::clone(&upstream), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut packet = vec![0; 65536];
            let mut client = None;
            while !*stopped.lock().unwrap() {
                let Ok((bytes, from)) = socket.recv_from(&mut packet) else { continue };
                let target = *target.lock().unwrap();
                let from_client = client.is_none_or(|client| client == from);
                let to = if from_client { target } else { client };
                client = client.or(Some(from));
                // Packets of an upstream that was replaced are lost, as those of a dead process are.
                if let Some(to) = to.filter(|_| from_client || Some(from) == target) {
                    drop(socket.send_to(&packet[..bytes], to));
                }
            }
        });
        Self { address, upstream, front, stop, thread: Some(thread) }
    }

    pub(crate) fn point_at(&self, upstream: Option<SocketAddr>) {
        *self.upstream.lock().unwrap() = upstream;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        *self.stop.lock().unwrap() = true;
        drop(self.front.send_to(b"", self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
