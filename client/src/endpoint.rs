//! Which gateways are asked, with which key: what was said explicitly, then the environment, then the gateway that
//! runs on this machine. Which of several answers is found out by `reach`.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use crate::ClientError;

/// Addresses of one cluster; each costs a try when the ones before it are silent.
const GATEWAYS_MAX: usize = 16;

/// A key. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a key as it was read; white space around it is dropped. An empty one is none.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The key itself, for the header of a request or for a person who asked to see it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What one place says about the endpoint: flags, the environment, or the gateway of this machine.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Addresses of gateways of one cluster.
    pub urls: Vec<String>,
    /// A key for them.
    pub key: Option<Secret>,
    /// Certificate of the cluster's own authority, in PEM; trusted besides those that the system trusts.
    pub authority: Option<Vec<u8>>,
}

/// Gateways that answer the same questions, and what a connection to them needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// At least one; near ones first, otherwise in the order in which they were given.
    pub gateways: Vec<Gateway>,
    /// Certificate of the cluster's own authority, in PEM.
    pub authority: Option<Vec<u8>>,
}

/// A gateway and the key for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Scheme, host and port, without a path.
    pub url: Url,
    /// The key, when one was found.
    pub key: Option<Secret>,
}

impl Endpoint {
    /// The first addresses, the first key and the first authority that are given, in the order of the arguments.
    /// The key of this machine's gateway goes to that gateway and to loopback addresses only, so that a mistyped
    /// address does not learn it.
    pub fn discover(flags: Given, environment: Given, local: Given) -> Result<Self, ClientError> {
        let given = [flags.urls, environment.urls, local.urls.clone()];
        let urls = given.into_iter().find(|urls| !urls.is_empty()).ok_or(ClientError::NoGateway)?;
        if urls.len() > GATEWAYS_MAX {
            let reason = format!("{} addresses were given (limit {GATEWAYS_MAX})", urls.len());
            return Err(ClientError::InvalidUrl { url: urls[GATEWAYS_MAX].clone(), reason });
        }
        let key = flags.key.or(environment.key);
        let mut gateways = Vec::with_capacity(urls.len());
        for text in &urls {
            let url = parse(text)?;
            let may_have_own = local.urls.contains(text) || is_loopback(&url);
            let own_key = local.key.as_ref().filter(|_| may_have_own);
            gateways.push(Gateway { key: key.as_ref().or(own_key).cloned(), url });
        }
        gateways.sort_by_key(|gateway| !is_near(&gateway.url));
        let authority = flags.authority.or(environment.authority).or(local.authority);
        Ok(Self { gateways, authority })
    }
}

/// The base of all requests. People paste the address with `/v1`, as other programs want it.
fn parse(text: &str) -> Result<Url, ClientError> {
    let invalid = |reason: &str| ClientError::InvalidUrl { url: text.to_owned(), reason: reason.to_owned() };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("expected http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("a user name has no meaning here"));
    }
    if !matches!(url.path().trim_end_matches('/'), "" | "/v1") || url.query().is_some() {
        return Err(invalid("expected scheme, host and port only"));
    }
    url.set_path("/");
    url.set_fragment(None);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    address(url).map_or(url.host_str() == Some("localhost"), |address| address.is_loopback())
}

/// Whether an address lies on a local network, as far as its text tells.
fn is_near(url: &Url) -> bool {
    let near_name = || url.host_str().is_some_and(|host| host == "localhost" || host.ends_with(".local"));
    address(url).map_or_else(near_name, |address| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    })
}

fn address(url: &Url) -> Option<IpAddr> {
    host(url).parse().ok()
}

