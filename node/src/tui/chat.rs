//! The open session: its turns as a tree, the branch that is shown, who else is here. Pure: [`Chat::apply`] takes the
//! envelopes of its feed in their order; `view::chat` draws it.

use std::collections::HashMap;

use pomona_protocol::v3::{
    ChangeBody, Envelope, EnvelopeBody, MarkBody, MessageBody, PresentBody, SessionBody, SessionTurn,
};
use pomona_protocol::{Role, Usage};

use crate::command::shown;
use crate::spoken::Spoken;

/// How long somebody counts as typing after they said so; clients say it every few seconds.
const TYPING_MS: u64 = 5_000;

/// How far a turn is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Turns before it run, or it waits for a replica behind so many.
    Queued { ahead: Option<u32> },
    /// It is being answered.
    Running,
    /// It has its answer; why it ended.
    Finished { reason: String },
    /// It has none, or a part of one; code and message.
    Failed { code: String, message: String },
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) by: String,
    pub(super) model: String,
    pub(super) question: String,
    /// As Markdown, thoughts and calls of tools included.
    pub(super) answer: String,
    spoken: Spoken,
    pub(super) state: State,
    pub(super) cancelled_by: Option<String>,
    /// Where it went on after its replica was lost.
    pub(super) resumed_on: Option<String>,
    /// Old turns that its prompt left out.
    pub(super) dropped: usize,
    pub(super) usage: Usage,
    pub(super) accepted_ms: u64,
    /// Time of its first token, and tokens behind that one until `last_ms`.
    pub(super) first_ms: Option<u64>,
    pub(super) last_ms: u64,
    pub(super) tokens: u32,
}

impl Turn {
    /// Whether nothing follows.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, State::Finished { .. } | State::Failed { .. })
    }

    /// Tokens per second from the first one on; nothing before there are enough for a figure.
    pub(super) fn tokens_per_s(&self) -> Option<f64> {
        let span_ms = self.last_ms.saturating_sub(self.first_ms?);
        (self.tokens > 1 && span_ms >= 200).then(|| f64::from(self.tokens - 1) * 1000.0 / span_ms as f64)
    }

    fn say(&mut self, text: &str, marks: &[MarkBody]) {
        let said = self.spoken.take(text, marks);
        self.answer.push_str(&said);
    }

    fn of(turn: SessionTurn) -> Self {
        let state = match turn.state.as_str() {
            "queued" => State::Queued { ahead: None },
            "running" => State::Running,
            "failed" => {
                let error = turn.error.map(|error| (error.code, error.message)).unwrap_or_default();
                State::Failed { code: error.0, message: error.1 }
            }
            _ => State::Finished { reason: turn.reason.unwrap_or_else(|| "stop".to_owned()) },
        };
        let mut spoken = Spoken::default();
        let mut answer = spoken.take(&turn.answer, &turn.marks);
        if turn.ended_seq.is_some() {
            answer.push_str(&spoken.end());
        }
        Self {
            id: turn.id,
            parent: turn.parent,
            by: turn.by,
            model: turn.model,
            question: question(&turn.input),
            answer,
            spoken,
            state,
            cancelled_by: turn.cancelled_by,
            resumed_on: None,
            dropped: 0,
            usage: turn.usage,
            accepted_ms: turn.accepted_at,
            first_ms: None,
            last_ms: 0,
            tokens: 0,
        }
    }
}

/// The session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chat {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) title: String,
    pub(super) model: String,
    /// In the order of acceptance.
    pub(super) turns: Vec<Turn>,
    /// Index of each turn by its id.
    index: HashMap<String, usize>,
    /// Last turn of the branch that is shown.
    pub(super) active: Option<String>,
    /// The last number that was applied.
    pub(super) cursor: u64,
    pub(super) present: Vec<PresentBody>,
    /// Names of those who type, and until when they count as such.
    pub(super) typing: Vec<(String, u64)>,
    pub(super) is_deleted: bool,
}

