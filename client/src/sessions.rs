//! What is asked of sessions: making, listing, changing, asking, branches, files. What is heard from them is in
//! `session_stream`.
//!
//! A request whose answer got lost is repeated only where it has an idempotency key, so nothing is done twice.

use std::time::Duration;

use pomona_protocol::v3::{
    AcceptedBody, AskBody, ChangeBody, DoneBody, ExportBody, NewSessionBody, PageBody, SessionBody, TurnBody,
};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::admin::segment;
use crate::backoff::Backoff;
use crate::{Client, ClientError, SessionFeed};

/// The store has 10 s before a gateway gives up on it, and a long log takes some to be read.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a session with all of its turns.
const SESSION_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Tries of a request with an idempotency key: with the waits between, 10 to 20 s, in which a gateway starts again.
const TRIES_MAX: u32 = 9;
/// Carries the key of requests that may be repeated.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Which sessions to list; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionsQuery {
    /// Words that all stand somewhere in the title, the questions or the answers.
    pub text: Option<String>,
    /// A part of the title, in any case.
    pub title: Option<String>,
    /// The model, exactly.
    pub model: Option<String>,
    /// A tag, exactly.
    pub tag: Option<String>,
    /// As `next` of the page before.
    pub cursor: Option<String>,
    /// Sessions on a page, 1 to 200; the gateway's own choice when left out.
    pub limit: Option<u32>,
}

/// A line of the audit, as a gateway tells it to the key that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Its number.
    pub number: u64,
    /// When, in Unix milliseconds.
    pub at: u64,
    /// Whose key.
    pub by: String,
    /// `session.created`, `turn.asked` and others.
    pub action: String,
    /// The session or the turn.
    pub object: String,
    /// What else is worth knowing.
    #[serde(default)]
    pub detail: String,
    /// SHA-256 over the hash before it and what it says, in hex.
    #[serde(default)]
    pub hash: String,
}

#[derive(Deserialize)]
struct AuditPage {
    lines: Vec<AuditLine>,
}

impl Client {
    /// Makes a session. A lost answer makes no second one.
    pub async fn create_session(&self, new: &NewSessionBody) -> Result<SessionBody, ClientError> {
        self.once(&["v3", "sessions"], &new_key()?, new).await
    }

