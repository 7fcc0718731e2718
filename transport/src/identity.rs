//! Who this machine is: a key that was made here and never leaves, and the certificate that the authority gave for it.
//! The certificate is renewed in place; connections that are open stay as they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use pomona_protocol::join::Membership;
use pomona_protocol::{NodeId, PeerRole};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::authority::{Authority, crypto, damaged, pem_of, read_certificate, read_key};
use crate::certificate::{self, Certified, node_of};
use crate::error::IdentityError;
use crate::files::{self, AUTHORITY_CERTIFICATE, AUTHORITY_KEY, MEMBER_CERTIFICATE, MEMBER_KEY};

const REJOIN: &str = "join again with a new token (pomona token create)";

/// This machine as a member of its cluster. Clones are the same identity.
#[derive(Clone)]
pub struct Identity {
    shared: Arc<Shared>,
}

/// What a machine that wants to be a member asks to be signed.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    /// The id that its key gives it.
    pub node: NodeId,
    /// The request, in DER.
    pub der: Vec<u8>,
}

struct Shared {
    folder: PathBuf,
    node: NodeId,
    key: KeyPair,
    authority: CertificateDer<'static>,
    current: ArcSwap<Current>,
}

struct Current {
    certified: Certified,
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// The identity of this folder, if the machine is a member. An expired certificate is loaded too: see
    /// [`Identity::expires_at`].
    pub fn load(folder: &Path) -> Result<Option<Self>, IdentityError> {
        let path = folder.join(MEMBER_CERTIFICATE);
        let Some(certificate) = read_certificate(&path, REJOIN)? else { return Ok(None) };
        let missing = |name: &str| IdentityError::Missing {
            path: path.clone(),
            missing: folder.join(name),
            remedy: REJOIN,
        };
        let key_path = folder.join(MEMBER_KEY);
        let key = read_key(&key_path)?.ok_or_else(|| missing(MEMBER_KEY))?;
        let authority_path = folder.join(AUTHORITY_CERTIFICATE);
        let authority =
            read_certificate(&authority_path, REJOIN)?.ok_or_else(|| missing(AUTHORITY_CERTIFICATE))?;
        certificate::cluster_of(&authority)
            .map_err(|error| damaged(&authority_path, error.to_string(), REJOIN))?;
        let certified =
            Certified::read(&certificate).map_err(|error| damaged(&path, error.to_string(), REJOIN))?;
        if certified.node != node_of(&key.subject_public_key_info()) {
            return Err(IdentityError::Foreign { path, other: key_path, remedy: REJOIN });
        }
        if certificate::check(&certificate, &authority, certified.starts_at).is_err() {
            return Err(IdentityError::Foreign { path, other: authority_path, remedy: REJOIN });
        }
        Self::new(folder, key, authority, &certificate, certified).map(Some)
    }

    /// Makes this machine's key, or takes the one that is there, and asks for a certificate with it.
    pub fn create_request(folder: &Path) -> Result<SigningRequest, IdentityError> {
        request_of(&own_key(folder)?)
    }

    /// Makes this machine a member, after a join that [`Identity::create_request`] began.
    pub fn install(folder: &Path, membership: &Membership) -> Result<Self, IdentityError> {
        let authority = CertificateDer::from(membership.authority.clone());
        let certificate = CertificateDer::from(membership.certificate.clone());
        certificate::cluster_of(&authority)?;
        let certified = certificate::check(&certificate, &authority, SystemTime::now())?;
        let key_path = folder.join(MEMBER_KEY);
        let ours = read_key(&key_path)?.map(|key| node_of(&key.subject_public_key_info()));
        if ours.as_ref() != Some(&certified.node) || membership.node != certified.node {
            return Err(IdentityError::Certificate {
                message: format!(
                    "it is for `{}` and the key in {} is another",
                    certified.node,
                    key_path.display()
                ),
            });
        }
        let authority_path = folder.join(AUTHORITY_CERTIFICATE);
        if let Some(own) = Authority::load(folder)?
            && own.certificate() != &authority
        {
            return Err(IdentityError::Foreign {
                path: folder.join(AUTHORITY_KEY),
                other: authority_path,
                remedy: "this machine is the authority of another cluster; join with another data folder",
            });
        }
        // The old certificate goes first: the two files of one membership never stand beside those of another.
        files::remove(&folder.join(MEMBER_CERTIFICATE))?;
        files::write(folder, AUTHORITY_CERTIFICATE, pem_of(&authority).as_bytes())?;
        files::write(folder, MEMBER_CERTIFICATE, pem_of(&certificate).as_bytes())?;
        reload(folder)
    }

