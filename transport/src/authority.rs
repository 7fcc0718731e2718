//! The authority of a cluster: one key on the gateway that was started first. It signs members, renews them and gives
//! the gateway its certificate for HTTPS. Who may become a member is decided by whoever calls it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pomona_protocol::{NodeId, PeerRole};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::certificate::{self, BACKDATED, node_of, server_name};
use crate::error::IdentityError;
use crate::files::{self, AUTHORITY_CERTIFICATE, AUTHORITY_KEY};

/// How long an authority lasts: longer than the machines it vouches for.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Largest signing request that is looked at, in bytes; ours take about 300.
const SIGNING_REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a P-256 public key as an uncompressed point.
const PUBLIC_KEY_BYTES: usize = 65;
const RESTORE: &str = "restore it from a backup; without one, remove authority.key and authority.pem to make a new \
                       authority, and join every machine again";
const MEMBER: &str = "this machine joined the cluster of another one (use another data folder for a cluster of its \
                      own), or its key was lost (restore it from a backup)";

/// The key that everyone in the cluster trusts, and its certificate.
pub struct Authority {
    cluster: String,
    key: KeyPair,
    certificate: CertificateDer<'static>,
    fingerprint: [u8; 32],
}

/// A certificate for a member.
#[derive(Clone, Debug)]
pub struct SignedMember {
    /// Whose; follows from the key in the request.
    pub node: NodeId,
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its last moment.
    pub expires_at: SystemTime,
}

/// A certificate and its key, for HTTPS.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The certificate, then the authority's.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key, made for it.
    pub key: PrivateKeyDer<'static>,
    /// Its last moment.
    pub expires_at: SystemTime,
}

impl Authority {
    /// The authority of this folder; makes one for `cluster` when there is none. An existing one keeps its name.
    pub fn load_or_create(folder: &Path, cluster: &str) -> Result<Self, IdentityError> {
        certificate::check_cluster_name(cluster)?;
        let key_path = folder.join(AUTHORITY_KEY);
        if files::read_secret(&key_path)?.is_none() {
            let certificate_path = folder.join(AUTHORITY_CERTIFICATE);
            if files::read(&certificate_path)?.is_some() {
                return Err(IdentityError::Missing {
                    path: certificate_path,
                    missing: key_path,
                    remedy: MEMBER,
                });
            }
            let key = KeyPair::generate().map_err(crypto("a key"))?;
            // Whoever comes second takes the first one's key.
            files::write_new(folder, AUTHORITY_KEY, key.serialize_pem().as_bytes())?;
        }
        let key = read_key(&key_path)?.ok_or_else(|| missing(folder))?;
        if files::read(&folder.join(AUTHORITY_CERTIFICATE))?.is_none() {
            // Also after a crash between the two files: the key alone makes the authority.
            let made = own_certificate(&key, cluster)?;
            files::write(folder, AUTHORITY_CERTIFICATE, made.as_bytes())?;
        }
        Self::load(folder)?.ok_or_else(|| missing(folder))
    }

    /// The authority of this folder, if this machine holds its key.
    pub fn load(folder: &Path) -> Result<Option<Self>, IdentityError> {
        let key_path = folder.join(AUTHORITY_KEY);
        let Some(key) = read_key(&key_path)? else { return Ok(None) };
        let path = folder.join(AUTHORITY_CERTIFICATE);
        let certificate = read_certificate(&path, RESTORE)?.ok_or_else(|| missing(folder))?;
        let damaged = |error: IdentityError| damaged(&path, error.to_string(), RESTORE);
        let cluster = certificate::cluster_of(&certificate).map_err(damaged)?;
        let fingerprint = certificate::fingerprint_of(&certificate).map_err(damaged)?;
        if fingerprint != sha256(&key.subject_public_key_info()) {
            return Err(IdentityError::Foreign { path, other: key_path, remedy: RESTORE });
        }
        Ok(Some(Self { cluster, key, certificate, fingerprint }))
    }

    /// Name of the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// SHA-256 over the public key, as join tokens carry it.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate, as people hand it to their browsers.
    pub fn certificate_pem(&self) -> String {
        pem_of(&self.certificate)
    }

