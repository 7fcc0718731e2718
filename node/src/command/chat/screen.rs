//! What a conversation that lasts looks like: each event of the session as the text that a person reads. Pure;
//! `durable` prints it.

use std::collections::{BTreeMap, BTreeSet};

use pomona_client::FeedEvent;
use pomona_protocol::Usage;
use pomona_protocol::v3::{ChangeBody, Envelope, EnvelopeBody, MarkBody, PresentBody};

use crate::command::sessions::{question, short};
use crate::output::{DIM, RED, harmless};
use crate::spoken::{Manner, Spoken};

/// Where the screen stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Screen {
    /// The answer that is shown.
    spoken: Spoken,
    hides_thoughts: bool,
    /// Turns that were asked here, so that their questions are on the screen.
    mine: BTreeSet<String>,
    /// Turns whose end was asked for here.
    cancelled: BTreeSet<String>,
    /// What those who are or were here call themselves, by key. Several people may use one key.
    names: BTreeMap<String, BTreeSet<String>>,
    /// Text without a line feed is the last thing on the screen.
    is_within_line: bool,
    is_lost: bool,
    /// The turn of which is known that it waits.
    queued: Option<String>,
}

impl Screen {
    /// An empty one.
    pub(super) fn new(shows_thoughts: bool) -> Self {
        let mut screen = Self { hides_thoughts: !shows_thoughts, ..Self::default() };
        screen.spoken = Spoken::new(screen.manner());
        screen
    }

    /// How answers are shown.
    pub(super) fn manner(&self) -> Manner {
        if self.hides_thoughts { Manner::Thoughtless } else { Manner::Terminal }
    }

    /// A turn was asked here.
    pub(super) fn asked(&mut self, turn: &str) {
        self.mine.insert(turn.to_owned());
    }

    /// Somebody here asked for the end of a turn, with a key that the terminal shows as `^C`.
    pub(super) fn cancelled(&mut self, turn: &str) {
        self.cancelled.insert(turn.to_owned());
        self.is_within_line = true;
    }

    /// An answer was printed that goes on.
    pub(super) fn goes_on(&mut self) {
        self.is_within_line = true;
    }

    /// What an event adds to the screen; empty for what nobody wants to read.
    pub(super) fn take(&mut self, event: &FeedEvent) -> String {
        match event {
            FeedEvent::Event(envelope) => self.hear(envelope),
            FeedEvent::Connected { gateway_url } if std::mem::take(&mut self.is_lost) => {
                self.remark(&format!("connected again, at {}", harmless(gateway_url)))
            }
            FeedEvent::Connected { .. } => String::new(),
            FeedEvent::Lost { .. } if std::mem::replace(&mut self.is_lost, true) => String::new(),
            FeedEvent::Lost { why, .. } => {
                self.remark(&format!("connection lost ({}); trying again", harmless(why)))
            }
        }
    }

