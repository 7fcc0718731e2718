//! TLS of both sides. The certificate shown is looked up at each handshake, so that a renewed one counts at once. A
//! resumed session would skip the look at certificates; there are none, and no 0-RTT.

use std::sync::{Arc, OnceLock};

use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, ServerConfig, SignatureScheme,
};

use crate::certificate::{self, Certified};
use crate::error::IdentityError;
use crate::identity::Identity;

/// Member links.
pub const ALPN_MEMBER: &[u8] = b"pomona/1";
/// First contact of a machine that is no member yet.
pub const ALPN_JOIN: &[u8] = b"pomona-join/1";
/// HTTP/3 of clients.
pub const ALPN_HTTP3: &[u8] = b"h3";

/// The certificates of this process; which one is shown depends on what is asked for.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) identity: Identity,
    pub(crate) http: OnceLock<Arc<dyn ResolvesServerCert>>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_ours = |protocol| protocol == ALPN_MEMBER || protocol == ALPN_JOIN;
        if client_hello.alpn()?.any(is_ours) {
            return Some(self.identity.certified_key());
        }
        self.http.get()?.resolve(client_hello)
    }
}

impl ResolvesClientCert for Certificates {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.identity.certified_key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The accepting side: whoever shows a certificate has to show one of ours. Whether one is needed at all depends on
/// the protocol, which is known after the handshake: see `greeting`.
pub(crate) fn server(certificates: &Arc<Certificates>) -> Result<Arc<QuicServerConfig>, IdentityError> {
    let roots = Arc::new(certificate::roots(certificates.identity.authority())?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, certificate::provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| broken(&error))?;
    let mut config = ServerConfig::builder_with_provider(certificate::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| broken(&error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(certificates) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = [ALPN_MEMBER, ALPN_JOIN, ALPN_HTTP3].map(<[u8]>::to_vec).to_vec();
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    QuicServerConfig::try_from(config).map(Arc::new).map_err(|error| broken(&error))
}

/// The dialling side of member links.
pub(crate) fn client(certificates: &Arc<Certificates>) -> Result<Arc<QuicClientConfig>, IdentityError> {
    let roots = Arc::new(certificate::roots(certificates.identity.authority())?);
    let chain = WebPkiServerVerifier::builder_with_provider(roots, certificate::provider())
        .build()
        .map_err(|error| broken(&error))?;
    let mut config = ClientConfig::builder_with_provider(certificate::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| broken(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyMember { chain }))
        .with_client_cert_resolver(Arc::clone(certificates) as Arc<dyn ResolvesClientCert>);
    config.alpn_protocols = vec![ALPN_MEMBER.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    QuicClientConfig::try_from(config).map(Arc::new).map_err(|error| broken(&error))
}

/// The accepting side of a listener that nobody is to get past: it has no certificate to show.
pub fn no_entry() -> Result<Arc<ServerConfig>, IdentityError> {
    let config = ServerConfig::builder_with_provider(certificate::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| broken(&error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(NoCertificate));
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// The protocol that a handshake settled on.
pub(crate) fn protocol_of(connection: &quinn::Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

/// What the other side's certificate says, if it showed one.
pub(crate) fn certified_of(connection: &quinn::Connection) -> Option<Result<Certified, IdentityError>> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    chain.first().map(Certified::read)
}

/// Takes any member of the cluster. Which one it has to be is checked by the dialler, who can name both then.
#[derive(Debug)]
struct AnyMember {
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyMember {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certified = Certified::read(end_entity)
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))))?;
        let name = ServerName::try_from(certificate::server_name(&certified.node))
            .map_err(|_| CertificateError::NotValidForName)?;
        self.chain.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn broken(error: &dyn std::fmt::Display) -> IdentityError {
    IdentityError::Crypto { what: "a TLS configuration", message: error.to_string() }
}