    /// Makes a member's certificate from its signing request. Of the request, the key alone counts.
    pub fn sign(
        &self,
        signing_request: &[u8],
        role: PeerRole,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<SignedMember, IdentityError> {
        let refused = |message: String| IdentityError::SigningRequest { message };
        if signing_request.len() > SIGNING_REQUEST_BYTES_MAX {
            let bytes = signing_request.len();
            return Err(refused(format!("{bytes} bytes (limit {SIGNING_REQUEST_BYTES_MAX})")));
        }
        let request =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(signing_request))
                .map_err(|error| refused(error.to_string()))?;
        let key = request.public_key;
        if *key.algorithm() != PKCS_ECDSA_P256_SHA256 || key.der_bytes().len() != PUBLIC_KEY_BYTES {
            return Err(refused("its key is not of the kind ECDSA P-256".to_owned()));
        }
        let node = node_of(&key.subject_public_key_info());
        let uri = format!("pomona://{}/{}/{node}", self.cluster, role.as_str());
        let names = vec![SanType::DnsName(ia5(&server_name(&node))?), SanType::URI(ia5(&uri)?)];
        let uses = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, expires_at) = self.issue(&key, &node.0, names, uses, lifetime, now)?;
        Ok(SignedMember { node, certificate, expires_at })
    }

    /// Makes a key and a certificate for HTTPS under these names and addresses.
    pub fn sign_server(
        &self,
        names: &[String],
        addresses: &[IpAddr],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<ServerCertificate, IdentityError> {
        let key = KeyPair::generate().map_err(crypto("a key"))?;
        let mut alternatives = Vec::with_capacity(names.len() + addresses.len());
        for name in names {
            alternatives.push(SanType::DnsName(ia5(name)?));
        }
        alternatives.extend(addresses.iter().copied().map(SanType::IpAddress));
        let subject = names.first().map_or("pomona", String::as_str);
        let uses = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (certificate, expires_at) = self.issue(&key, subject, alternatives, uses, lifetime, now)?;
        let chain = vec![certificate, self.certificate.clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(ServerCertificate { chain, key, expires_at })
    }

    fn issue(
        &self,
        key: &impl PublicKeyData,
        subject: &str,
        names: Vec<SanType>,
        uses: Vec<ExtendedKeyUsagePurpose>,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<(CertificateDer<'static>, SystemTime), IdentityError> {
        let expires_at = now.checked_add(lifetime.min(AUTHORITY_LIFETIME)).unwrap_or(now);
        let mut params = parameters(subject, now, expires_at)?;
        params.subject_alt_names = names;
        params.extended_key_usages = uses;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let issuer =
            Issuer::from_ca_cert_der(&self.certificate, &self.key).map_err(crypto("a certificate"))?;
        let certificate = params.signed_by(key, &issuer).map_err(crypto("a certificate"))?;
        Ok((certificate.der().clone(), expires_at))
    }
}

fn own_certificate(key: &KeyPair, cluster: &str) -> Result<String, IdentityError> {
    let now = SystemTime::now();
    let mut params = parameters(&format!("pomona cluster {cluster}"), now, now + AUTHORITY_LIFETIME)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.subject_alt_names = vec![SanType::URI(ia5(&format!("pomona://{cluster}/authority"))?)];
    Ok(params.self_signed(key).map_err(crypto("a certificate"))?.pem())
}

fn parameters(
    subject: &str,
    now: SystemTime,
    expires_at: SystemTime,
) -> Result<CertificateParams, IdentityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = now.checked_sub(BACKDATED).unwrap_or(SystemTime::UNIX_EPOCH).into();
    params.not_after = expires_at.into();
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)
        .map_err(|error| IdentityError::Crypto { what: "a serial number", message: error.to_string() })?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// Reads a private key's file.
pub(crate) fn read_key(path: &Path) -> Result<Option<KeyPair>, IdentityError> {
    let Some(bytes) = files::read_secret(path)? else { return Ok(None) };
    let remedy =
        "restore it from a backup, or remove it and join again with a new token (pomona token create)";
    let text = String::from_utf8(bytes).map_err(|_| damaged(path, "no text".to_owned(), remedy))?;
    let key = KeyPair::from_pem(&text).map_err(|error| damaged(path, error.to_string(), remedy))?;
    if *key.algorithm() != PKCS_ECDSA_P256_SHA256 {
        return Err(damaged(path, "its key is not of the kind ECDSA P-256".to_owned(), remedy));
    }
    Ok(Some(key))
}

/// Reads a certificate's file.
pub(crate) fn read_certificate(
    path: &Path,
    remedy: &'static str,
) -> Result<Option<CertificateDer<'static>>, IdentityError> {
    let Some(bytes) = files::read(path)? else { return Ok(None) };
    let certificate = CertificateDer::from_pem_slice(&bytes);
    certificate.map(Some).map_err(|error| damaged(path, error.to_string(), remedy))
}

/// A certificate as text.
pub(crate) fn pem_of(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

pub(crate) fn crypto(what: &'static str) -> impl Fn(rcgen::Error) -> IdentityError {
    move |error| IdentityError::Crypto { what, message: error.to_string() }
}

pub(crate) fn damaged(path: &Path, message: String, remedy: &'static str) -> IdentityError {
    IdentityError::Damaged { path: path.to_owned(), message, remedy }
}

fn missing(folder: &Path) -> IdentityError {
    let file = |name: &str| -> PathBuf { folder.join(name) };
    IdentityError::Missing {
        path: file(AUTHORITY_KEY),
        missing: file(AUTHORITY_CERTIFICATE),
        remedy: "start the gateway once with `pomona up`, which makes it again from the key",
    }
}

fn ia5(text: &str) -> Result<rcgen::string::Ia5String, IdentityError> {
    rcgen::string::Ia5String::try_from(text)
        .map_err(|_| IdentityError::Certificate { message: format!("`{text}` is no ASCII name") })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
