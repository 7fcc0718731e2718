//! One turn of a session as a command hears it: asked once, listened to until it ends, whatever happens to the
//! connection meanwhile. `do` and `chat` with a prompt use it.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use anyhow::anyhow;
use futures::StreamExt;
use pomona_client::{Client, FeedEvent};
use pomona_protocol::said::{join_marks, pieces};
use pomona_protocol::v3::{AcceptedBody, Envelope, EnvelopeBody, ErrorBody, marks_of};
use pomona_protocol::{Mark, Said, Usage};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::exit::Exit;
use crate::output::{self, DIM, harmless};
use crate::spoken::json_of;

/// How long a gateway may be gone before a command stops waiting for it.
const GONE_MAX: Duration = Duration::from_secs(120);
/// How long a turn that was cancelled has to end.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What came of a turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    /// Its session.
    pub(super) session: String,
    /// The turn.
    pub(super) turn: String,
    /// The text of the answer.
    pub(super) text: String,
    /// Everything that was said, and what of it is not plain text.
    said: String,
    marks: Vec<Mark>,
    /// How it ended; `None` while it did not.
    pub(super) ending: Option<Ending>,
    model: String,
    usage: Option<Usage>,
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    /// It has its answer; why that ended.
    Finished(String),
    /// It has none, or a part of one.
    Failed(ErrorBody),
}

/// Listens to a turn until it ends and hands every piece of text to `show`. When `stop` is ready first, the turn is
/// cancelled, and its end is waited for a little.
pub(super) async fn listen<W>(
    client: &Client,
    accepted: &AcceptedBody,
    stop: impl Future<Output = W>,
    mut show: impl FnMut(&Said, &str) -> anyhow::Result<()>,
) -> anyhow::Result<(Heard, Option<W>)> {
    let mut heard = Heard::nothing(accepted);
    let mut feed = client.attach(&accepted.session, accepted.seq.saturating_sub(1), "");
    let mut stop = pin!(stop);
    let mut stopped = None;
    let mut is_lost = false;
    let mut deadline = None;
    while heard.ending.is_none() {
        let event = tokio::select! {
            biased;
            why = &mut stop, if stopped.is_none() => {
                let cancel = client.cancel(&accepted.session, Some(&accepted.turn));
                let _ = timeout(LAST_WORDS, cancel).await;
                stopped = Some(why);
                deadline = Some(Instant::now() + LAST_WORDS);
                continue;
            }
            () = reached(deadline) => {
                if stopped.is_some() {
                    break;
                }
                return Err(gone(&accepted.session));
            }
            event = feed.next() => event,
        };
        match event {
            Some(Ok(FeedEvent::Event(envelope))) => heard.take(envelope, &mut show)?,
            Some(Ok(FeedEvent::Connected { .. })) => {
                if std::mem::take(&mut is_lost) {
                    remark("connected again");
                    deadline = deadline.filter(|_| stopped.is_some());
                }
            }
            Some(Ok(FeedEvent::Lost { why, .. })) => {
                if !std::mem::replace(&mut is_lost, true) {
                    remark(&format!("connection lost ({}); trying again", harmless(&why)));
                    deadline.get_or_insert(Instant::now() + GONE_MAX);
                }
            }
            Some(Err(error)) => return Err(error.into()),
            None => break,
        }
    }
    Ok((heard, stopped))
}

/// Ready at the deadline, or never without one.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn gone(session: &str) -> anyhow::Error {
    Exit::Unavailable.because(anyhow!(
        "the gateway was gone for {} s; the turn goes on without you: `pomona sessions show {session}`",
        GONE_MAX.as_secs()
    ))
}

/// One dim line for a person; stdout has the answer alone.
fn remark(text: &str) {
    output::remark(&format!("{DIM}{text}{DIM:#}"));
}

impl Heard {
    fn nothing(accepted: &AcceptedBody) -> Self {
        Self {
            session: accepted.session.clone(),
            turn: accepted.turn.clone(),
            text: String::new(),
            said: String::new(),
            marks: Vec::new(),
            ending: None,
            model: String::new(),
            usage: None,
        }
    }

