//! The addresses of a webhook: a resolver that gives no private one away.

use std::net::{IpAddr, SocketAddr};

use pomona_config::is_private;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

/// The address that a URL names itself, without a name.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Stands at the connection itself, so that a name that resolves differently a moment later gains nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            if let Some(address) = found.iter().find(|address| is_private(address.ip())) {
                let address = address.ip();
                return Err(format!(
                    "`{name}` is the private address {address}; see notifications.webhook_private"
                )
                .into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_resolved() {
        let name: Name = "localhost".parse().unwrap();
        let Err(error) = PublicOnly.resolve(name).await else { panic!("it was resolved") };
        assert!(error.to_string().contains("private address"), "{error}");
    }
}
