//! Whom an encrypted connection trusts: what the system trusts, and the authority of the cluster.

use reqwest::tls::Certificate;
use reqwest::{ClientBuilder, Url};

use crate::ClientError;

/// Builds a connection pool. A system without any certificate of its own is no obstacle to plain HTTP, nor to a
/// gateway that the cluster's authority has signed.
pub(crate) fn pool(
    is_encrypted: bool,
    authority: Option<&[u8]>,
    url: &Url,
    builder: impl Fn() -> ClientBuilder,
) -> Result<reqwest::Client, ClientError> {
    let roots = authority.map(certificates).transpose()?.unwrap_or_default();
    let failed = |error: reqwest::Error| ClientError::of_request(url, &error);
    if !is_encrypted {
        return builder().tls_certs_only([]).build().map_err(failed);
    }
    let built = builder().tls_certs_merge(roots.iter().cloned()).build();
    match built {
        Err(_) if !roots.is_empty() => builder().tls_certs_only(roots).build().map_err(failed),
        built => built.map_err(failed),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, ClientError> {
    let invalid = |message: String| ClientError::InvalidAuthority { message };
    let roots = Certificate::from_pem_bundle(pem).map_err(|error| invalid(error.to_string()))?;
    if roots.is_empty() { Err(invalid("it holds no certificate".to_owned())) } else { Ok(roots) }
}
