//! One turn as the terminal sees it: text as it comes, then what it took. Ending it early drops the stream, which
//! makes the gateway stop the turn.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::StreamExt;
use pomona_client::{ChatEvent, ChatRequest, Client, ClientError};
use pomona_protocol::{Said, Usage};
use serde_json::{Value, json};

use crate::output::harmless;

/// What came of a turn.
#[derive(Debug)]
pub(super) struct Answer {
    /// The text of the answer.
    pub(super) text: String,
    /// What was thought before it.
    thoughts: String,
    /// Calls of tools: which, name, arguments.
    calls: Vec<(u32, String, String)>,
    /// How it ended.
    pub(super) ending: Ending,
    model: String,
    usage: Option<Usage>,
    pieces: u32,
    first_after: Option<Duration>,
    last_after: Duration,
}

/// How a turn ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The model was done; why.
    Finished(String),
    /// The person did not want to hear more.
    Interrupted,
    /// It failed on the way.
    Failed(ClientError),
}

/// Asks, hands every piece of text to `show`, and stops when `interrupt` is ready. An error is one of `show`.
pub(super) async fn ask(
    client: &Client,
    request: &ChatRequest,
    interrupt: impl Future<Output = ()>,
    mut show: impl FnMut(&Said, &str) -> anyhow::Result<()>,
) -> anyhow::Result<Answer> {
    let start = Instant::now();
    let mut answer = Answer::empty(&request.model);
    let mut interrupt = pin!(interrupt);
    let accepted = tokio::select! {
        biased;
        () = &mut interrupt => return Ok(answer),
        accepted = client.chat_stream(request) => accepted,
    };
    let mut stream = match accepted {
        Ok(stream) => stream,
        Err(error) => {
            answer.ending = Ending::Failed(error);
            return Ok(answer);
        }
    };
    loop {
        let event = tokio::select! {
            biased;
            () = &mut interrupt => {
                answer.ending = Ending::Interrupted;
                return Ok(answer);
            }
            event = stream.next() => event,
        };
        match event {
            None => return Ok(answer),
            Some(Ok(event)) => answer.take(event, start.elapsed(), &mut show)?,
            Some(Err(error)) => {
                answer.ending = Ending::Failed(error);
                return Ok(answer);
            }
        }
    }
}

impl Answer {
    fn empty(model: &str) -> Self {
        Self {
            text: String::new(),
            thoughts: String::new(),
            calls: Vec::new(),
            ending: Ending::Interrupted,
            model: model.to_owned(),
            usage: None,
            pieces: 0,
            first_after: None,
            last_after: Duration::ZERO,
        }
    }

