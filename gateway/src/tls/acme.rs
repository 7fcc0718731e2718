//! A certificate from an ACME server (RFC 8555), by the tls-alpn-01 challenge (RFC 8737): the server connects to our
//! own port, so no other port and no web root is needed. From outside that port must be reachable as 443.
//!
//! [`Acme::keep`] orders when two thirds of a certificate's life are over. A failed order changes nothing: the old
//! certificate stays until it expires, and the pause before the next try grows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use instant_acme::{
    Account, AccountBuilder, AuthorizationStatus, ChallengeType, Identifier, LetsEncrypt, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::chain_of;
use super::store::Store;
use super::{ServerCertificate, TlsError, provider};

/// For one whole order.
const ORDER_TIME: Duration = Duration::from_secs(300);
/// For the server to check our names, and then to sign.
const RETRIES: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));
/// First pause after a failure; each further one is four times as long. Let's Encrypt counts five failures an hour.
const PAUSE_BASE: Duration = Duration::from_secs(60);
/// Longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);
/// The clock is looked at this often: a machine that slept has waited less than it thinks.
const CLOCK_LOOK: Duration = Duration::from_secs(3600);
/// Between two orders at least, whatever the server puts into its certificates.
const ORDER_PAUSE: Duration = Duration::from_secs(60);

/// What is needed to get a certificate from an ACME server. Whoever gives this agrees to the server's terms of service.
#[derive(Clone, Debug)]
pub struct AcmeParts {
    /// A private folder for the account and the certificate.
    pub folder: PathBuf,
    /// The public names of this gateway, at least one.
    pub names: Vec<String>,
    /// Directory of the ACME server; `None` means Let's Encrypt.
    pub directory: Option<String>,
    /// Mail address for the ACME server.
    pub contact: Option<String>,
    /// Authority of the ACME server in PEM, when it is a private one.
    pub root: Option<PathBuf>,
}