impl Chat {
    /// A session as the gateway shows it.
    pub(super) fn of(body: SessionBody) -> Self {
        let turns: Vec<Turn> = body.turns.into_iter().map(Turn::of).collect();
        Self {
            id: body.id,
            owner: body.owner,
            title: body.title,
            model: body.model,
            index: turns.iter().enumerate().map(|(index, turn)| (turn.id.clone(), index)).collect(),
            turns,
            active: body.active,
            cursor: body.head_seq,
            present: Vec::new(),
            typing: Vec::new(),
            is_deleted: false,
        }
    }

    /// A turn by its id.
    pub(super) fn turn(&self, id: &str) -> Option<&Turn> {
        self.turns.get(*self.index.get(id)?)
    }

    /// The turns of the branch that is shown, first to last.
    pub(super) fn branch(&self) -> Vec<&Turn> {
        let mut branch = Vec::new();
        let mut next = self.active.as_deref();
        while let Some(turn) = next.and_then(|id| self.turn(id)) {
            branch.push(turn);
            // A parent was accepted before its child, so this ends; a gateway that says otherwise is cut short.
            next = turn.parent.as_deref().filter(|_| branch.len() <= self.turns.len());
        }
        branch.reverse();
        branch
    }

    /// The turns that stand in the same place, in the order of acceptance, and which of them this one is.
    pub(super) fn siblings(&self, turn: &Turn) -> (usize, Vec<&Turn>) {
        let siblings: Vec<&Turn> = self.turns.iter().filter(|other| other.parent == turn.parent).collect();
        let place = siblings.iter().position(|other| other.id == turn.id).unwrap_or(0);
        (place, siblings)
    }

    /// The end of the branch through a turn that was last added to.
    pub(super) fn leaf_below(&self, turn: &str) -> String {
        let mut leaf = turn.to_owned();
        for _ in 0..self.turns.len() {
            let child = self.turns.iter().rfind(|other| other.parent.as_deref() == Some(&leaf));
            match child {
                Some(child) => leaf.clone_from(&child.id),
                None => break,
            }
        }
        leaf
    }

    /// The turn that runs, or the first one that waits.
    pub(super) fn open_turn(&self) -> Option<&Turn> {
        let running = self.turns.iter().find(|turn| turn.state == State::Running);
        running.or_else(|| self.turns.iter().find(|turn| !turn.is_ended()))
    }

    /// The last turn of the branch that is shown.
    pub(super) fn last(&self) -> Option<&Turn> {
        self.active.as_deref().and_then(|id| self.turn(id))
    }

    /// Those who typed within the last seconds.
    pub(super) fn typing(&self, now_ms: u64) -> impl Iterator<Item = &str> {
        self.typing.iter().filter(move |(_, until)| *until > now_ms).map(|(name, _)| name.as_str())
    }

    /// Takes what was said of this session. Entries of the log that were applied before change nothing.
    pub(super) fn apply(&mut self, envelope: Envelope, now_ms: u64) {
        let at_ms = envelope.at;
        if let Some(seq) = envelope.seq {
            if seq <= self.cursor {
                return;
            }
            self.cursor = seq;
        }
        match envelope.body {
            EnvelopeBody::SessionCreated { owner, title, model, .. } => {
                (self.owner, self.title, self.model) = (owner, title, model);
            }
            EnvelopeBody::SessionUpdated { change, .. } => self.change(change),
            EnvelopeBody::TurnAccepted { turn, parent, by, input, model, .. } => {
                let turn = accepted(turn, parent, by, model, question(&input), at_ms);
                self.typing.clear();
                self.add(turn);
            }
            EnvelopeBody::Presence { clients } => self.present = clients,
            EnvelopeBody::Typing { by, name } => {
                let name = if name.is_empty() { by } else { name };
                self.typing.retain(|(other, until)| *other != name && *until > now_ms);
                self.typing.push((name, now_ms + TYPING_MS));
            }
            EnvelopeBody::BranchChosen { leaf, .. } => self.active = Some(leaf),
            EnvelopeBody::SessionDeleted { .. } => self.is_deleted = true,
            EnvelopeBody::CaughtUp { .. } | EnvelopeBody::Cut { .. } | EnvelopeBody::Heartbeat {} => {}
            body => self.apply_to_turn(body, at_ms),
        }
    }

