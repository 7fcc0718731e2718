//! Which hub is asked, and with which token. Made once per command from `HF_ENDPOINT` and `HF_TOKEN`.

use std::fmt;

use reqwest::Url;

use super::address::is_private_host;
use super::reference::Reference;

/// The hub that is asked when nobody names another one.
pub const HUB_DEFAULT: &str = "https://huggingface.co";
/// What is asked of each model that a search finds; without it a hub tells some of them and much else.
const SEARCH_FIELDS: &[&str] = &["downloads", "likes", "lastModified", "gated", "tags"];
/// Longest token that is sent, in bytes; those of hubs have 40.
const TOKEN_BYTES_MAX: usize = 1024;

/// What proves to a hub who asks. It is shown to nobody and sent to the hub's own origin alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// `None` for a text that is no token: empty, too long, or with something that no header may carry.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_one =
            !text.is_empty() && text.len() <= TOKEN_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic());
        is_one.then(|| Self(text.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Why an address is no hub.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No address.
    #[error("HF_ENDPOINT {given:?} is no address of a hub: {problem}; expected something like {HUB_DEFAULT}")]
    Address {
        /// What was given.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Everybody on the way could read and change what comes.
    #[error("HF_ENDPOINT {given:?} is a public host without encryption; use https://")]
    Plain {
        /// What was given.
        given: String,
    },
}

/// A hub.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(super) base: Url,
    pub(super) token: Option<Token>,
    /// It lies inside of our own network, and so may what it points to.
    pub(super) is_private: bool,
}

impl Endpoint {
    /// Looks at an address; asks nobody but the resolver.
    pub async fn new(address: &str, token: Option<Token>) -> Result<Self, EndpointError> {
        let given: String = without_secrets(address).chars().take(200).collect();
        let problem =
            |problem: &str| EndpointError::Address { given: given.clone(), problem: problem.to_owned() };
        let mut base = Url::parse(address.trim()).map_err(|error| problem(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(problem("it begins with neither https:// nor http://"));
        }
        if base.host_str().is_none_or(str::is_empty) {
            return Err(problem("it has no host"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(problem("it has a password in it; use HF_TOKEN"));
        }
        base.set_query(None);
        base.set_fragment(None);
        let is_private = is_private_host(&base).await;
        if base.scheme() == "http" && !is_private {
            return Err(EndpointError::Plain { given });
        }
        Ok(Self { base, token, is_private })
    }

    /// Where it is, for people and records.
    pub fn address(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// The list of a repository's files.
    pub(super) fn list_url(&self, reference: &Reference) -> Url {
        let mut url = self.join(["api", "models"].into_iter().chain(reference.repo.split('/')));
        extend(&mut url, ["revision", reference.revision.as_str()]);
        url.set_query(Some("blobs=true"));
        url
    }

    /// Models whose names or tags hold a text, the most wanted first.
    pub(super) fn search_url(&self, text: &str, limit: usize) -> Url {
        let mut url = self.join(["api", "models"].into_iter());
        let mut query = url.query_pairs_mut();
        query.append_pair("search", text).append_pair("limit", &limit.to_string());
        query.append_pair("sort", "downloads").append_pair("direction", "-1");
        for field in SEARCH_FIELDS {
            query.append_pair("expand[]", field);
        }
        drop(query);
        url
    }

    /// One file of a repository as of a commit.
    pub(super) fn file_url(&self, repo: &str, commit: &str, path: &str) -> Url {
        let mut url = self.join(repo.split('/'));
        extend(&mut url, ["resolve", commit].into_iter().chain(path.split('/')));
        url
    }

    fn join<'a>(&self, parts: impl Iterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        extend(&mut url, parts);
        url
    }

    /// Whether the token may go there: the same scheme, host and port.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }
}

/// Each part becomes one part of the path, whatever is in it: a slash in a revision is escaped.
fn extend<'a>(url: &mut Url, parts: impl IntoIterator<Item = &'a str>) {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
}

/// What may stand in a message: no user, no password.
fn without_secrets(address: &str) -> String {
    match address.split_once('@') {
        Some((_, rest)) if address.contains("://") => format!("…@{rest}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hub_is_encrypted_or_our_own() {
        assert!(Endpoint::new(HUB_DEFAULT, None).await.is_ok());
        assert!(Endpoint::new("http://127.0.0.1:8080/hub/", None).await.unwrap().is_private);
        assert!(!Endpoint::new("https://1.1.1.1", None).await.unwrap().is_private);
        assert!(matches!(Endpoint::new("http://1.1.1.1", None).await, Err(EndpointError::Plain { .. })));
        for bad in ["", "hub", "ftp://hub.example", "file:///etc/passwd", "https://"] {
            assert!(matches!(Endpoint::new(bad, None).await, Err(EndpointError::Address { .. })), "{bad}");
        }
        let error = Endpoint::new("https://me:secret@hub.example", None).await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn parts_of_a_path_stay_parts() {
        let endpoint = Endpoint::new("http://127.0.0.1:1/hub/", None).await.unwrap();
        let reference: Reference = "a/b@refs/pr/1".parse().unwrap();
        assert_eq!(
            endpoint.list_url(&reference).as_str(),
            "http://127.0.0.1:1/hub/api/models/a/b/revision/refs%2Fpr%2F1?blobs=true"
        );
        assert_eq!(
            endpoint.file_url("a/b", "c0ffee", "x/y z?.json").as_str(),
            "http://127.0.0.1:1/hub/a/b/resolve/c0ffee/x/y%20z%3F.json"
        );
        let url = endpoint.search_url("a&limit=9 ä", 3);
        let begins = "http://127.0.0.1:1/hub/api/models?search=a%26limit%3D9+%C3%A4&limit=3&sort=downloads";
        assert!(url.as_str().starts_with(begins), "{url}");
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::new(" hf_secret\n").unwrap();
        assert_eq!(token.reveal(), "hf_secret");
        assert!(!format!("{token:?}").contains("secret"));
        assert_eq!(Token::new("a b"), None);
        assert_eq!(Token::new(" "), None);
    }
}