/// Why an order failed.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("the ACME server refused or was not reached: {0}")]
    Server(#[from] instant_acme::Error),
    #[error("the ACME server offers no tls-alpn-01 challenge for {name}")]
    NoChallenge { name: String },
    #[error("the ACME server did not find this gateway under its names: {reasons}")]
    Invalid { reasons: String },
    #[error("the order was not done within {} s", ORDER_TIME.as_secs())]
    TooSlow,
    #[error("no key or challenge certificate can be made: {0}")]
    Generate(#[from] rcgen::Error),
    #[error(transparent)]
    Certificate(#[from] TlsError),
}

/// Certificates that answer a challenge, by name.
#[derive(Debug, Default)]
pub(super) struct Challenges(Mutex<BTreeMap<String, Arc<CertifiedKey>>>);

impl Challenges {
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Arc<CertifiedKey>>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }
}

/// See the module.
pub(super) struct Acme {
    parts: AcmeParts,
    directory: String,
    store: Store,
    certificate: Arc<ServerCertificate>,
    challenges: Arc<Challenges>,
}

impl Acme {
    /// Takes up the certificate of an earlier run when it is for the same names.
    pub(super) fn new(mut parts: AcmeParts, challenges: Arc<Challenges>) -> Result<Self, TlsError> {
        if parts.names.is_empty() {
            return Err(TlsError::NoNames);
        }
        parts.names.iter_mut().for_each(|name| name.make_ascii_lowercase());
        let store = Store::new(parts.folder.clone());
        let certificate = Arc::new(ServerCertificate::default());
        if let Some((chain, key)) = store.certificate()? {
            let earlier = ServerCertificate::new(chain.clone(), key.clone_key())?;
            let names: BTreeSet<_> = earlier.names().into_iter().collect();
            if parts.names.iter().all(|name| names.contains(name)) {
                certificate.replace(chain, key)?;
            }
        }
        let directory = parts.directory.clone().unwrap_or_else(|| LetsEncrypt::Production.url().to_owned());
        Ok(Self { parts, directory, store, certificate, challenges })
    }

    pub(super) fn certificate(&self) -> Arc<ServerCertificate> {
        Arc::clone(&self.certificate)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.parts.names
    }

    /// Orders whenever it is time, for ever.
    pub(super) async fn keep(&self) {
        let mut failures = 0;
        loop {
            if failures == 0 {
                self.until_due().await;
            }
            let ordered = tokio::time::timeout(ORDER_TIME, Box::pin(self.order())).await;
            self.challenges.change(BTreeMap::clear);
            let pause = match ordered.unwrap_or(Err(OrderError::TooSlow)) {
                Ok(()) => {
                    failures = 0;
                    tracing::info!(names = ?self.parts.names, "a new certificate is in use");
                    ORDER_PAUSE
                }
                Err(error) => {
                    failures += 1;
                    let pause = pause(failures, fraction());
                    tracing::warn!(%error, failures, retry_in_s = pause.as_secs(), "no new certificate");
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits until the certificate is to be renewed; at once when there is none. Machines that were started together
    /// do not ask together.
    async fn until_due(&self) {
        let Some((begins, ends)) = self.certificate.validity() else { return };
        let life = ends.duration_since(begins).unwrap_or_default();
        let due = begins + life * 2 / 3 + (life / 20).mul_f64(fraction());
        while let Ok(wait) = due.duration_since(SystemTime::now()) {
            tokio::time::sleep(wait.min(CLOCK_LOOK)).await;
        }
    }

    async fn order(&self) -> Result<(), OrderError> {
        let account = self.account().await?;
        let names: Vec<_> = self.parts.names.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await.inspect_err(|error| {
            if error.to_string().contains("accountDoesNotExist") {
                self.store.forget_account(&self.directory);
            }
        })?;
        self.answer_challenges(&mut order).await?;
        let ready = order.poll_ready(&RETRIES).await;
        if !matches!(ready, Ok(OrderStatus::Ready)) {
            let reasons = reasons(&mut order).await;
            ready.map_err(|error| if reasons.is_empty() { error.into() } else { invalid(&reasons) })?;
            return Err(invalid(&reasons));
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(self.parts.names.clone())?;
        params.distinguished_name = DistinguishedName::new();
        order.finalize_csr(params.serialize_request(&key)?.der()).await?;
        let chain = order.poll_certificate(&RETRIES).await?;
        let ders = chain_of(&self.parts.folder, chain.as_bytes())?;
        let key_pem = key.serialize_pem();
        self.certificate.replace(ders, PrivateKeyDer::from(key))?;
        if let Err(error) = self.store.keep_certificate(&chain, &key_pem) {
            tracing::warn!(%error, "the new certificate is in use and will be ordered again after a restart");
        }
        Ok(())
    }

    async fn account(&self) -> Result<Account, OrderError> {
        if let Some(credentials) = self.store.account(&self.directory) {
            return Ok(self.builder()?.from_credentials(credentials).await?);
        }
        let contact = self.parts.contact.as_ref().map(|address| format!("mailto:{address}"));
        let contact: Vec<&str> = contact.as_deref().into_iter().collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = self.builder()?.create(&wanted, self.directory.clone(), None).await?;
        self.store.keep_account(&self.directory, &credentials)?;
        Ok(account)
    }

    fn builder(&self) -> Result<AccountBuilder, OrderError> {
        // The client of this library asks for the provider of the process; it is set already when links are in use.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Ok(match &self.parts.root {
            Some(root) => Account::builder_with_root(root)?,
            None => Account::builder()?,
        })
    }

    /// Has the certificates in place that the server will look at, then asks it to look.
    async fn answer_challenges(&self, order: &mut Order) -> Result<(), OrderError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string().to_ascii_lowercase();
            let mut challenge = authorization
                .challenge(ChallengeType::TlsAlpn01)
                .ok_or_else(|| OrderError::NoChallenge { name: name.clone() })?;
            let answer = challenge_certificate(&name, challenge.key_authorization().digest().as_ref())?;
            self.challenges.change(|held| drop(held.insert(name, answer)));
            challenge.set_ready().await?;
        }
        Ok(())
    }
}

fn invalid(reasons: &[String]) -> OrderError {
    OrderError::Invalid { reasons: reasons.join("; ") }
}

/// What the server says of each name that it did not find to be ours.
async fn reasons(order: &mut Order) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let name = authorization.identifier().to_string();
        let errors = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        reasons.extend(errors.map(|error| format!("{name}: {error}")));
    }
    reasons
}

/// The self-signed certificate whose extension proves that we hold the account.
fn challenge_certificate(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, OrderError> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let chain = vec![certificate.der().clone()];
    let key = provider().key_provider.load_private_key(PrivateKeyDer::from(key)).map_err(TlsError::from)?;
    // Not `from_der`: it parses the certificate, and refuses the critical extension that this one is all about.
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// The pause after so many failures, a quarter shorter or longer by chance.
fn pause(failures: u32, fraction: f64) -> Duration {
    let factor = 4_u32.saturating_pow(failures.saturating_sub(1));
    PAUSE_BASE.saturating_mul(factor).min(PAUSE_MAX).mul_f64(0.75 + fraction / 2.0)
}

/// A number from 0 to 1 by chance; 0 when there is none to be had.
fn fraction() -> f64 {
    getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit() {
        let pauses = [1, 2, 3, 4, 5, 6, 400].map(|failures| pause(failures, 0.5).as_secs());
        assert_eq!(pauses, [60, 240, 960, 3840, 15_360, 21_600, 21_600]);
        assert_eq!((pause(1, 0.0).as_secs(), pause(1, 1.0).as_secs()), (45, 75));
    }

    #[test]
    fn no_names_is_refused_with_the_key_to_set() {
        let folder = tempfile::tempdir().unwrap();
        let parts = AcmeParts {
            folder: folder.path().to_owned(),
            names: Vec::new(),
            directory: None,
            contact: None,
            root: None,
        };
        let error = Acme::new(parts, Arc::default()).err().unwrap();
        assert!(error.to_string().contains("tls.names"), "{error}");
    }
}
