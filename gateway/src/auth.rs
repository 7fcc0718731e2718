//! Who may ask: the one place where a request shows its key.
//!
//! [`crate::guard`] calls it for every route; a route that needs no key says so in the route table.

use hyper::Request;
use hyper::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use crate::errors::ApiError;
use crate::keys::{KeyId, KeyRing};
use crate::routes::Access;

/// Browsers cannot set headers on a WebSocket, so the key may come as an offered subprotocol.
pub(crate) const BEARER_PROTOCOL: &str = "pomona.bearer.";

/// Lets a request through, with the key that it showed if it had to, or says what it lacks.
pub(crate) fn check<B>(
    keys: &KeyRing,
    access: Access,
    is_from_loopback: bool,
    request: &Request<B>,
) -> Result<Option<KeyId>, ApiError> {
    match access {
        Access::Open => Ok(None),
        Access::KeyUnlessLoopback if is_from_loopback => Ok(None),
        Access::Key | Access::KeyUnlessLoopback => check_key(keys, presented(request)).map(Some),
        Access::KeyOrProtocol => check_key(keys, presented(request).or_else(|| offered(request))).map(Some),
    }
}

fn check_key(keys: &KeyRing, key: Option<&[u8]>) -> Result<KeyId, ApiError> {
    let Some(key) = key else {
        return Err(ApiError::unauthorized(
            "no API key; send it as `Authorization: Bearer …` (the local one stands in the file that `pomona up` names)",
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
        check(&KeyRing::of(&["pom_a"]), access, is_from_loopback, &request)
            .map(drop)
            .map_err(|error| error.code())
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
