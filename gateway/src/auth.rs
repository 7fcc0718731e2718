//! Who may ask: the one place where a request shows its key.
//!
//! [`crate::guard`] calls it for every route; a route that needs no key says so in the route table. A browser that
//! signed in shows a cookie instead ([`crate::signin`]), which counts where no key is shown.

use std::time::SystemTime;

use hyper::header::{AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use hyper::{Method, Request};

use crate::errors::ApiError;
use crate::keys::{KeyId, KeyRing};
use crate::routes::Access;
use crate::signin::cookie::{self, SignedOut};

/// Browsers cannot set headers on a WebSocket, so the key may come as an offered subprotocol.
pub(crate) const BEARER_PROTOCOL: &str = "pomona.bearer.";

/// Who is known here.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) keys: &'a KeyRing,
    pub(crate) signed_out: &'a SignedOut,
}

/// Where a request comes from, as far as the connection and the checks before tell.
#[derive(Clone, Copy)]
pub(crate) struct From {
    /// Whether its peer is this machine.
    pub(crate) loopback: bool,
    /// Port of the gateway that it came to.
    pub(crate) port: u16,
    /// Whether it is a page of another origin, which may call us by the configuration.
    pub(crate) foreign_page: bool,
}

/// Lets a request through, with the key that it showed if it had to, or says what it lacks.
pub(crate) fn check<B>(
    known: Known<'_>,
    access: Access,
    from: From,
    request: &Request<B>,
) -> Result<Option<KeyId>, ApiError> {
    let shown = match access {
        Access::Open => return Ok(None),
        Access::KeyUnlessLoopback if from.loopback => return Ok(None),
        Access::Key | Access::KeyUnlessLoopback => presented(request),
        Access::KeyOrProtocol => presented(request).or_else(|| offered(request)),
    };
    if shown.is_none()
        && let Some(key) = signed_in(known, from, request)
    {
        return Ok(Some(key));
    }
    check_key(known.keys, shown).map(Some)
}

/// Whose browser it is. Browsers send the cookie with whatever a page asks for, so it does not count for pages of others,
/// and a change needs the `Origin` that browsers send along with changes and scripts cannot forge.
fn signed_in<B>(known: Known<'_>, from: From, request: &Request<B>) -> Option<KeyId> {
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if from.foreign_page || !(is_reading || request.headers().contains_key(ORIGIN)) {
        return None;
    }
    let shown = cookie::shown(request.headers(), &cookie::name(from.port))?;
    let key = cookie::check(known.keys, shown, SystemTime::now())?;
    (!known.signed_out.has(shown)).then_some(key)
}

fn check_key(keys: &KeyRing, key: Option<&[u8]>) -> Result<KeyId, ApiError> {
    let Some(key) = key else {
        return Err(ApiError::unauthorized(
            "no API key; sign in, or send it as `Authorization: Bearer …` (the local one stands in the file that `pomona up` names)",
        ));
    };
    keys.find(key).ok_or_else(|| ApiError::unauthorized("this API key is not valid here"))
}

/// The key of `Authorization: Bearer`, else of `x-api-key`.
fn presented<B>(request: &Request<B>) -> Option<&[u8]> {
    let headers = request.headers();
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
    });
    bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii()))
}

/// The key among the offered WebSocket subprotocols.
fn offered<B>(request: &Request<B>) -> Option<&[u8]> {
    let mut protocols = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    protocols.find_map(|value| {
        let mut names = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        names.find_map(|name| name.strip_prefix(BEARER_PROTOCOL.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(access: Access, is_from_loopback: bool, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let (keys, signed_out) = (KeyRing::of(&["pom_a"]), SignedOut::default());
        let known = Known { keys: &keys, signed_out: &signed_out };
        let from = From { loopback: is_from_loopback, port: 9999, foreign_page: false };
        check(known, access, from, &request).map(drop).map_err(|error| error.code())
    }

    #[test]
    fn a_cookie_counts_for_pages_of_this_gateway_alone() {
        let (keys, signed_out) = (KeyRing::of(&["pom_a"]), SignedOut::default());
        let key = keys.find(b"pom_a").unwrap();
        let now = SystemTime::now();
        let value = cookie::make(&keys.cookie_secret(key).unwrap(), key, now).unwrap();
        let asks = |method: Method, headers: &[(&str, &str)], foreign_page: bool, port: u16| {
            let mut request =
                Request::builder().method(method).header("cookie", format!("pomona_9999={value}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let from = From { loopback: true, port, foreign_page };
            let known = Known { keys: &keys, signed_out: &signed_out };
            check(known, Access::Key, from, &request.body(()).unwrap()).ok().flatten()
        };
        let own = [("origin", "http://127.0.0.1:9999")];
        assert_eq!(asks(Method::GET, &[], false, 9999), Some(key));
        assert_eq!(asks(Method::POST, &own, false, 9999), Some(key));
        assert_eq!(asks(Method::POST, &[], false, 9999), None, "a change without Origin is no browser's");
        assert_eq!(
            asks(Method::GET, &own, true, 9999),
            None,
            "an allowed page of another origin needs a key"
        );
        assert_eq!(asks(Method::GET, &[], false, 9998), None, "the cookie of another gateway");
        assert_eq!(
            asks(Method::GET, &[("x-api-key", "pom_b")], false, 9999),
            None,
            "a wrong key is not made good"
        );
        signed_out.add(&value, now);
        assert_eq!(asks(Method::GET, &[], false, 9999), None, "signed out");
    }

    #[test]
    fn a_key_opens_by_either_header_and_nothing_else_does() {
        for (headers, opens) in [
            (&[("authorization", "Bearer pom_a")][..], true),
            (&[("authorization", "bearer  pom_a ")], true),
            (&[("x-api-key", "pom_a")], true),
            (&[("authorization", "Basic eA=="), ("x-api-key", "pom_a")], true),
            (&[("authorization", "Bearer pom_b"), ("x-api-key", "pom_a")], false),
            (&[("authorization", "Bearer pom_b")], false),
            (&[("authorization", "Bearer ")], false),
            (&[("authorization", "pom_a")], false),
            (&[("cookie", "pom_a")], false),
            (&[("sec-websocket-protocol", "pomona.bearer.pom_a")], false),
            (&[], false),
        ] {
            assert_eq!(verdict(Access::Key, true, headers).is_ok(), opens, "{headers:?}");
        }
    }

    #[test]
    fn a_websocket_may_offer_its_key_as_a_protocol() {
        let offered = [("sec-websocket-protocol", "pomona.v1, pomona.bearer.pom_a")];
        assert_eq!(verdict(Access::KeyOrProtocol, false, &offered), Ok(()));
        let wrong = [("sec-websocket-protocol", "pomona.v1, pomona.bearer.pom_b")];
        assert_eq!(verdict(Access::KeyOrProtocol, false, &wrong), Err("invalid_api_key"));
    }

    #[test]
    fn metrics_are_open_to_this_machine_only() {
        assert_eq!(verdict(Access::KeyUnlessLoopback, true, &[]), Ok(()));
        assert_eq!(verdict(Access::KeyUnlessLoopback, false, &[]), Err("invalid_api_key"));
        assert_eq!(verdict(Access::Open, false, &[]), Ok(()));
    }
}
