//! Listening to a session for as long as somebody wants: lost connections are made again behind the last event that
//! came, at whichever gateway answers. What is handed out has no gap and nothing twice, however often that happens.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use pomona_protocol::v3::Envelope;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, Response};

use crate::backoff::Backoff;
use crate::ear::{Deaf, Ear};
use crate::error::shown;
use crate::sessions::of;
use crate::sse::SseParser;
use crate::{Client, ClientError};

/// Bytes of one event: a question may be as long as a request.
const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A gateway that takes a connection begins its answer within this time, or counts as lost.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// A heartbeat comes at least every 60 s; after two that did not come, none will.
const SILENCE_MAX: Duration = Duration::from_secs(125);
/// Connections in a row that brought nonsense; whoever speaks so will not stop.
const NONSENSE_MAX: u32 = 5;

/// What is heard.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are events; a box for each would cost more"
)]
pub enum FeedEvent {
    /// Something of the session. Those with a `seq` follow each other without gap or repeat. Heartbeats and cuts are
    /// not handed out.
    Event(Envelope),
    /// A gateway answers; it tells what is behind the last event.
    Connected {
        /// Which.
        gateway_url: String,
    },
    /// The connection is gone; another one follows by itself.
    Lost {
        /// What was seen, for people.
        why: String,
        /// When the next try begins, counted from now.
        retry_in: Duration,
    },
}

/// What happens in a session. It ends only behind an error: there is no such session for this key (any more), its
/// events behind the cursor are not kept, or what answers is no gateway. Dropping it stops listening; turns go on.
pub struct SessionFeed {
    events: Pin<Box<dyn Stream<Item = Result<FeedEvent, ClientError>> + Send>>,
}

impl Stream for SessionFeed {
    type Item = Result<FeedEvent, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(context)
    }
}

impl SessionFeed {
    pub(crate) fn new(client: Client, session: &str, after: u64, name: &str) -> Self {
        let feed = Feed {
            client,
            session: session.to_owned(),
            name: name.to_owned(),
            ear: Ear::behind(after),
            link: None,
            wait: None,
            backoff: Backoff::default(),
            nonsense: 0,
        };
        let events = stream::unfold(Some(feed), |feed| async {
            let mut feed = feed?;
            match feed.next().await {
                Ok(event) => Some((Ok(event), Some(feed))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Self { events: events.boxed() }
    }
}

/// A session that is listened to.
struct Feed {
    client: Client,
    session: String,
    name: String,
    ear: Ear,
    link: Option<Link>,
    /// To be waited before the next connection.
    wait: Option<Duration>,
    backoff: Backoff,
    /// Connections in a row that brought nonsense.
    nonsense: u32,
}

/// A connection.
struct Link {
    response: Response,
    parser: SseParser,
}

impl Feed {
    async fn next(&mut self) -> Result<FeedEvent, ClientError> {
        loop {
            if let Some(envelope) = self.ear.ready.pop_front() {
                return Ok(FeedEvent::Event(envelope));
            }
            if let Some(by) = self.ear.deleted_by.take() {
                let by = Some(by).filter(|by| !by.is_empty());
                return Err(ClientError::SessionDeleted { session: self.session.clone(), by });
            }
            if self.link.is_some() {
                match self.read().await {
                    Ok(()) => {}
                    Err(error) => return self.lost(error),
                }
                continue;
            }
            if let Some(wait) = self.wait {
                tokio::time::sleep(wait).await;
                self.wait = None;
            }
            return match self.connect().await {
                Ok(link) => {
                    self.link = Some(link);
                    Ok(FeedEvent::Connected { gateway_url: shown(self.client.url()) })
                }
                Err(error) => self.lost(error),
            };
        }
    }

    async fn connect(&self) -> Result<Link, ClientError> {
        let path = of(&self.session, &["events"])?;
        let after = self.ear.cursor().to_string();
        let query = [("after", after.as_str()), ("name", &self.name)];
        let sent = self
            .client
            .send(Method::GET, &path, |request| request.header(ACCEPT, "text/event-stream").query(&query));
        let silent = |_| self.silent(HEAD_TIMEOUT);
        let response = tokio::time::timeout(HEAD_TIMEOUT, sent).await.map_err(silent)??;
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            return Err(self.client.broken(format!("events were wanted and `{kind}` came")));
        }
        Ok(Link { response, parser: SseParser::new(EVENT_BYTES_MAX) })
    }

    /// Waits for the next bytes and takes in what they complete.
    async fn read(&mut self) -> Result<(), ClientError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let url = self.client.url().clone();
        let Ok(chunk) = tokio::time::timeout(SILENCE_MAX, link.response.chunk()).await else {
            return Err(self.silent(SILENCE_MAX));
        };
        let Some(bytes) = chunk.map_err(|error| ClientError::of_body(&url, &error))? else {
            return Err(ClientError::Lost { url: shown(&url), message: "the stream ended".to_owned() });
        };
        let mut events = Vec::new();
        link.parser.feed(&bytes, &mut events).map_err(|error| self.client.broken(error.to_string()))?;
        for event in &events {
            match self.ear.hear(&self.session, event) {
                Ok(true) => (self.backoff, self.nonsense) = (Backoff::default(), 0),
                Ok(false) => {}
                Err(Deaf::Cut(why)) => return Err(ClientError::Lost { url: shown(&url), message: why }),
                Err(Deaf::Nonsense(message)) => return Err(self.client.broken(message)),
            }
        }
        Ok(())
    }

    /// Gives the connection up; says whether another one makes sense.
    fn lost(&mut self, error: ClientError) -> Result<FeedEvent, ClientError> {
        self.link = None;
        let may_return = match &error {
            ClientError::Protocol { .. } => {
                self.nonsense += 1;
                self.nonsense < NONSENSE_MAX
            }
            ClientError::Api { status, .. } => matches!(status, 408 | 429 | 500..),
            error => error.is_passing(),
        };
        if !may_return || !self.client.may_return(&error) {
            return Err(error);
        }
        self.client.look_elsewhere();
        let retry_in = self.backoff.next();
        self.wait = Some(retry_in);
        let why = match error {
            ClientError::Lost { message, .. } => message,
            error => error.to_string(),
        };
        Ok(FeedEvent::Lost { why, retry_in })
    }

    fn silent(&self, waited: Duration) -> ClientError {
        ClientError::Silent { url: shown(self.client.url()), waited_s: waited.as_secs() }
    }
}