    fn apply_to_turn(&mut self, body: EnvelopeBody, at_ms: u64) {
        match body {
            EnvelopeBody::TurnContextDropped { turn, dropped } => {
                self.change_turn(&turn, |turn| turn.dropped = dropped.len());
            }
            EnvelopeBody::TurnStarted { turn, .. } => {
                self.change_turn(&turn, |turn| turn.state = State::Running);
            }
            EnvelopeBody::TurnTokens { turn, count, text, marks, .. } => self.change_turn(&turn, |turn| {
                turn.state = State::Running;
                turn.first_ms.get_or_insert(at_ms);
                turn.last_ms = at_ms;
                turn.tokens = turn.tokens.saturating_add(count);
                turn.say(&text, &marks);
            }),
            EnvelopeBody::TurnCancelAsked { turn, by } => {
                self.change_turn(&turn, |turn| turn.cancelled_by = Some(by));
            }
            EnvelopeBody::TurnFinished { turn, reason, text, marks, usage, stop: _ } => {
                self.change_turn(&turn, |turn| {
                    turn.say(&text, &marks);
                    turn.answer.push_str(&turn.spoken.end());
                    turn.usage = usage;
                    turn.state = State::Finished { reason };
                });
            }
            EnvelopeBody::TurnFailed { turn, error } => self.change_turn(&turn, |turn| {
                turn.state = State::Failed { code: error.code, message: error.message };
            }),
            EnvelopeBody::TurnQueued { turn, ahead } => self.change_turn(&turn, |turn| {
                if matches!(turn.state, State::Queued { .. }) {
                    turn.state = State::Queued { ahead: Some(ahead) };
                }
            }),
            EnvelopeBody::TurnResumed { turn, node, .. } => {
                self.change_turn(&turn, |turn| turn.resumed_on = Some(node));
            }
            _ => {}
        }
    }

    fn add(&mut self, turn: Turn) {
        self.active = Some(turn.id.clone());
        if !self.index.contains_key(&turn.id) {
            self.index.insert(turn.id.clone(), self.turns.len());
            self.turns.push(turn);
        }
    }

    fn change(&mut self, change: ChangeBody) {
        if let Some(title) = change.title {
            self.title = title;
        }
        if let Some(model) = change.model {
            self.model = model;
        }
    }

    fn change_turn(&mut self, id: &str, change: impl FnOnce(&mut Turn)) {
        if let Some(turn) = self.index.get(id).and_then(|index| self.turns.get_mut(*index)) {
            change(turn);
        }
    }
}

fn accepted(
    id: String,
    parent: Option<String>,
    by: String,
    model: String,
    question: String,
    at_ms: u64,
) -> Turn {
    Turn {
        id,
        parent,
        by,
        model,
        question,
        answer: String::new(),
        spoken: Spoken::default(),
        state: State::Queued { ahead: None },
        cancelled_by: None,
        resumed_on: None,
        dropped: 0,
        usage: Usage::default(),
        accepted_ms: at_ms,
        first_ms: None,
        last_ms: 0,
        tokens: 0,
    }
}

/// What the person said; messages of others that came with it are named.
fn question(input: &[MessageBody]) -> String {
    let one = |message: &MessageBody| match message.role {
        Role::User => shown(message),
        role => format!("[{}] {}", role.as_str(), shown(message)),
    };
    input.iter().map(one).collect::<Vec<_>>().join("\n")
}
