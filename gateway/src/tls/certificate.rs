//! The certificate that clients are shown. It can be replaced while connections are open: those go on with the old
//! one, new ones get the new one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{TlsError, provider};

/// A chain and its key. It resolves itself, so that the same one can serve TCP and QUIC.
#[derive(Default)]
pub struct ServerCertificate {
    current: ArcSwapOption<CertifiedKey>,
}

impl ServerCertificate {
    /// A chain, the server's own certificate first, and its private key.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, TlsError> {
        let certificate = Self::default();
        certificate.replace(chain, key)?;
        Ok(certificate)
    }

    /// Puts another one in its place, for all connections from now on. On an error the present one stays.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), TlsError> {
        let unusable = |message: String| TlsError::Unusable { message };
        let leaf = chain.first().ok_or_else(|| unusable("the chain is empty".to_owned()))?;
        X509Certificate::from_der(leaf).map_err(|error| unusable(format!("it does not parse: {error}")))?;
        let certified = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|error| unusable(format!("certificate and key do not fit: {error}")))?;
        self.current.store(Some(Arc::new(certified)));
        Ok(())
    }

    /// When it begins and ends to be valid; `None` while there is none.
    pub fn validity(&self) -> Option<(SystemTime, SystemTime)> {
        self.read(|certificate| {
            let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or(0));
            let validity = certificate.validity();
            (at(validity.not_before.timestamp()), at(validity.not_after.timestamp()))
        })
    }

    /// When two thirds of its life are over, which is when it is time for another one.
    pub fn renew_at(&self) -> Option<SystemTime> {
        let (begins, ends) = self.validity()?;
        Some(begins + ends.duration_since(begins).unwrap_or_default() * 2 / 3)
    }

    /// The DNS names that it was made for, without wildcards.
    pub fn names(&self) -> Vec<String> {
        let names = self.read(|certificate| {
            let names = certificate.subject_alternative_name().ok().flatten();
            let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
            let names = names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) if !name.contains('*') => Some(name.to_ascii_lowercase()),
                _ => None,
            });
            names.collect()
        });
        names.unwrap_or_default()
    }

    fn read<T>(&self, what: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
        let current = self.current.load();
        let (_, certificate) = X509Certificate::from_der(current.as_ref()?.cert.first()?).ok()?;
        Some(what(&certificate))
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load_full()
    }
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("names", &self.names())
            .field("validity", &self.validity())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let made = rcgen::generate_simple_self_signed([name.to_owned(), "*.example.org".to_owned()]).unwrap();
        (vec![made.cert.der().clone()], made.signing_key.into())
    }

    #[test]
    fn a_certificate_knows_its_names_and_times() {
        let (chain, key) = made("Orchard.local");
        let certificate = ServerCertificate::new(chain, key).unwrap();
        assert_eq!(certificate.names(), ["orchard.local"]);
        let (begins, ends) = certificate.validity().unwrap();
        let renewal = certificate.renew_at().unwrap();
        assert!(begins < renewal && renewal < ends);
        assert_eq!(ServerCertificate::default().renew_at(), None);
    }

    #[test]
    fn a_wrong_replacement_leaves_the_present_one() {
        let (chain, key) = made("a.example");
        let certificate = ServerCertificate::new(chain.clone(), key).unwrap();
        let (other_chain, other_key) = made("b.example");
        for (chain, key) in [
            (chain, other_key.clone_key()),
            (Vec::new(), other_key.clone_key()),
            (vec![CertificateDer::from(vec![1, 2, 3])], other_key.clone_key()),
        ] {
            let message = certificate.replace(chain, key).unwrap_err().to_string();
            assert!(message.starts_with("the certificate cannot be used"), "{message}");
            assert_eq!(certificate.names(), ["a.example"]);
        }
        certificate.replace(other_chain, other_key).unwrap();
        assert_eq!(certificate.names(), ["b.example"]);
    }
}
