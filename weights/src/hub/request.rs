//! One question to a hub: follows its redirects ourselves, so that each step is checked and the token goes to the
//! hub's own origin alone. Says of each failure whether another try may help.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, LOCATION, RANGE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::address::{self, PublicOnly};
use super::date::http_date;
use super::endpoint::Endpoint;
use super::error::PullError;
use super::listing::Listing;
use super::reference::Reference;

/// Steps from a file's address to its bytes; hubs take one or two.
const REDIRECTS_MAX: usize = 5;
/// Bytes of a list. One of 50,000 files has about 15 MiB.
const LIST_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of an answer to a search. Fifty models with all that a hub may say of each have some hundred KiB.
pub(super) const FOUND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// For a connection to be made.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Characters of a hub's own words that are shown.
const SAID_CHARS_MAX: usize = 200;
/// What a hub hears of us.
const USER_AGENT: &str = concat!("pomona/", env!("CARGO_PKG_VERSION"));

/// Why a question was not answered.
#[derive(Debug)]
pub(super) enum Fault {
    /// It may be, a moment later; `after` is what the hub asked for.
    Retry { message: String, after: Option<Duration> },
    /// It will not be.
    Final(PullError),
    /// The hub sent the whole file where a part was asked for.
    IgnoresRange,
}

impl Fault {
    pub(super) fn retry(message: impl Into<String>) -> Self {
        Self::Retry { message: message.into(), after: None }
    }
}

impl From<PullError> for Fault {
    fn from(error: PullError) -> Self {
        Self::Final(error)
    }
}

/// What came of a search.
#[derive(Debug)]
pub(super) enum Searched {
    /// An answer.
    Body(Vec<u8>),
    /// An answer of more than [`FOUND_BYTES_MAX`].
    TooLong,
    /// The hub, a plain mirror, knows no search.
    NoSearch,
}

/// A hub and the connections to it.
#[derive(Clone, Debug)]
pub(super) struct Hub {
    client: Client,
    endpoint: Endpoint,
    proxies: Arc<BTreeSet<String>>,
    stall_max: Duration,
}

impl Hub {
    /// Makes no connection yet. `stall_max` is how long nothing may come.
    pub(super) fn new(endpoint: Endpoint, stall_max: Duration) -> Result<Self, PullError> {
        let proxies = Arc::new(address::proxy_hosts());
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_MAX.min(stall_max));
        if !endpoint.is_private {
            builder = builder.dns_resolver(PublicOnly { proxies: Arc::clone(&proxies) });
        }
        let client = builder.build().map_err(|error| PullError::Client { message: chain(&error) })?;
        Ok(Self { client, endpoint, proxies, stall_max })
    }

    /// Where it is, for people and records.
    pub(super) fn address(&self) -> String {
        self.endpoint.address()
    }

    /// The files of a repository.
    pub(super) async fn list(&self, reference: &Reference) -> Result<Listing, Fault> {
        let what = format!("the list of `{reference}`");
        let response = self.open(self.endpoint.list_url(reference), None, &what).await?;
        let body = self.body(response, LIST_BYTES_MAX).await?.ok_or_else(|| {
            let problem = format!("it is longer than {LIST_BYTES_MAX} bytes");
            PullError::Listing { repo: reference.repo.clone(), problem }
        })?;
        Ok(Listing::read(&body, &reference.repo, &reference.revision)?)
    }

    /// The answer to a search, unread.
    pub(super) async fn search(&self, text: &str, limit: usize) -> Result<Searched, Fault> {
        let response =
            match self.open(self.endpoint.search_url(text, limit), None, "an answer to a search").await {
                Ok(response) => response,
                Err(Fault::Final(
                    PullError::Denied { status: 404 | 410, .. } | PullError::Status { status: 405 | 501, .. },
                )) => return Ok(Searched::NoSearch),
                Err(fault) => return Err(fault),
            };
        Ok(self.body(response, FOUND_BYTES_MAX).await?.map_or(Searched::TooLong, Searched::Body))
    }

    /// A whole body; `None` when it is longer than `bytes_max`.
    async fn body(&self, mut response: Response, bytes_max: usize) -> Result<Option<Vec<u8>>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            if body.len() + chunk.len() > bytes_max {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }

    /// Asks for a file, or for its bytes from the first to the last number of `range`. The answer is 200, 206 or 416.
    pub(super) async fn file(
        &self,
        repo: &str,
        commit: &str,
        path: &str,
        range: Option<(u64, u64)>,
    ) -> Result<Response, Fault> {
        self.open(self.endpoint.file_url(repo, commit, path), range, &format!("`{path}`")).await
    }

    /// What comes next of a body; `None` at its end.
    pub(super) async fn chunk(&self, response: &mut Response) -> Result<Option<bytes::Bytes>, Fault> {
        match timeout(self.stall_max, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(Fault::retry(chain(&error.without_url()))),
            Err(_) => Err(self.stalled()),
        }
    }

    async fn open(&self, url: Url, range: Option<(u64, u64)>, what: &str) -> Result<Response, Fault> {
        let mut url = url;
        for _ in 0..=REDIRECTS_MAX {
            self.check(&url).await?;
            let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(token) = self.endpoint.token.as_ref().filter(|_| self.endpoint.is_own(&url)) {
                request = request.bearer_auth(token.reveal());
            }
            if let Some((first, last)) = range {
                request = request.header(RANGE, format!("bytes={first}-{last}"));
            }
            let response = match timeout(self.stall_max, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(Fault::retry(chain(&error.without_url()))),
                Err(_) => return Err(self.stalled()),
            };
            if !response.status().is_redirection() {
                return judge(response, what);
            }
            let target = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let target = target.ok_or_else(|| Fault::retry("a redirect without a target"))?;
            url = url.join(target).map_err(|_| Fault::retry("a redirect to what is no address"))?;
        }
        let problem = format!("it was the step after {REDIRECTS_MAX} redirects");
        Err(PullError::Redirect { to: shown(&url), problem }.into())
    }

    /// Whether we go there.
    async fn check(&self, url: &Url) -> Result<(), Fault> {
        let refuse = |problem: &str| {
            Err(Fault::Final(PullError::Redirect { to: shown(url), problem: problem.to_owned() }))
        };
        match url.scheme() {
            "https" => {}
            "http" if self.endpoint.is_private && address::is_private_host(url).await => {}
            "http" => return refuse("it is a public host without encryption"),
            _ => return refuse("it is neither https nor http"),
        }
        if self.endpoint.is_private {
            return Ok(());
        }
        if let Some(literal) = address::literal(url) {
            return if pomona_config::is_private(literal) {
                refuse("it is a private address")
            } else {
                Ok(())
            };
        }
        // With a proxy it is the proxy who looks names up; ours may not resolve.
        if self.proxies.is_empty() {
            let (host, port) = address::host_and_port(url);
            let found = lookup_host((host.as_str(), port)).await;
            let mut found = found.map_err(|error| Fault::retry(format!("`{host}`: {error}")))?;
            if found.any(|found| pomona_config::is_private(found.ip())) {
                return refuse("its name leads to a private address");
            }
        }
        Ok(())
    }

    fn stalled(&self) -> Fault {
        Fault::retry(format!("nothing came for {} ms", self.stall_max.as_millis()))
    }
}

