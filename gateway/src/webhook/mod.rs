//! Tells somebody else of each new notice: one POST with JSON for each, signed, tried again for some minutes.
//! `Gateway::serve` owns the task; where nothing is configured there is none.
//!
//! The receiver's address was written by an admin, and what it resolves to may be somebody else's choice. So private
//! addresses are refused at the connection unless the configuration allows them, and redirects are not followed.

mod address;
mod signature;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pomona_actors::{FleetFeed, Handle};
use pomona_config::NotificationsConfig;
use pomona_protocol::{FleetEventBody, Notice};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use self::address::PublicOnly;
use self::signature::signature;

/// Tries of one notice. With the pauses between them a receiver may be away for about a minute.
const TRIES_MAX: u32 = 6;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// For one try.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// For the connection of one try.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where notices are sent.
pub(crate) struct Webhook {
    client: Client,
    url: Url,
    secret: Option<String>,
}

/// Why notices are not sent anywhere although that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address is none.
    #[error(
        "notifications.webhook_url is no address that notices can be sent to: {0}; expected https://host/path"
    )]
    Url(String),
    /// It is private, and that was not allowed.
    #[error(
        "notifications.webhook_url leads to the private address {0}; set notifications.webhook_private = true if that is meant"
    )]
    Private(std::net::IpAddr),
    /// There is no client.
    #[error("notices cannot be sent: {0}")]
    Client(String),
}

impl Webhook {
    /// `None` when nothing is configured.
    pub(crate) fn of(config: &NotificationsConfig) -> Result<Option<Self>, WebhookError> {
        let Some(url) = config.webhook_url.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
        let url = Url::parse(url).map_err(|error| WebhookError::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(WebhookError::Url(
                "it has no host, or another scheme than http and https".to_owned(),
            ));
        }
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .timeout(TRY_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy();
        if !config.webhook_private {
            if let Some(address) =
                address::literal(&url).filter(|address| pomona_config::is_private(*address))
            {
                return Err(WebhookError::Private(address));
            }
            builder = builder.dns_resolver(PublicOnly);
        }
        let client = builder.build().map_err(|error| WebhookError::Client(error.to_string()))?;
        let secret = config.webhook_secret.clone().filter(|secret| !secret.is_empty());
        Ok(Some(Self { client, url, secret }))
    }

    /// Sends each notice that is made from now on, one after the other.
    pub(crate) async fn run(self, handle: Handle) {
        let mut feed: FleetFeed = handle.watch_fleet_from_start();
        let mut last = None;
        loop {
            let Some(event) = feed.next().await else {
                // A receiver that stood still for long has missed events; what it missed is still to be had.
                feed = handle.watch_fleet(last.as_deref());
                continue;
            };
            match &event.body {
                FleetEventBody::Notice { notice } if is_new(notice) => self.send(notice).await,
                FleetEventBody::Cut { .. } => continue,
                _ => {}
            }
            last = Some(feed.id_of(&event));
        }
    }

    async fn send(&self, notice: &Notice) {
        let Ok(body) = serde_json::to_vec(notice) else { return };
        let mut pause = PAUSE_FIRST;
        for attempt in 1..=TRIES_MAX {
            match self.post(notice, body.clone()).await {
                Outcome::Taken => return tracing::debug!(notice = %notice.id, attempt, "a notice was sent"),
                Outcome::Refused(status) => {
                    return tracing::warn!(notice = %notice.id, %status, "the webhook refuses a notice");
                }
                Outcome::Again(why) if attempt < TRIES_MAX => {
                    tracing::info!(notice = %notice.id, attempt, why, "a notice is sent again soon");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Outcome::Again(why) => {
                    tracing::warn!(notice = %notice.id, attempt, why, "the webhook did not take a notice");
                }
            }
        }
    }

    async fn post(&self, notice: &Notice, body: Vec<u8>) -> Outcome {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("x-pomona-event", notice.kind.as_str())
            .header("x-pomona-delivery", notice.id.to_string())
            .header("x-pomona-timestamp", at.to_string());
        if let Some(secret) = &self.secret {
            request = request.header("x-pomona-signature", signature(secret.as_bytes(), at, &body));
        }
        match request.body(body).send().await {
            Ok(response) => judge(response.status()),
            // The address is part of the error's text, and may hold a password.
            Err(error) => Outcome::Again(error.without_url().to_string()),
        }
    }
}

/// What became of one try.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Taken,
    /// It will not be taken later either.
    Refused(StatusCode),
    Again(String),
}

fn judge(status: StatusCode) -> Outcome {
    let is_later = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    match status {
        status if status.is_success() => Outcome::Taken,
        status if is_later => Outcome::Again(format!("status {status}")),
        status => Outcome::Refused(status),
    }
}

/// Repeats and acknowledgements are not told.
fn is_new(notice: &Notice) -> bool {
    notice.repeats == 0 && notice.acknowledged.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, webhook_private: bool) -> NotificationsConfig {
        NotificationsConfig {
            webhook_url: Some(url.to_owned()),
            webhook_private,
            ..NotificationsConfig::default()
        }
    }

    #[test]
    fn an_address_that_is_none_or_private_is_refused_by_name() {
        for (url, private, expected) in [
            ("", false, Ok(false)),
            ("https://hooks.example/x", false, Ok(true)),
            ("http://127.0.0.1:1/x", true, Ok(true)),
            ("http://127.0.0.1:1/x", false, Err("private address 127.0.0.1")),
            ("http://2130706433/x", false, Err("private address 127.0.0.1")),
            ("http://[::1]:1/x", false, Err("private address ::1")),
            ("http://169.254.169.254/latest", false, Err("169.254.169.254")),
            ("hooks.example", true, Err("no address")),
            ("ftp://hooks.example", true, Err("another scheme")),
        ] {
            match (Webhook::of(&config(url, private)), expected) {
                (Ok(made), Ok(expected)) => assert_eq!(made.is_some(), expected, "{url}"),
                (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{url}: {error}"),
                (made, expected) => panic!("{url}: {:?}, expected {expected:?}", made.map(|_| ())),
            }
        }
    }

    #[test]
    fn a_redirect_is_a_refusal_and_an_overloaded_receiver_is_asked_again() {
        for (status, expected) in [
            (200, Outcome::Taken),
            (204, Outcome::Taken),
            (302, Outcome::Refused(StatusCode::FOUND)),
            (401, Outcome::Refused(StatusCode::UNAUTHORIZED)),
            (410, Outcome::Refused(StatusCode::GONE)),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), expected);
        }
        for status in [408, 429, 500, 503] {
            let judged = judge(StatusCode::from_u16(status).unwrap());
            assert!(matches!(judged, Outcome::Again(_)), "{status}: {judged:?}");
        }
    }
}