    fn hear(&mut self, envelope: &Envelope) -> String {
        match &envelope.body {
            EnvelopeBody::TurnAccepted { turn, by, input, .. } if !self.mine.contains(turn) => {
                let asked = harmless(&question(input));
                let who = self.who(by);
                format!("{}{asked}\n", self.remark(&format!("{who} asks:")))
            }
            EnvelopeBody::TurnTokens { text, marks, .. } => self.text(text, marks),
            EnvelopeBody::TurnFinished { turn, reason, text, marks, usage, stop: _ } => {
                let _ = self.mine.remove(turn);
                let mut text = self.text(text, marks);
                text.push_str(&self.end());
                format!("{text}{}", self.remark(&stats(reason, usage)))
            }
            EnvelopeBody::TurnFailed { turn, error } => {
                let _ = self.mine.remove(turn);
                let _ = self.end();
                let line = self.line();
                format!("{line}{RED}error:{RED:#} {} ({})\n", harmless(&error.message), harmless(&error.code))
            }
            EnvelopeBody::TurnCancelAsked { turn, by } => {
                let who = if self.cancelled.remove(turn) { "you".to_owned() } else { self.who(by) };
                self.remark(&format!("cancelled by {who}"))
            }
            EnvelopeBody::TurnContextDropped { dropped, .. } => {
                self.remark(&format!("the context is full: without the {} oldest turns", dropped.len()))
            }
            EnvelopeBody::TurnQueued { turn, ahead } if self.queued.as_ref() != Some(turn) => {
                self.queued = Some(turn.clone());
                self.remark(&format!("waits for a replica, {ahead} turns before it"))
            }
            EnvelopeBody::TurnResumed { cause, node, .. } => {
                self.remark(&format!("goes on at {} ({})", harmless(node), harmless(cause)))
            }
            EnvelopeBody::SessionUpdated { by, change } => {
                let who = self.who(by);
                self.remark(&format!("{who} changed {}", changed(change)))
            }
            EnvelopeBody::BranchChosen { by, leaf } => {
                let who = self.who(by);
                self.remark(&format!("{who} chose the branch that ends with {}", short(leaf)))
            }
            EnvelopeBody::SessionDeleted { by } => {
                let who = self.who(by);
                self.remark(&format!("{who} deleted the session"))
            }
            EnvelopeBody::Presence { clients } => {
                self.meet(clients);
                String::new()
            }
            _ => String::new(),
        }
    }

    /// The answer is complete.
    fn end(&mut self) -> String {
        let end = self.spoken.end();
        self.is_within_line &= end.is_empty();
        end
    }

    fn text(&mut self, text: &str, marks: &[MarkBody]) -> String {
        let text = self.spoken.take(text, marks);
        if !text.is_empty() {
            self.is_within_line = !text.ends_with('\n');
        }
        text
    }

    /// One dim line of its own.
    fn remark(&mut self, text: &str) -> String {
        format!("{}{DIM}{text}{DIM:#}\n", self.line())
    }

    /// Ends the line that the screen is in.
    pub(super) fn line(&mut self) -> &'static str {
        if std::mem::take(&mut self.is_within_line) { "\n" } else { "" }
    }

    fn meet(&mut self, clients: &[PresentBody]) {
        for client in clients.iter().filter(|client| !client.name.is_empty()) {
            self.names.entry(client.by.clone()).or_default().insert(harmless(&client.name));
        }
    }

    fn who(&self, key: &str) -> String {
        match self.names.get(key) {
            Some(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!("{} ({})", names.join(" or "), short(key))
            }
            None => short(key),
        }
    }
}

/// The turn that an event ends.
pub(super) fn ended(event: &FeedEvent) -> Option<&str> {
    match event {
        FeedEvent::Event(Envelope {
            body: EnvelopeBody::TurnFinished { turn, .. } | EnvelopeBody::TurnFailed { turn, .. },
            ..
        }) => Some(turn),
        _ => None,
    }
}

fn stats(reason: &str, usage: &Usage) -> String {
    let cached = match usage.cached_tokens {
        0 => String::new(),
        cached => format!(" ({cached} cached)"),
    };
    let end = if matches!(reason, "stop" | "tool_calls") {
        String::new()
    } else {
        format!(" · ended by {}", harmless(reason))
    };
    format!("{} tokens · prompt {}{cached}{end}", usage.completion_tokens, usage.prompt_tokens)
}