    /// Makes the machine that holds the authority a member of its own cluster; also renews it.
    pub fn self_signed_by(
        authority: &Authority,
        folder: &Path,
        role: PeerRole,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Self, IdentityError> {
        let request = Self::create_request(folder)?;
        let signed = authority.sign(&request.der, role, lifetime, now)?;
        files::write(folder, AUTHORITY_CERTIFICATE, pem_of(authority.certificate()).as_bytes())?;
        files::write(folder, MEMBER_CERTIFICATE, pem_of(&signed.certificate).as_bytes())?;
        reload(folder)
    }

    /// Forgets key and certificate, so that the next join makes this machine a new member.
    pub fn forget(folder: &Path) -> Result<(), IdentityError> {
        files::remove(&folder.join(MEMBER_CERTIFICATE))?;
        files::remove(&folder.join(MEMBER_KEY))
    }

    /// Its id.
    pub fn node(&self) -> &NodeId {
        &self.shared.node
    }

    /// What it may do.
    pub fn role(&self) -> PeerRole {
        self.shared.current.load().certified.role
    }

    /// Name of its cluster.
    pub fn cluster(&self) -> String {
        self.shared.current.load().certified.cluster.clone()
    }

    /// Last moment of its certificate.
    pub fn expires_at(&self) -> SystemTime {
        self.shared.current.load().certified.expires_at
    }

    /// When to ask for the next certificate: at two thirds of this one's life, so that a third is left for trying.
    pub fn renew_at(&self) -> SystemTime {
        let current = self.shared.current.load();
        let certified = &current.certified;
        let life = certified.expires_at.duration_since(certified.starts_at).unwrap_or_default();
        certified.starts_at + life * 2 / 3
    }

    /// The authority's certificate.
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.shared.authority
    }

    /// Asks for the next certificate of the same key.
    pub fn renewal_request(&self) -> Result<SigningRequest, IdentityError> {
        request_of(&self.shared.key)
    }

    /// Takes a new certificate: on disk, and for every handshake from now on.
    pub fn swap(&self, certificate: &[u8]) -> Result<(), IdentityError> {
        let shared = &self.shared;
        let certificate = CertificateDer::from(certificate.to_vec());
        let certified = certificate::check(&certificate, &shared.authority, SystemTime::now())?;
        if certified.node != shared.node {
            let message = format!("it is for `{}` and this is `{}`", certified.node, shared.node);
            return Err(IdentityError::Certificate { message });
        }
        let key = certified_key(&shared.key, &shared.authority, &certificate)?;
        files::write(&shared.folder, MEMBER_CERTIFICATE, pem_of(&certificate).as_bytes())?;
        shared.current.store(Arc::new(Current { certified, key }));
        Ok(())
    }

    /// What TLS shows.
    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.shared.current.load().key)
    }

    /// The private key in DER, to derive other secrets of this machine from.
    pub(crate) fn secret(&self) -> &[u8] {
        self.shared.key.serialized_der()
    }

    fn new(
        folder: &Path,
        key: KeyPair,
        authority: CertificateDer<'static>,
        certificate: &CertificateDer<'static>,
        certified: Certified,
    ) -> Result<Self, IdentityError> {
        let shown = certified_key(&key, &authority, certificate)?;
        let node = certified.node.clone();
        let current = ArcSwap::from_pointee(Current { certified, key: shown });
        let folder = folder.to_owned();
        Ok(Self { shared: Arc::new(Shared { folder, node, key, authority, current }) })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.shared.node)
    }
}

fn own_key(folder: &Path) -> Result<KeyPair, IdentityError> {
    let path = folder.join(MEMBER_KEY);
    if let Some(key) = read_key(&path)? {
        return Ok(key);
    }
    let key = KeyPair::generate().map_err(crypto("a key"))?;
    files::write_new(folder, MEMBER_KEY, key.serialize_pem().as_bytes())?;
    // Whoever comes second takes the first one's key.
    Ok(read_key(&path)?.unwrap_or(key))
}

fn request_of(key: &KeyPair) -> Result<SigningRequest, IdentityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(key).map_err(crypto("a signing request"))?;
    Ok(SigningRequest { node: node_of(&key.subject_public_key_info()), der: request.der().to_vec() })
}

/// The chain ends with the authority's certificate: a machine that joins knows its fingerprint alone.
fn certified_key(
    key: &KeyPair,
    authority: &CertificateDer<'static>,
    certificate: &CertificateDer<'static>,
) -> Result<Arc<CertifiedKey>, IdentityError> {
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&der)
        .map_err(|error| IdentityError::Crypto { what: "a signer", message: error.to_string() })?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.clone(), authority.clone()], signer)))
}

fn reload(folder: &Path) -> Result<Identity, IdentityError> {
    Identity::load(folder)?.ok_or_else(|| IdentityError::Missing {
        path: folder.join(MEMBER_KEY),
        missing: folder.join(MEMBER_CERTIFICATE),
        remedy: REJOIN,
    })
}

#[cfg(test)]
mod tests;
