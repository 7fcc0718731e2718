//! Which names this server answers to, and which web pages may call it.
//!
//! A page on any site can point its name at 127.0.0.1 and speak to us through a visitor's browser (DNS
//! rebinding). So a Host that is no address and no configured name is refused, on loopback too; so is a
//! foreign Origin. [`crate::guard`] asks here before anything else.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Request, StatusCode};
use pomona_config::GatewayConfig;

use crate::errors::ApiError;

/// Names and origins that are allowed besides our own.
pub(crate) struct HostPolicy {
    bind: IpAddr,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl HostPolicy {
    /// `own_names` are those of our certificate: whoever could point them elsewhere could not show it.
    pub(crate) fn new(config: &GatewayConfig, own_names: Vec<String>) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect::<Vec<_>>();
        Self {
            bind: config.bind,
            hosts: [lower(&config.allowed_hosts), own_names].concat(),
            origins: lower(&config.allowed_origins),
        }
    }

    /// Refuses a request for somebody else's name.
    pub(crate) fn check_host<B>(&self, request: &Request<B>, local: SocketAddr) -> Result<(), ApiError> {
        let authority = authority(request).unwrap_or_default();
        let host = host_of(authority);
        if self.is_ours(host, local) {
            return Ok(());
        }
        let shown: String = host.chars().take(100).collect();
        let message = format!(
            "host `{shown}` is not allowed; add it to gateway.allowed_hosts if it is a name of this server"
        );
        Err(ApiError::new(StatusCode::FORBIDDEN, "host_not_allowed", message))
    }

    fn is_ours(&self, host: &str, local: SocketAddr) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            // An address cannot be rebound; it is ours when the connection arrived at it.
            let address = address.to_canonical();
            return address.is_loopback() || address == local.ip().to_canonical() || address == self.bind;
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    /// Refuses a page of somebody else. Returns the origin when its answers need CORS headers.
    pub(crate) fn check_origin<B>(&self, request: &Request<B>) -> Result<Option<HeaderValue>, ApiError> {
        let Some(origin) = request.headers().get(ORIGIN) else { return Ok(None) };
        let text = origin.to_str().unwrap_or_default();
        if self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)) {
            return Ok(Some(origin.clone()));
        }
        let page = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        if page.is_some_and(|page| authority(request).is_some_and(|host| host.eq_ignore_ascii_case(page))) {
            return Ok(None);
        }
        let shown: String = text.chars().take(100).collect();
        let message = format!(
            "origin `{shown}` is not allowed; add it to gateway.allowed_origins if its pages may call this server"
        );
        Err(ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", message))
    }
}

/// `Host` of HTTP/1, `:authority` of HTTP/2. Two Host headers are none.
fn authority<B>(request: &Request<B>) -> Option<&str> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// The authority without its port and without the brackets of an IPv6 address.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or("", |(address, _)| address);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Lets a page of `origin` read the answer.
pub(crate) fn grant(headers: &mut HeaderMap, origin: HeaderValue) {
    use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, VARY};
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("x-request-id, retry-after, x-pomona-oldest-seq, content-disposition"),
    );
    headers.append(VARY, HeaderValue::from_static("origin"));
}

/// What a browser may send from an allowed page; the answer to its question beforehand.
pub(crate) fn grant_preflight(headers: &mut HeaderMap) {
    use hyper::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE};
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PATCH, DELETE"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "authorization, content-type, x-api-key, x-pomona-events, idempotency-key, last-event-id",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> HostPolicy {
        let config = GatewayConfig {
            allowed_hosts: vec!["Orchard.local".into()],
            allowed_origins: vec!["https://chat.example".into()],
            ..GatewayConfig::default()
        };
        HostPolicy::new(&config, vec!["certified.example".into()])
    }

    fn request(host: &str, origin: Option<&str>) -> Request<()> {
        let request = Request::builder().uri("/v1/models").header(HOST, host);
        match origin {
            Some(origin) => request.header(ORIGIN, origin),
            None => request,
        }
        .body(())
        .unwrap()
    }

    #[test]
    fn only_our_own_names_are_answered() {
        let local = "192.168.1.7:9999".parse().unwrap();
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:9999", true),
            ("localhost.:80", true),
            ("127.0.0.1:9999", true),
            ("127.8.9.1", true),
            ("[::1]:9999", true),
            ("[::ffff:127.0.0.1]:9999", true),
            ("192.168.1.7:9999", true),
            ("orchard.local:9999", true),
            ("certified.example", true),
            ("192.168.1.8:9999", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example:localhost", false),
            ("", false),
            ("[", false),
        ] {
            let allowed = policy().check_host(&request(host, None), local).is_ok();
            assert_eq!(allowed, expected, "{host}");
        }
    }

    #[test]
    fn a_missing_or_double_host_is_refused() {
        let local = "127.0.0.1:1".parse().unwrap();
        let none = Request::builder().uri("/").body(()).unwrap();
        assert!(policy().check_host(&none, local).is_err());
        let two = Request::builder().header(HOST, "localhost").header(HOST, "localhost").body(()).unwrap();
        assert!(policy().check_host(&two, local).is_err());
    }

    #[test]
    fn only_our_own_pages_and_allowed_ones_may_call() {
        for (origin, allowed, granted) in [
            (None, true, false),
            (Some("http://localhost:9999"), true, false),
            (Some("https://localhost:9999"), true, false),
            (Some("https://chat.example"), true, true),
            (Some("http://chat.example"), false, false),
            (Some("http://localhost:8000"), false, false),
            (Some("null"), false, false),
            (Some("https://evil.example"), false, false),
        ] {
            let verdict = policy().check_origin(&request("localhost:9999", origin));
            assert_eq!(verdict.is_ok(), allowed, "{origin:?}");
            assert_eq!(verdict.ok().flatten().is_some(), granted, "{origin:?}");
        }
    }
}