    fn take(
        &mut self,
        envelope: Envelope,
        show: &mut impl FnMut(&Said, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match envelope.body {
            EnvelopeBody::TurnAccepted { turn, model, .. } if turn == self.turn => self.model = model,
            EnvelopeBody::TurnTokens { turn, text, marks, .. } if turn == self.turn => {
                self.more(&text, &marks_of(&marks), show)?;
            }
            EnvelopeBody::TurnFinished { turn, reason, text, marks, usage, stop: _ } if turn == self.turn => {
                self.more(&text, &marks_of(&marks), show)?;
                self.usage = Some(usage);
                self.ending = Some(Ending::Finished(reason));
            }
            EnvelopeBody::TurnFailed { turn, error } if turn == self.turn => {
                self.ending = Some(Ending::Failed(error));
            }
            _ => {}
        }
        Ok(())
    }

    fn more(
        &mut self,
        text: &str,
        marks: &[Mark],
        show: &mut impl FnMut(&Said, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        join_marks(&mut self.marks, self.said.len() as u32, marks);
        self.said.push_str(text);
        for (kind, piece) in pieces(text, marks) {
            if *kind == Said::Text {
                self.text.push_str(piece);
            }
            show(kind, piece)?;
        }
        Ok(())
    }

    /// One object for a program.
    pub(super) fn json(&self) -> Value {
        let (reason, error) = match &self.ending {
            Some(Ending::Finished(reason)) => (Some(reason), None),
            Some(Ending::Failed(error)) => (None, Some(error)),
            None => (None, None),
        };
        let (reasoning, tool_calls) = json_of(&self.turn, &self.said, &self.marks);
        json!({
            "session": self.session,
            "turn": self.turn,
            "model": self.model,
            "text": self.text,
            "reasoning": reasoning,
            "tool_calls": tool_calls,
            "finish_reason": reason,
            "error": error,
            "usage": self.usage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(events: &[Value]) -> (Heard, String) {
        let accepted =
            AcceptedBody { session: "ses_1".to_owned(), turn: "turn_1".to_owned(), seq: 2, is_new: true };
        let mut heard = Heard::nothing(&accepted);
        let mut shown = String::new();
        for event in events {
            let mut event = event.clone();
            for (name, value) in [("v", json!(3)), ("session", json!("ses_1")), ("at", json!(0))] {
                event[name] = value;
            }
            let show = &mut |_: &Said, text: &str| {
                shown.push_str(text);
                Ok(())
            };
            heard.take(serde_json::from_value(event).unwrap(), show).unwrap();
        }
        (heard, shown)
    }

    fn tokens(turn: &str, text: &str) -> Value {
        json!({"type": "turn.tokens", "seq": 3, "turn": turn, "index": 0, "count": 1, "text": text})
    }

    #[test]
    fn an_answer_is_what_its_own_turn_said_and_the_rest_of_others_is_not() {
        let usage = json!({"prompt_tokens": 9, "cached_tokens": 8, "completion_tokens": 2, "reasoning_tokens": 0, "accepted_tokens": 0});
        let (heard, shown) = heard(&[
            tokens("turn_0", "other"),
            tokens("turn_1", "Hel"),
            tokens("turn_1", ""),
            json!({"type": "turn.finished", "seq": 4, "turn": "turn_0", "reason": "stop", "text": "x", "usage": usage}),
            json!({"type": "turn.finished", "seq": 4, "turn": "turn_1", "reason": "length", "text": "lo", "usage": usage}),
        ]);
        assert_eq!((heard.text.as_str(), shown.as_str()), ("Hello", "Hello"));
        let expected = json!({
            "session": "ses_1", "turn": "turn_1", "model": "", "text": "Hello", "reasoning": null, "tool_calls": null,
            "finish_reason": "length",
            "error": null, "usage": usage,
        });
        assert_eq!(heard.json(), expected);
    }

    #[test]
    fn a_failure_keeps_what_was_said_before_it() {
        let error = json!({"code": "engine_lost", "message": "gone"});
        let (heard, _) = heard(&[
            tokens("turn_1", "Hel"),
            json!({"type": "turn.failed", "seq": 4, "turn": "turn_1", "error": error}),
        ]);
        assert_eq!((heard.json()["text"].as_str(), &heard.json()["error"]), (Some("Hel"), &error));
        assert!(matches!(heard.ending, Some(Ending::Failed(_))));
    }
}