    /// A page of the sessions that the key may read, those with the newest event first.
    pub async fn sessions(&self, query: &SessionsQuery) -> Result<PageBody, ClientError> {
        let limit = query.limit.map(|limit| limit.to_string());
        let pairs: Vec<(&str, &str)> = [
            ("text", query.text.as_deref()),
            ("title", query.title.as_deref()),
            ("model", query.model.as_deref()),
            ("tag", query.tag.as_deref()),
            ("cursor", query.cursor.as_deref()),
            ("limit", limit.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        self.told(Method::GET, &["v3", "sessions"], |request| request.query(&pairs)).await
    }

    /// A session with all of its turns.
    pub async fn session(&self, id: &str) -> Result<SessionBody, ClientError> {
        self.told(Method::GET, &of(id, &[])?, |request| request).await
    }

    /// Changes a session.
    pub async fn change_session(&self, id: &str, change: &ChangeBody) -> Result<SessionBody, ClientError> {
        self.told(Method::PATCH, &of(id, &[])?, |request| request.json(change)).await
    }

    /// Deletes a session with its log.
    pub async fn delete_session(&self, id: &str) -> Result<DoneBody, ClientError> {
        self.told(Method::DELETE, &of(id, &[])?, |request| request).await
    }

    /// Asks something; returns once that is accepted and on the gateway's disk. Makes an idempotency key where none is
    /// given, and repeats a request that was lost.
    pub async fn ask(&self, id: &str, ask: &AskBody) -> Result<AcceptedBody, ClientError> {
        self.accepted(id, "turns", ask).await
    }

    /// Asks something else in place of `ask.turn`, on a branch of its own; as safe to lose as [`Client::ask`].
    pub async fn edit(&self, id: &str, ask: &AskBody) -> Result<AcceptedBody, ClientError> {
        self.accepted(id, "edit", ask).await
    }

    /// Asks for another answer in place of that of `ask.turn`; as safe to lose as [`Client::ask`].
    pub async fn regenerate(&self, id: &str, ask: &AskBody) -> Result<AcceptedBody, ClientError> {
        self.accepted(id, "regenerate", ask).await
    }

    /// Ends a turn, or the running one.
    pub async fn cancel(&self, id: &str, turn: Option<&str>) -> Result<DoneBody, ClientError> {
        let body = TurnBody { turn: turn.map(str::to_owned), title: None };
        self.told(Method::POST, &of(id, &["cancel"])?, |request| request.json(&body)).await
    }

    /// Makes the branch that ends with `turn` the active one.
    pub async fn choose(&self, id: &str, turn: &str) -> Result<DoneBody, ClientError> {
        let body = TurnBody { turn: Some(turn.to_owned()), title: None };
        self.told(Method::POST, &of(id, &["choose"])?, |request| request.json(&body)).await
    }

    /// A new session that continues this one behind a turn.
    pub async fn fork(&self, id: &str, from: &TurnBody) -> Result<SessionBody, ClientError> {
        self.told(Method::POST, &of(id, &["fork"])?, |request| request.json(from)).await
    }

    /// The active branch as a file that [`Client::import`] takes.
    pub async fn export_json(&self, id: &str) -> Result<ExportBody, ClientError> {
        let json = |request: RequestBuilder| request.query(&[("format", "json")]);
        self.told(Method::GET, &of(id, &["export"])?, json).await
    }

    /// The active branch for people.
    pub async fn export_markdown(&self, id: &str) -> Result<String, ClientError> {
        let path = of(id, &["export"])?;
        let markdown = |request: RequestBuilder| request.query(&[("format", "md")]).timeout(SESSION_TIMEOUT);
        let response = self.send(Method::GET, &path, markdown).await?;
        let bytes = self.read(response, SESSION_BYTES_MAX).await?;
        String::from_utf8(bytes).map_err(|_| self.broken("the Markdown is no UTF-8".to_owned()))
    }

    /// A new session from a file.
    pub async fn import(&self, export: &ExportBody) -> Result<SessionBody, ClientError> {
        self.told(Method::POST, &["v3", "sessions", "import"], |request| request.json(export)).await
    }

    /// Lines of the audit about the asking key, behind number `after`, at most `limit`.
    pub async fn audit(&self, after: u64, limit: u32) -> Result<Vec<AuditLine>, ClientError> {
        let (after, limit) = (after.to_string(), limit.to_string());
        let pairs = [("after", after.as_str()), ("limit", limit.as_str())];
        let page: AuditPage =
            self.told(Method::GET, &["v3", "audit"], |request| request.query(&pairs)).await?;
        Ok(page.lines)
    }

    /// Listens to a session behind number `after`. The others see this client as `name`. Nothing is sent before the
    /// stream is read.
    pub fn attach(&self, id: &str, after: u64, name: &str) -> SessionFeed {
        SessionFeed::new(self.clone(), id, after, name)
    }

    async fn accepted(&self, id: &str, verb: &str, ask: &AskBody) -> Result<AcceptedBody, ClientError> {
        let mut ask = ask.clone();
        let key = match ask.idempotency_key.take() {
            Some(key) => key,
            None => new_key()?,
        };
        ask.idempotency_key = Some(key.clone());
        self.once(&of(id, &[verb])?, &key, &ask).await
    }

    /// Posts what has a key, again and again while only the way to the gateway fails.
    async fn once<T: DeserializeOwned>(
        &self,
        path: &[&str],
        key: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let mut backoff = Backoff::default();
        loop {
            let posted = self
                .told(Method::POST, path, |request| request.header(IDEMPOTENCY_KEY, key).json(body))
                .await;
            match posted {
                Err(error)
                    if error.is_passing() && self.may_return(&error) && backoff.failed() + 1 < TRIES_MAX =>
                {
                    self.look_elsewhere();
                    tokio::time::sleep(backoff.next()).await;
                }
                told => return told,
            }
        }
    }

    /// As [`Client::fetch`], for answers that may be long.
    async fn told<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let response = self.send(method, path, |request| fill(request).timeout(SESSION_TIMEOUT)).await?;
        self.decode(response, SESSION_BYTES_MAX).await
    }
}

/// The path of a session, and of what is below it.
pub(crate) fn of<'a>(id: &'a str, below: &[&'a str]) -> Result<Vec<&'a str>, ClientError> {
    let mut path = vec!["v3", "sessions", segment("session", id)?];
    path.extend(below);
    Ok(path)
}

/// A key that no other request has.
fn new_key() -> Result<String, ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| ClientError::NoRandom { message: error.to_string() })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