/// Sorts an answer that is no redirect.
fn judge(response: Response, what: &str) -> Result<Response, Fault> {
    let status = response.status();
    let headers = response.headers();
    let said = said(headers);
    let what = what.to_owned();
    match status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
            if headers.get("x-error-code").is_some_and(|c| c == "GatedRepo") =>
        {
            let remedy = "accept its terms on the hub's page, and set HF_TOKEN to a token of that account";
            Err(PullError::Denied { what, status: status.as_u16(), said, remedy }.into())
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
            let remedy = "look at the name and the revision; if it is private, set HF_TOKEN";
            Err(PullError::Denied { what, status: status.as_u16(), said, remedy }.into())
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Fault::Retry {
                message: format!("HTTP {}{said}", status.as_u16()),
                after: retry_after(headers),
            })
        }
        // What a server says it cannot do it will not do a moment later.
        _ if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => Err(Fault::Retry {
            message: format!("HTTP {}{said}", status.as_u16()),
            after: retry_after(headers),
        }),
        _ => Err(PullError::Status { what, status: status.as_u16(), said }.into()),
    }
}

/// A hub's own words behind a colon, without what a terminal would obey.
fn said(headers: &HeaderMap) -> String {
    let words = headers.get("x-error-message").and_then(|words| words.to_str().ok()).unwrap_or_default();
    let plain: String = words.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect();
    if plain.is_empty() { plain } else { format!(": {plain}") }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = http_date(text)?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Scheme, host and port: what follows may hold a signature.
fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_public_hub_leads_nowhere_private_and_nowhere_unencrypted() {
        let endpoint = Endpoint::new("https://1.1.1.1", None).await.unwrap();
        let hub = Hub { proxies: Arc::default(), ..Hub::new(endpoint, Duration::from_secs(1)).unwrap() };
        for bad in [
            "https://10.0.0.1/x",
            "https://169.254.169.254/",
            "https://[::1]/",
            "https://localhost/x",
            "http://1.1.1.1/x",
            "ftp://1.1.1.1/",
        ] {
            let fault = hub.check(&Url::parse(bad).unwrap()).await.unwrap_err();
            assert!(matches!(fault, Fault::Final(PullError::Redirect { .. })), "{bad}: {fault:?}");
        }
        assert!(hub.check(&Url::parse("https://8.8.8.8/x").unwrap()).await.is_ok());
    }

    #[tokio::test]
    async fn a_hub_of_our_own_may_lead_into_our_network_but_not_out_of_it_unencrypted() {
        let endpoint = Endpoint::new("http://127.0.0.1:9", None).await.unwrap();
        let hub = Hub::new(endpoint, Duration::from_secs(1)).unwrap();
        assert!(hub.check(&Url::parse("http://10.0.0.1/x").unwrap()).await.is_ok());
        assert!(hub.check(&Url::parse("https://8.8.8.8/x").unwrap()).await.is_ok());
        assert!(hub.check(&Url::parse("http://8.8.8.8/x").unwrap()).await.is_err());
    }
}
