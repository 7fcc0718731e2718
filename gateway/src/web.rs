//! The web app, as `pomona-web` has it: one page for all of its routes, and the files that the page needs.
//!
//! The page holds nothing by itself; what it shows it asks the API for. Its policy allows its own files and nothing
//! inline, so that a text of a model that came to be read as HTML could do nothing. It may ask its own gateway, and
//! whether the cluster's other addresses answer (`gateway.addresses`).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{StatusCode, Uri};
use pomona_web::{Asset, INDEX, find};

use crate::errors::ApiError;
use crate::state::Shared;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      font-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'; connect-src 'self'";
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// What the app has no use for.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=()";

/// What the page may do, with these origins besides its own that it may ask. The configuration let through only what is
/// an origin.
pub(crate) fn policy(addresses: &[String]) -> HeaderValue {
    let further: String = addresses.iter().map(|address| format!(" {address}")).collect();
    HeaderValue::try_from(format!("{POLICY}{further}")).unwrap_or(HeaderValue::from_static(POLICY))
}

/// The page of every route of the app.
pub(crate) async fn page(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    serve(INDEX, &headers, &shared.page_policy)
}

/// A file that the page names.
pub(crate) async fn asset(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    serve(uri.path(), &headers, &shared.page_policy)
}

fn serve(path: &str, asked: &HeaderMap, policy: &HeaderValue) -> Response {
    let Some(asset) = find(path) else {
        let message = "there is no such file; the page may be older than this gateway: load it again";
        return ApiError::new(StatusCode::NOT_FOUND, "asset_not_found", message).into_response();
    };
    let (encoding, bytes) = encoded(asset, asked);
    let is_known = asked.get_all(IF_NONE_MATCH).iter().any(|tags| {
        tags.to_str()
            .is_ok_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag))
    });
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(Body::from(bytes)) };
    let headers = response.headers_mut();
    let mut say = |name, value| headers.insert(name, HeaderValue::from_static(value));
    say(ETAG, asset.etag);
    say(VARY, "accept-encoding");
    // What is in a file of another name cannot change.
    say(CACHE_CONTROL, if asset.is_immutable() { "public, max-age=31536000, immutable" } else { "no-cache" });
    say(X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(REFERRER_POLICY, "no-referrer");
    say(PERMISSIONS_POLICY, PERMISSIONS);
    if !is_known {
        say(CONTENT_TYPE, asset.mime);
        if let Some(encoding) = encoding {
            say(CONTENT_ENCODING, encoding);
        }
    }
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    response
}

/// The smallest form that the client takes.
fn encoded(asset: &'static Asset, asked: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let forms = [("br", asset.br), ("gzip", asset.gz)];
    let taken =
        forms.into_iter().find_map(|(name, bytes)| Some((name, bytes?)).filter(|_| takes(asked, name)));
    taken.map_or((None, asset.raw), |(name, bytes)| (Some(name), bytes))
}

/// Whether `Accept-Encoding` names it, and not with `q=0`.
fn takes(asked: &HeaderMap, encoding: &str) -> bool {
    let lists = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(encoding) && weight.is_some_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_client_gets_the_smallest_form_that_it_takes() {
        for (said, name, takes_it) in [
            ("gzip, deflate, br, zstd", "br", true),
            ("br;q=0, gzip", "br", false),
            ("GZIP;q=0.5", "gzip", true),
            ("br;q=x", "br", false),
            ("brotli", "br", false),
            ("", "gzip", false),
        ] {
            assert_eq!(takes(&asked(&[(ACCEPT_ENCODING, said)]), name), takes_it, "{said}");
        }
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let tag = find(INDEX).unwrap().etag;
        let known = serve(INDEX, &asked(&[(IF_NONE_MATCH, tag)]), &policy(&[]));
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert!(known.headers().contains_key(CONTENT_SECURITY_POLICY));
        let other = serve(INDEX, &asked(&[(IF_NONE_MATCH, "\"other\"")]), &policy(&[]));
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn no_file_is_an_error_and_never_the_page() {
        let gone = serve("/assets/gone.js", &HeaderMap::new(), &policy(&[]));
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_page_may_ask_its_own_gateway_and_the_addresses_of_the_cluster() {
        let sources = |addresses: &[&str]| {
            let addresses: Vec<String> = addresses.iter().map(|&address| address.to_owned()).collect();
            let policy = policy(&addresses).to_str().unwrap().to_owned();
            assert!(policy.starts_with("default-src 'none'; "), "{policy}");
            policy.split("; ").find_map(|part| part.strip_prefix("connect-src ")).unwrap().to_owned()
        };
        assert_eq!(sources(&[]), "'self'");
        let both = ["http://192.168.1.7:9999", "https://pomona.example"];
        assert_eq!(sources(&both), "'self' http://192.168.1.7:9999 https://pomona.example");
        assert_eq!(sources(&["https://a\nb"]), "'self'", "what no header may carry changes nothing");
    }

    #[test]
    fn the_page_runs_nothing_inline() {
        let html = String::from_utf8_lossy(find(INDEX).unwrap().raw);
        assert!(
            !html.contains("<script>") && !html.contains("style=") && !html.contains("onclick"),
            "{html}"
        );
        assert!(!POLICY.contains("unsafe"));
    }
}
