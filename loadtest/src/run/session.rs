//! A durable session over `/v3`: made once, listened to over one stream of events, asked by requests of their own. When the
//! stream breaks it goes on behind the last number that was heard, as people's clients do; the turn does not notice.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use crate::plan::{Behaviour, Request};

use super::body;
use super::broken::Broken;
use super::chat::{ErrorSaid, Usage};
use super::framing::Framing;
use super::http::Connection;
use super::lines::{Line, Lines};
use super::tally::{Left, Tally};
use super::target::{Target, refusal};

/// Times that a stream is opened again within one turn; with the pauses between, about 20 s.
const REOPENINGS_MAX: u32 = 12;
/// First pause before that, doubled each time.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of one read of a slow reader.
const SLOW_BYTES: usize = 512;

/// A session and the way to hear it.
pub(super) struct Session {
    id: String,
    /// Last number of the log that was heard.
    cursor: u64,
    feed: Option<Feed>,
    turns: u64,
}

/// An open stream of events.
struct Feed {
    connection: Connection,
    framing: Framing,
    lines: Lines,
}

/// An event, as far as it is looked at.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(borrow, default)]
    turn: Cow<'a, str>,
    #[serde(default)]
    index: u32,
    #[serde(default)]
    count: u32,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(borrow, default)]
    node: Cow<'a, str>,
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    cached_tokens: u32,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<ErrorSaid>,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

#[derive(Deserialize)]
struct Accepted {
    turn: String,
}

impl Session {
    /// Makes one.
    pub(super) async fn make(target: &Target, model: &str) -> Result<Self, Broken> {
        let answer = target.ask("POST", "/v3/sessions", "", &body::session(model)).await?;
        let made: Made = serde_json::from_slice(&answer).map_err(|_| Broken::Garbled("the new session"))?;
        let is_plain = made.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_plain {
            return Err(Broken::Garbled("the id of the new session"));
        }
        Ok(Self { id: made.id, cursor: 0, feed: None, turns: 0 })
    }

    /// Its id, so that it can be deleted.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Runs one turn.
    pub(super) async fn run(
        &mut self,
        target: &Target,
        request: &Request,
        tally: &mut Tally,
    ) -> Result<Left, Broken> {
        if self.feed.is_none() {
            self.feed = Some(self.open(target).await?);
        }
        self.turns += 1;
        let body = body::turn(request, &format!("{}-{}", self.id, self.turns));
        let bytes = target.request("POST", &format!("/v3/sessions/{}/turns", self.id), "", &body);
        let (mut connection, mut head) = target.send(&bytes, || tally.sent()).await?;
        let answer = connection.body(&mut head).await?;
        let status = head.status;
        target.keep(connection, &head);
        if !(200..300).contains(&status) {
            return Err(refusal(status, &answer));
        }
        let accepted: Accepted =
            serde_json::from_slice(&answer).map_err(|_| Broken::Garbled("the accepted turn"))?;
        self.listen(target, request, &accepted.turn, tally).await
    }

    async fn listen(
        &mut self,
        target: &Target,
        request: &Request,
        turn: &str,
        tally: &mut Tally,
    ) -> Result<Left, Broken> {
        let mut has_left = false;
        let mut reopenings = 0;
        while !tally.has_ended() {
            match self.hear(request, turn, tally).await {
                Ok(true) => reopenings = 0,
                Ok(false) | Err(Broken::Lost(_) | Broken::NoEnd) => {
                    self.reopen(target, &mut reopenings).await?
                }
                Err(broken) => return Err(broken),
            }
            match request.behaviour {
                Behaviour::CancelAfter(tokens)
                    if !has_left && !tally.has_ended() && tally.count() >= tokens =>
                {
                    has_left = true;
                    let body = serde_json::json!({ "turn": turn }).to_string();
                    let path = format!("/v3/sessions/{}/cancel", self.id);
                    target.ask("POST", &path, "", body.as_bytes()).await?;
                }
                Behaviour::ReadSlowly(pause) => tokio::time::sleep(pause).await,
                Behaviour::CancelAfter(_) | Behaviour::Read => {}
            }
        }
        Ok(if has_left { Left::Away } else { Left::AtEnd })
    }

    /// Reads once; says whether the stream goes on.
    async fn hear(&mut self, request: &Request, turn: &str, tally: &mut Tally) -> Result<bool, Broken> {
        let Some(Feed { connection, framing, lines }) = &mut self.feed else { return Ok(false) };
        let most = if let Behaviour::ReadSlowly(_) = request.behaviour { SLOW_BYTES } else { READ_BYTES };
        let cursor = &mut self.cursor;
        let (mut fed, mut was_cut, mut garbled) = (Ok(()), false, false);
        let may_come = connection
            .piece(framing, most, |bytes| {
                tally.look();
                let took = lines.feed(bytes, |line| {
                    let Line::Data(_, data) = line else { return };
                    match serde_json::from_slice::<Event<'_>>(data) {
                        Ok(event) => {
                            *cursor = event.seq.unwrap_or(*cursor);
                            was_cut |= event.kind == "cut";
                            take(event, turn, tally);
                        }
                        Err(_) => garbled = true,
                    }
                });
                fed = std::mem::replace(&mut fed, Ok(())).and(took);
            })
            .await?;
        fed?;
        if garbled { Err(Broken::Garbled("an event")) } else { Ok(may_come && !was_cut) }
    }

    async fn reopen(&mut self, target: &Target, reopenings: &mut u32) -> Result<(), Broken> {
        self.feed = None;
        loop {
            let pause = PAUSE_FIRST.saturating_mul(1 << (*reopenings).min(10)).min(PAUSE_MAX);
            *reopenings += 1;
            tokio::time::sleep(pause).await;
            match self.open(target).await {
                Ok(feed) => {
                    self.feed = Some(feed);
                    return Ok(());
                }
                Err(broken) if *reopenings >= REOPENINGS_MAX => return Err(broken),
                Err(_) => {}
            }
        }
    }

    async fn open(&self, target: &Target) -> Result<Feed, Broken> {
        let path = format!("/v3/sessions/{}/events?after={}", self.id, self.cursor);
        let request = target.request("GET", &path, "", b"");
        let (mut connection, mut head) = target.send(&request, || ()).await?;
        if head.status != 200 {
            let body = connection.body(&mut head).await?;
            return Err(refusal(head.status, &body));
        }
        Ok(Feed { connection, framing: head.framing, lines: Lines::default() })
    }
}

fn take(event: Event<'_>, turn: &str, tally: &mut Tally) {
    match (&*event.kind, event.turn == turn) {
        ("turn.tokens", true) => tally.tokens(Some(event.index), event.count, event.text.as_bytes()),
        ("turn.queued", true) => tally.queued(),
        ("turn.started", true) => {
            tally.started();
            tally.prompt(event.prompt_tokens, event.cached_tokens);
        }
        ("turn.resumed", true) => tally.moved(&event.node),
        ("turn.finished", true) => {
            tally.text(event.text.as_bytes());
            if let Some(usage) = event.usage {
                usage.tell(tally);
            }
            tally.finished(event.reason.as_deref().unwrap_or("unknown"));
        }
        ("turn.failed", true) => {
            tally.failed(event.error.map_or_else(|| "error".to_owned(), |error| error.code));
        }
        // Turns of a session run one at a time, and the one before was heard to its end.
        ("turn.tokens", false) => tally.foreign(event.count),
        ("turn.finished" | "turn.failed", false) => tally.extra_end(),
        _ => {}
    }
}