fn changed(change: &ChangeBody) -> String {
    let named = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{name} to {}", harmless(value)))
    };
    let parts = [
        named("the title", &change.title),
        named("the model", &change.model),
        change.tags.as_ref().map(|tags| format!("the tags to {}", harmless(&tags.join(", ")))),
        change.system.as_ref().map(|_| "the system prompt".to_owned()),
        change.sampling.as_ref().map(|_| "how tokens are chosen".to_owned()),
        change.seed.as_ref().map(|_| "the seed".to_owned()),
        change.context.as_ref().map(|_| "what happens when the context is full".to_owned()),
        change.shared.as_ref().map(|_| "who may read and write".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(mut body: Value) -> FeedEvent {
        for (name, value) in [("v", json!(3)), ("session", json!("ses_1")), ("at", json!(0))] {
            body[name] = value;
        }
        FeedEvent::Event(serde_json::from_value(body).unwrap())
    }

    fn accepted(turn: &str, text: &str) -> FeedEvent {
        event(json!({
            "type": "turn.accepted", "seq": 2, "turn": turn, "parent": null, "by": "key_00c0ffee00c0ffee",
            "origin": {"kind": "asked"}, "input": [{"role": "user", "content": text}], "model": "sprout",
        }))
    }

    fn tokens(text: &str) -> FeedEvent {
        event(json!({"type": "turn.tokens", "seq": 3, "turn": "t", "index": 0, "count": 1, "text": text}))
    }

    fn lost() -> FeedEvent {
        FeedEvent::Lost { why: "gone".to_owned(), retry_in: std::time::Duration::ZERO }
    }

    #[test]
    fn a_conversation_reads_as_one_text_whoever_asks_and_whatever_happens() {
        let mut screen = Screen::new(true);
        screen.asked("mine");
        let usage = json!({"prompt_tokens": 9, "cached_tokens": 8, "completion_tokens": 2});
        let connected = || FeedEvent::Connected { gateway_url: "http://x".to_owned() };
        let events = [
            connected(),
            accepted("mine", "shown already"),
            tokens("Hel"),
            lost(),
            lost(),
            connected(),
            tokens("lo \x1b[2J"),
            event(
                json!({"type": "turn.finished", "seq": 5, "turn": "mine", "reason": "stop", "text": "!", "usage": usage}),
            ),
            event(
                json!({"type": "presence", "clients": [{"client": 1, "by": "key_00c0ffee00c0ffee", "name": "anna"}]}),
            ),
            accepted("other", "and pears?"),
            tokens("pears\n"),
            event(
                json!({"type": "turn.failed", "seq": 7, "turn": "other", "error": {"code": "engine_lost", "message": "gone"}}),
            ),
            event(
                json!({"type": "session.updated", "seq": 8, "by": "key_00c0ffee00c0ffee", "change": {"title": "pie", "system": null}}),
            ),
        ];
        let shown: String = events.iter().map(|event| screen.take(event)).collect();
        let expected = "\
Hel
connection lost (gone); trying again
connected again, at http://x
lo [2J!
2 tokens · prompt 9 (8 cached)
anna (key_00c0ffee) asks:
and pears?
pears
error: gone (engine_lost)
anna (key_00c0ffee) changed the title to pie, the system prompt
";
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), expected);
    }

    #[test]
    fn people_with_one_key_are_all_named_and_only_a_cancel_of_here_is_yours() {
        let mut screen = Screen::new(true);
        let present = |name: &str| json!({"client": 1, "by": "key_00c0ffee00c0ffee", "name": name});
        let cancel = || {
            event(json!({"type": "turn.cancel_asked", "seq": 2, "turn": "t", "by": "key_00c0ffee00c0ffee"}))
        };
        let plain = |text: String| anstream::adapter::strip_str(&text).to_string();
        let _ =
            screen.take(&event(json!({"type": "presence", "clients": [present("bert"), present("anna")]})));
        assert_eq!(plain(screen.take(&cancel())), "cancelled by anna or bert (key_00c0ffee)\n");
        screen.cancelled("t");
        // The terminal has written `^C`.
        assert_eq!(plain(screen.take(&cancel())), "\ncancelled by you\n");
    }

    #[test]
    fn the_end_of_a_turn_is_known() {
        assert_eq!(ended(&tokens("x")), None);
        let error = json!({"code": "c", "message": "m"});
        assert_eq!(
            ended(&event(json!({"type": "turn.failed", "seq": 7, "turn": "t", "error": error}))),
            Some("t")
        );
    }
}
