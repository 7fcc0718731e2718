//! What the certificates of this cluster say, and reading it back. Used wherever a certificate comes from outside: a
//! file, a join, a handshake.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pomona_protocol::{NodeId, PeerRole};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::IdentityError;

/// Longest name of a cluster, in bytes; longer ones break tables and labels.
pub const CLUSTER_NAME_BYTES_MAX: usize = 63;
/// Certificates count from this long before they were made: clocks of machines that join may differ by as much.
pub const BACKDATED: Duration = Duration::from_secs(5 * 60);

const ID_HEX_DIGITS: usize = 16;

/// What a member's certificate says of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Its id; follows from its key.
    pub node: NodeId,
    /// What it may do.
    pub role: PeerRole,
    /// The cluster that it belongs to.
    pub cluster: String,
    /// First moment of the certificate.
    pub starts_at: SystemTime,
    /// Last moment of the certificate.
    pub expires_at: SystemTime,
}

impl Certified {
    /// Reads a certificate; says nothing about who signed it and whether it counts now.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let parsed = parse(certificate)?;
        let node = node_of(parsed.public_key().raw);
        let address = member_address(&parsed)?;
        let unknown = || refused(format!("`{address}` does not name a member"));
        let mut parts = address.strip_prefix("pomona://").ok_or_else(unknown)?.split('/');
        let (Some(cluster), Some(role), Some(id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(unknown());
        };
        let role = match role {
            "node" => PeerRole::Node,
            "gateway" => PeerRole::Gateway,
            _ => return Err(unknown()),
        };
        if id != node.0 {
            return Err(refused(format!("it names `{id}` and its key belongs to `{node}`")));
        }
        let validity = parsed.validity();
        Ok(Self {
            node,
            role,
            cluster: cluster.to_owned(),
            starts_at: system_time(validity.not_before.timestamp()),
            expires_at: system_time(validity.not_after.timestamp()),
        })
    }
}

/// The id that belongs to a public key, given as SPKI in DER.
pub fn node_of(public_key: &[u8]) -> NodeId {
    let mut id = String::from("n-");
    id.extend(Sha256::digest(public_key).iter().map(|byte| format!("{byte:02x}")));
    id.truncate("n-".len() + ID_HEX_DIGITS);
    NodeId(id)
}

/// SHA-256 over the public key (SPKI in DER) of a certificate; what a join token carries of the authority.
pub fn fingerprint_of(certificate: &CertificateDer<'_>) -> Result<[u8; 32], IdentityError> {
    Ok(Sha256::digest(parse(certificate)?.public_key().raw).into())
}

/// The name that a member's certificate carries for TLS.
pub fn server_name(node: &NodeId) -> String {
    format!("{node}.pomona.internal")
}

/// Reads a certificate, and checks that this authority signed it and that it counts at `now`.
pub fn check(
    certificate: &CertificateDer<'_>,
    authority: &CertificateDer<'static>,
    now: SystemTime,
) -> Result<Certified, IdentityError> {
    let certified = Certified::read(certificate)?;
    let name =
        ServerName::try_from(server_name(&certified.node)).map_err(|error| refused(error.to_string()))?;
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(authority)?), provider())
        .build()
        .map_err(|error| refused(error.to_string()))?;
    verifier
        .verify_server_cert(certificate, &[], &name, &[], UnixTime::since_unix_epoch(since))
        .map_err(|error| refused(explain(&error)))?;
    Ok(certified)
}

/// The authority alone.
pub(crate) fn roots(authority: &CertificateDer<'static>) -> Result<RootCertStore, IdentityError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).map_err(|error| refused(format!("authority: {error}")))?;
    Ok(roots)
}

/// The one library of ciphers that everything here uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The cluster that an authority's certificate names.
pub(crate) fn cluster_of(authority: &CertificateDer<'_>) -> Result<String, IdentityError> {
    let parsed = parse(authority)?;
    if !parsed.is_ca() {
        return Err(refused("it is no authority's".to_owned()));
    }
    let address = member_address(&parsed)?;
    let cluster = address.strip_prefix("pomona://").and_then(|rest| rest.strip_suffix("/authority"));
    cluster.map(str::to_owned).ok_or_else(|| refused(format!("`{address}` does not name an authority")))
}

/// A name that fits into certificates and labels.
pub(crate) fn check_cluster_name(name: &str) -> Result<(), IdentityError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > CLUSTER_NAME_BYTES_MAX || !name.bytes().all(fits) {
        let given = name.chars().take(CLUSTER_NAME_BYTES_MAX).collect();
        return Err(IdentityError::ClusterName { given, limit: CLUSTER_NAME_BYTES_MAX });
    }
    Ok(())
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, IdentityError> {
    let (rest, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| refused(format!("it is no certificate: {error}")))?;
    if !rest.is_empty() {
        return Err(refused(format!("{} bytes follow it", rest.len())));
    }
    Ok(parsed)
}

fn member_address<'a>(parsed: &'a X509Certificate<'_>) -> Result<&'a str, IdentityError> {
    let names = parsed.subject_alternative_name().map_err(|error| refused(error.to_string()))?;
    let mut addresses =
        names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::URI(address) => Some(*address),
            _ => None,
        });
    match (addresses.next(), addresses.next()) {
        (Some(address), None) => Ok(address),
        _ => Err(refused("it is not one of a pomona cluster".to_owned())),
    }
}

fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "another authority signed it".to_owned(),
        other => other.to_string(),
    }
}

fn refused(message: String) -> IdentityError {
    IdentityError::Certificate { message }
}

fn system_time(unix_s: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_s).unwrap_or(0))
}
