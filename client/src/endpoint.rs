//! Which gateway is asked, with which key: what was said explicitly, then the environment, then the gateway that
//! runs on this machine.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use crate::ClientError;

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
    /// Address of a gateway.
    pub url: Option<String>,
    /// A key for it.
    pub key: Option<Secret>,
}

/// A gateway and the key for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host and port, without a path.
    pub url: Url,
    /// The key, when one was found.
    pub key: Option<Secret>,
}

impl Endpoint {
    /// The first address and the first key that is given, in the order of the arguments. The key of this
    /// machine's gateway goes to that gateway and to loopback addresses only, so that a mistyped address does not
    /// learn it.
    pub fn discover(flags: Given, environment: Given, local: Given) -> Result<Self, ClientError> {
        let named = flags.url.or(environment.url);
        let is_local = named.is_none() || named == local.url;
        let text = named.or(local.url).ok_or(ClientError::NoGateway)?;
        let url = parse(&text)?;
        let own_key = local.key.filter(|_| is_local || is_loopback(&url));
        Ok(Self { key: flags.key.or(environment.key).or(own_key), url })
    }
}

/// The base of all requests. People paste the address with `/v1`, as other programs want it.
fn parse(text: &str) -> Result<Url, ClientError> {
    let invalid = |reason: &str| ClientError::InvalidUrl { url: text.to_owned(), reason: reason.to_owned() };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|error| invalid(&error.to_string()))?;
    match url.scheme() {
        "http" => {}
        "https" => {
            return Err(invalid("this build speaks http only; put the gateway behind a tunnel or a proxy"));
        }
        _ => return Err(invalid("expected http")),
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
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(url: &str, key: &str) -> Given {
        Given { url: Some(url.to_owned()).filter(|url| !url.is_empty()), key: Secret::new(key) }
    }

    fn discovered(flags: Given, environment: Given, local: Given) -> (String, Option<String>) {
        let endpoint = Endpoint::discover(flags, environment, local).unwrap();
        (endpoint.url.to_string(), endpoint.key.map(|key| key.reveal().to_owned()))
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
            ("https://gateway.example", "speaks http only"),
            ("ftp://gateway.example", "expected http"),
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
    fn without_any_gateway_the_remedy_is_named() {
        let error = Endpoint::discover(given("", ""), given("", "k"), given("", "")).unwrap_err();
        assert!(error.to_string().contains("`pomona up`"), "{error}");
    }

    #[test]
    fn a_key_is_never_shown_by_debug() {
        assert!(!format!("{:?}", given("", "pom_secret")).contains("pom_secret"));
    }
}
