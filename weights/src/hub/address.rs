//! Which addresses a hub may send us to. A public hub may not point into the network of whoever pulls: a redirect
//! to a router or a metadata service would be asked with this machine's rights. Used by `request`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pomona_config::is_private;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

/// Environment variables that name proxies; reqwest reads the same ones.
const PROXY_VARIABLES: &[&str] =
    &["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The address that a URL names itself, without a name.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Host and port of a URL, as they are looked up and shown.
pub(super) fn host_and_port(url: &Url) -> (String, u16) {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    (host.to_owned(), url.port_or_known_default().unwrap_or(443))
}

/// Whether every address behind a URL is private. A name that does not resolve here is public.
pub(super) async fn is_private_host(url: &Url) -> bool {
    if let Some(address) = literal(url) {
        return is_private(address);
    }
    let (host, port) = host_and_port(url);
    match lookup_host((host.as_str(), port)).await {
        Ok(found) => {
            let found: Vec<SocketAddr> = found.collect();
            !found.is_empty() && found.iter().all(|address| is_private(address.ip()))
        }
        Err(_) => false,
    }
}

/// Hosts of the proxies that the environment names; they may be private, whatever the hub is.
pub(super) fn proxy_hosts() -> BTreeSet<String> {
    let values = PROXY_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    values.filter_map(|value| proxy_host(&value)).collect()
}

fn proxy_host(value: &str) -> Option<String> {
    let text =
        if value.contains("://") { value.trim().to_owned() } else { format!("http://{}", value.trim()) };
    let url = Url::parse(&text).ok()?;
    url.host_str().map(str::to_ascii_lowercase)
}

/// Resolves names for the connections to a public hub, and gives no private address away. It stands at the
/// connection itself, so that a name that resolves differently a moment later gains nothing.
#[derive(Clone, Debug)]
pub(super) struct PublicOnly {
    pub(super) proxies: Arc<BTreeSet<String>>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_ascii_lowercase();
        let is_proxy = self.proxies.contains(&name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            if let Some(address) = found.iter().find(|address| !is_proxy && is_private(address.ip())) {
                return Err(format!("`{name}` is the private address {}", address.ip()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_url_is_seen_however_it_is_written() {
        for text in ["http://127.1/x", "http://2130706433/", "http://0x7f.0.0.1/", "http://[::1]:80/"] {
            let address = literal(&Url::parse(text).unwrap());
            assert!(address.is_some_and(is_private), "{text}: {address:?}");
        }
        assert_eq!(literal(&Url::parse("https://hub.example/").unwrap()), None);
    }

    #[test]
    fn proxies_are_known_with_and_without_a_scheme() {
        assert_eq!(proxy_host("http://user:secret@Proxy.lan:3128"), Some("proxy.lan".to_owned()));
        assert_eq!(proxy_host("proxy.lan:3128"), Some("proxy.lan".to_owned()));
        assert_eq!(proxy_host(""), None);
    }
}
