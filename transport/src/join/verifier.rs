//! Whom a machine that joins trusts: a gateway whose certificate was signed by the authority of its token, and nobody
//! else. The authority's certificate comes in the same handshake; its fingerprint makes it genuine.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use pomona_protocol::PeerRole;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, PeerIncompatible, SignatureScheme};

use super::error::DialFailure;
use crate::certificate::{self, Certified, fingerprint_of};

/// Certificates that are looked at in one handshake; a gateway sends two.
const CHAIN_MAX: usize = 4;

/// Verifies one handshake and keeps what was wrong with it, because TLS reports a bare alert.
#[derive(Debug)]
pub(super) struct AuthorityVerifier {
    fingerprint: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
    failure: Mutex<Option<DialFailure>>,
}

impl AuthorityVerifier {
    pub(super) fn new(fingerprint: [u8; 32]) -> Self {
        let algorithms = certificate::provider().signature_verification_algorithms;
        Self { fingerprint, algorithms, failure: Mutex::new(None) }
    }

    /// What was wrong, once.
    pub(super) fn take_failure(&self) -> Option<DialFailure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ServerCertVerifier for AuthorityVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        let judged = judge(end_entity, intermediates, &self.fingerprint, now);
        judged.map(|()| ServerCertVerified::assertion()).map_err(|failure| {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            CertificateError::ApplicationVerificationFailure.into()
        })
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether `end_entity` is a gateway's, signed by the authority with this fingerprint, and counts at `now`.
fn judge(
    end_entity: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    fingerprint: &[u8; 32],
    now: SystemTime,
) -> Result<(), DialFailure> {
    let foreign = |message: String| DialFailure::Foreign { message };
    let is_authority = |candidate: &&CertificateDer<'_>| {
        fingerprint_of(candidate).is_ok_and(|candidate| candidate == *fingerprint)
    };
    let authority = chain
        .iter()
        .take(CHAIN_MAX)
        .find(is_authority)
        .ok_or_else(|| foreign("it shows another authority than the token names".to_owned()))?
        .clone()
        .into_owned();
    let certified = Certified::read(end_entity).map_err(|error| foreign(error.to_string()))?;
    // Genuine first, at a moment when it counts; then what the clock says.
    certificate::check(end_entity, &authority, certified.starts_at)
        .map_err(|error| foreign(error.to_string()))?;
    if certified.role != PeerRole::Gateway {
        return Err(foreign(format!("it is the {} `{}`", certified.role.as_str(), certified.node)));
    }
    if let Ok(early) = certified.starts_at.duration_since(now)
        && !early.is_zero()
    {
        return Err(DialFailure::Clock { seconds: early.as_secs(), direction: "behind" });
    }
    if let Ok(late) = now.duration_since(certified.expires_at)
        && !late.is_zero()
    {
        return Err(DialFailure::Clock { seconds: late.as_secs(), direction: "ahead" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn garbage_is_no_gateway_and_no_panic(
            leaf in prop::collection::vec(any::<u8>(), 0..300),
            chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
        ) {
            let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
            let judged = judge(&CertificateDer::from(leaf), &chain, &[0; 32], SystemTime::UNIX_EPOCH);
            prop_assert!(matches!(judged, Err(DialFailure::Foreign { .. })), "{:?}", judged);
        }
    }
}