/// The host as a resolver wants it: an IPv6 address without its brackets.
pub(crate) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(url: &str, key: &str) -> Given {
        let urls = url.split(',').filter(|url| !url.is_empty()).map(str::to_owned).collect();
        Given { urls, key: Secret::new(key), authority: None }
    }

    fn discovered(flags: Given, environment: Given, local: Given) -> (String, Option<String>) {
        let mut endpoint = Endpoint::discover(flags, environment, local).unwrap();
        let gateway = endpoint.gateways.remove(0);
        (gateway.url.to_string(), gateway.key.map(|key| key.reveal().to_owned()))
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_local_gateway() {
        let local = || given("http://127.0.0.1:9999", "local");
        let environment = || given("http://127.0.0.1:2", "environment");
        let none = || given("", "");
        for (flags, environment, expected) in [
            (none(), none(), ("http://127.0.0.1:9999/", "local")),
            (none(), environment(), ("http://127.0.0.1:2/", "environment")),
            (given("http://127.0.0.1:1", "flag"), environment(), ("http://127.0.0.1:1/", "flag")),
            (given("http://127.0.0.1:1", ""), environment(), ("http://127.0.0.1:1/", "environment")),
            (given("localhost:1/v1", ""), none(), ("http://localhost:1/", "local")),
            (given("http://[::1]:1/v1/", ""), none(), ("http://[::1]:1/", "local")),
        ] {
            let (url, key) = discovered(flags, environment, local());
            assert_eq!((url.as_str(), key.as_deref()), (expected.0, Some(expected.1)));
        }
    }

    #[test]
    fn the_key_of_this_machine_is_not_sent_to_another() {
        let local = given("http://127.0.0.1:9999", "local");
        for url in ["http://192.168.1.5:9999", "http://gateway.example", "http://127.0.0.1.example"] {
            let (_, key) = discovered(given(url, ""), given("", ""), local.clone());
            assert_eq!(key, None, "{url}");
        }
    }

    #[test]
    fn the_gateway_of_this_machine_gets_its_key_whatever_it_listens_on() {
        for url in ["http://0.0.0.0:9999", "http://192.168.1.5:9999"] {
            for named in ["", url] {
                let (_, key) = discovered(given(named, ""), given("", ""), given(url, "local"));
                assert_eq!(key.as_deref(), Some("local"), "{url}");
            }
        }
    }

    #[test]
    fn an_address_that_cannot_be_asked_is_refused_with_the_reason() {
        for (url, reason) in [
            ("ftp://gateway.example", "expected http or https"),
            ("http://a:b@gateway.example", "user name"),
            ("http://gateway.example/other", "scheme, host and port"),
            ("http://", "empty host"),
        ] {
            let error =
                Endpoint::discover(given(url, ""), given("", ""), given("", "")).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(url), "{error}");
        }
    }

    #[test]
    fn near_gateways_come_first_and_each_has_its_own_key() {
        let urls =
            "https://gateway.example,https://192.168.1.5:9999,http://127.0.0.1:1,https://mac.local:9999";
        let endpoint =
            Endpoint::discover(given(urls, ""), given("", ""), given("http://127.0.0.1:9999", "local"))
                .unwrap();
        let found: Vec<(&str, bool)> =
            endpoint.gateways.iter().map(|gateway| (gateway.url.as_str(), gateway.key.is_some())).collect();
        let expected = [
            ("https://192.168.1.5:9999/", false),
            ("http://127.0.0.1:1/", true),
            ("https://mac.local:9999/", false),
            ("https://gateway.example/", false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn more_addresses_than_a_cluster_has_are_refused() {
        let urls = vec!["127.0.0.1:1"; GATEWAYS_MAX + 1].join(",");
        let error =
            Endpoint::discover(given(&urls, ""), given("", ""), given("", "")).unwrap_err().to_string();
        assert!(error.contains("17 addresses were given (limit 16)"), "{error}");
    }

    #[test]
    fn without_any_gateway_the_remedy_is_named() {
        let error = Endpoint::discover(given("", ""), given("", "k"), given("", "")).unwrap_err();
        assert!(error.to_string().contains("`pomona up`"), "{error}");
    }

    #[test]
    fn a_key_is_never_shown_by_debug() {
        assert!(!format!("{:?}", given("", "pom_secret")).contains("pom_secret"));
    }
}
