//! Encryption of the TCP port: where the certificate comes from, and what a handshake may be.
//!
//! [`crate::Gateway::bind`] makes a [`Tls`] of a [`TlsSource`]; [`crate::accept`] has it greet each connection
//! ([`handshake`]); a task of [`crate::Gateway::serve`] keeps the certificate fresh ([`Tls::keep`]). The cluster's own
//! authority is not known here: the composition root signs, and hands over a [`ServerCertificate`] that it replaces
//! before it expires.
//!
//! There is no `Strict-Transport-Security`: most gateways are called by a LAN name or an address, and a browser that
//! was told once to use HTTPS alone would shut its owner out after the next `tls.mode = "off"`.

mod acme;
mod certificate;
mod files;
pub(crate) mod handshake;
mod store;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ResolvesServerCert, ServerConfig};
use tokio::sync::Semaphore;

pub use self::acme::AcmeParts;
use self::acme::{Acme, Challenges};
pub use self::certificate::ServerCertificate;
use self::files::KeyFiles;

/// What clients are offered, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// What an ACME server asks for when it checks a name (RFC 8737).
const ACME_PROTOCOL: &[u8] = b"acme-tls/1";
/// Handshakes that compute at once. Each holds some 50 KiB and a millisecond of a processor; more of them would only
/// keep the streams waiting that are open already.
const HANDSHAKES_MAX: usize = 256;

/// Where the certificate for clients comes from.
pub enum TlsSource {
    /// Nowhere: clients speak plain HTTP.
    Off,
    /// From PEM files, which are read again when they change.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// From the caller, who replaces it before it expires.
    Held(Arc<ServerCertificate>),
    /// From an ACME server.
    Acme(AcmeParts),
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no {expected} in PEM: {message}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What the parser said.
        message: String,
    },
    /// Everybody can read the private key.
    #[error("{} has mode {mode:04o}, so every user of this machine can read the key; run: chmod o-rwx {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Certificate and key cannot be used together, or at all.
    #[error("the certificate cannot be used: {message}")]
    Unusable {
        /// What is wrong.
        message: String,
    },
    /// ACME without a name.
    #[error("tls.mode is acme and tls.names is empty; set it to the public names of this gateway")]
    NoNames,
    /// The cryptography does not start.
    #[error("tls cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The encryption of one gateway.
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    certificate: Arc<ServerCertificate>,
    /// Answers an ACME server that checks a name.
    challenge_config: Option<Arc<ServerConfig>>,
    handshakes: Semaphore,
    upkeep: Upkeep,
}

/// What keeps the certificate fresh.
enum Upkeep {
    /// The caller does.
    Caller,
    Files(KeyFiles),
    Acme(Acme),
}

impl Tls {
    /// Reads what is there; `None` when the source is off.
    pub(crate) fn new(source: TlsSource) -> Result<Option<Self>, TlsError> {
        let (certificate, challenges, upkeep) = match source {
            TlsSource::Off => return Ok(None),
            TlsSource::Held(certificate) => (certificate, None, Upkeep::Caller),
            TlsSource::Files { certificate, key } => {
                let files = KeyFiles { certificate, key };
                let (chain, key) = files.load()?;
                (Arc::new(ServerCertificate::new(chain, key)?), None, Upkeep::Files(files))
            }
            TlsSource::Acme(parts) => {
                let challenges = Arc::new(Challenges::default());
                let acme = Acme::new(parts, Arc::clone(&challenges))?;
                (acme.certificate(), Some(challenges), Upkeep::Acme(acme))
            }
        };
        let mut config = server_config(Arc::clone(&certificate) as _, &PROTOCOLS)?;
        // Tickets instead of a table of sessions: a client that comes back saves half of the handshake, and nothing
        // is kept for it here.
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        let challenge_config =
            challenges.map(|held| server_config(held as _, &[ACME_PROTOCOL]).map(Arc::new)).transpose()?;
        let handshakes = Semaphore::new(HANDSHAKES_MAX);
        Ok(Some(Self { config: Arc::new(config), certificate, challenge_config, handshakes, upkeep }))
    }

    pub(crate) fn certificate(&self) -> &Arc<ServerCertificate> {
        &self.certificate
    }

    /// Names that clients may ask for, since the certificate was made for them.
    pub(crate) fn names(&self) -> Vec<String> {
        match &self.upkeep {
            Upkeep::Acme(acme) => acme.names().to_vec(),
            Upkeep::Caller | Upkeep::Files(_) => self.certificate.names(),
        }
    }

    /// Keeps the certificate fresh for as long as it is polled. Whoever calls it owns the task.
    pub(crate) async fn keep(&self) {
        match &self.upkeep {
            Upkeep::Caller => {}
            Upkeep::Files(files) => files.watch(&self.certificate, files::POLL).await,
            Upkeep::Acme(acme) => acme.keep().await,
        }
    }
}

/// The one provider of cryptography, named so that no other feature of a dependency can choose another.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// TLS 1.2 and 1.3, no client certificates, no early data: a request that is replayed would be answered twice.
fn server_config(
    certificates: Arc<dyn ResolvesServerCert>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}