    fn take(
        &mut self,
        event: ChatEvent,
        after: Duration,
        show: &mut impl FnMut(&Said, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match event {
            ChatEvent::Started { model } if model.is_empty() => {}
            ChatEvent::Started { model } => self.model = model,
            ChatEvent::Delta(text) => {
                self.heard(after);
                self.text.push_str(&text);
                show(&Said::Text, &text)?;
            }
            ChatEvent::Thought(text) => {
                self.heard(after);
                self.thoughts.push_str(&text);
                show(&Said::Reasoning, &text)?;
            }
            ChatEvent::Call { index, name, arguments } => {
                self.heard(after);
                show(&Said::Call { index, name: name.clone() }, &arguments)?;
                match self.calls.iter_mut().find(|call| call.0 == index) {
                    Some(call) => call.2.push_str(&arguments),
                    None => self.calls.push((index, name.unwrap_or_default(), arguments)),
                }
            }
            ChatEvent::Finished { reason } => self.ending = Ending::Finished(reason),
            ChatEvent::Usage(usage) => self.usage = Some(usage),
        }
        Ok(())
    }

    /// Something came.
    fn heard(&mut self, after: Duration) {
        self.first_after.get_or_insert(after);
        self.last_after = after;
        self.pieces += 1;
    }

    /// Tokens of the answer; pieces of text are as near as it gets when the gateway did not say.
    fn tokens(&self) -> u32 {
        self.usage.map_or(self.pieces, |usage| usage.completion_tokens)
    }

    /// Tokens per second from the first piece on; nothing for less than two.
    fn tokens_per_s(&self) -> Option<f64> {
        let span = self.last_after.saturating_sub(self.first_after?).as_secs_f64();
        (self.tokens() > 1 && span > 0.0).then(|| f64::from(self.tokens() - 1) / span)
    }

    /// One line for a person.
    pub(super) fn stats(&self) -> String {
        let mut parts = vec![match self.tokens() {
            1 => "1 token".to_owned(),
            tokens => format!("{tokens} tokens"),
        }];
        parts.extend(self.tokens_per_s().map(|rate| format!("{rate:.1} tokens/s")));
        parts.extend(self.first_after.map(|after| format!("first after {:.2} s", after.as_secs_f64())));
        parts.push(format!(
            "prompt {}",
            self.usage.map_or("?".to_owned(), |usage| match usage.cached_tokens {
                0 => format!("{}", usage.prompt_tokens),
                cached => format!("{} ({cached} cached)", usage.prompt_tokens),
            })
        ));
        match &self.ending {
            Ending::Finished(reason) if matches!(reason.as_str(), "stop" | "tool_calls") => {}
            Ending::Finished(reason) => parts.push(format!("ended by {}", harmless(reason))),
            Ending::Interrupted => parts.push("cancelled".to_owned()),
            Ending::Failed(_) => parts.push("failed".to_owned()),
        }
        parts.join(" · ")
    }

    /// One object for a program.
    pub(super) fn json(&self) -> Value {
        let reason = match &self.ending {
            Ending::Finished(reason) => Some(reason),
            Ending::Interrupted | Ending::Failed(_) => None,
        };
        let call =
            |(_, name, arguments): &(u32, String, String)| json!({"name": name, "arguments": arguments});
        let calls: Vec<Value> = self.calls.iter().map(call).collect();
        json!({
            "text": self.text,
            "reasoning": Some(&self.thoughts).filter(|text| !text.is_empty()),
            "tool_calls": Some(calls).filter(|calls| !calls.is_empty()),
            "usage": self.usage,
            "finish_reason": reason,
            "ttft_ms": self.first_after.map(|after| (after.as_secs_f64() * 10_000.0).round() / 10.0),
            "tokens_per_s": self.tokens_per_s().map(|rate| (rate * 10.0).round() / 10.0),
            "model": self.model,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let mut answer = Answer::empty("sprout");
        let mut shown = String::new();
        let mut take = |event, ms| {
            let show = &mut |_: &Said, text: &str| {
                shown.push_str(text);
                Ok(())
            };
            answer.take(event, Duration::from_millis(ms), show).unwrap();
        };
        take(ChatEvent::Started { model: "sprout-1".to_owned() }, 1);
        take(ChatEvent::Delta("Hel".to_owned()), 120);
        take(ChatEvent::Delta("lo".to_owned()), 320);
        take(ChatEvent::Finished { reason: "stop".to_owned() }, 330);
        take(
            ChatEvent::Usage(Usage {
                prompt_tokens: 9,
                cached_tokens: 8,
                completion_tokens: 5,
                ..Usage::default()
            }),
            331,
        );
        assert_eq!(shown, "Hello");
        answer
    }

    #[test]
    fn the_rate_counts_from_the_first_token_on() {
        assert_eq!(answer().stats(), "5 tokens · 20.0 tokens/s · first after 0.12 s · prompt 9 (8 cached)");
    }

    #[test]
    fn a_program_gets_every_number() {
        let expected = json!({
            "text": "Hello",
            "reasoning": null,
            "tool_calls": null,
            "usage": {"prompt_tokens": 9, "cached_tokens": 8, "completion_tokens": 5, "reasoning_tokens": 0, "accepted_tokens": 0},
            "finish_reason": "stop",
            "ttft_ms": 120.0,
            "tokens_per_s": 20.0,
            "model": "sprout-1",
        });
        assert_eq!(answer().json(), expected);
    }

    #[test]
    fn an_answer_without_text_has_no_rate() {
        let answer = Answer::empty("sprout");
        assert_eq!(answer.stats(), "0 tokens · prompt ? · cancelled");
        assert_eq!(answer.json()["tokens_per_s"], Value::Null);
    }
}
