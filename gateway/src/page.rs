//! The chat page: three files, built in, so that a fresh install has something to click on.
//!
//! The page is open to all, since it holds nothing; it asks for the key and keeps it for the session of its
//! tab. Its content policy allows its own two files and nothing inline, and the script shows what a model says
//! as text only.

use axum::body::Body;
use axum::response::Response;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The chat page.
#[utoipa::path(get, path = "/", responses((status = 200, description = "a chat page", content_type = "text/html")))]
pub(crate) async fn html() -> Response {
    file("text/html; charset=utf-8", include_str!("page/index.html"))
}

/// Its script.
#[utoipa::path(get, path = "/page.js", responses((status = 200, description = "script of the chat page", content_type = "text/javascript")))]
pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("page/page.js"))
}

/// Its looks.
#[utoipa::path(get, path = "/page.css", responses((status = 200, description = "style of the chat page", content_type = "text/css")))]
pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", include_str!("page/page.css"))
}

fn file(content_type: &'static str, content: &'static str) -> Response {
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_runs_nothing_inline_and_shows_answers_as_text() {
        let html = include_str!("page/index.html");
        assert!(!html.contains("<script>") && !html.contains("style=") && !html.contains("onclick"));
        let script = include_str!("page/page.js");
        for forbidden in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage"]
        {
            assert!(!script.contains(forbidden), "{forbidden}");
        }
    }
}
