//! What the tests of the screen share: sessions, envelopes, keys, and a model that was told of them.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pomona_protocol::v3::{
    Envelope, EnvelopeBody, ErrorBody, MessageBody, OriginBody, PageBody, SamplingBody, SessionBody,
    SummaryBody,
};
use pomona_protocol::{
    ContextPolicy, NodeId, NodeState, NodeStatus, PathKind, PathStatus, PeerRole, ReplicaState,
    ReplicaStatus, Role, Usage,
};

use super::message::{Command, Message, News, Trouble};
use super::model::Model;
use super::theme::Theme;
use super::update::{start, update};

/// When everything happens.
pub(super) const NOW_MS: u64 = 1_700_000_000_000;
/// The key of the person at the screen, and somebody else's.
pub(super) const ME: &str = "key_0000000000000001";
pub(super) const OTHER: &str = "key_0000000000000002";

/// A model that was started, on a screen of this size.
pub(super) fn model(columns: u16, rows: u16) -> Model {
    let mut model = Model::new(columns, rows, Theme::new(true), NOW_MS, "ab".to_owned());
    start(&mut model, None);
    model
}

/// A model that shows the session `ses_1`, which is empty.
pub(super) fn open(columns: u16, rows: u16) -> Model {
    let mut model = model(columns, rows);
    tell(&mut model, listed(vec![summary("ses_1", "Apples", 0), summary("ses_2", "日本 pears", 1)]));
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Enter);
    tell(
        &mut model,
        Message::Opened { session: "ses_1".to_owned(), result: Ok(Box::new(body("ses_1", "Apples"))) },
    );
    model
}

pub(super) fn tell(model: &mut Model, message: Message) -> Vec<Command> {
    let now_ms = model.now_ms;
    update(model, message, now_ms)
}

pub(super) fn press(model: &mut Model, code: KeyCode) -> Vec<Command> {
    tell(model, Message::Key(KeyEvent::from(code)))
}

pub(super) fn control(model: &mut Model, letter: char) -> Vec<Command> {
    tell(model, Message::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)))
}

pub(super) fn alt(model: &mut Model, code: KeyCode) -> Vec<Command> {
    tell(model, Message::Key(KeyEvent::new(code, KeyModifiers::ALT)))
}

pub(super) fn type_in(model: &mut Model, text: &str) {
    for letter in text.chars() {
        press(model, KeyCode::Char(letter));
    }
}

/// Something of the log of `ses_1`.
pub(super) fn say(model: &mut Model, seq: u64, body: EnvelopeBody) -> Vec<Command> {
    let at = NOW_MS + seq;
    let envelope = Envelope { v: 3, session: "ses_1".to_owned(), seq: Some(seq), first_seq: None, at, body };
    hear(model, News::Said(Box::new(envelope)))
}

/// Something of it that passes.
pub(super) fn pass(model: &mut Model, body: EnvelopeBody) -> Vec<Command> {
    let envelope =
        Envelope { v: 3, session: "ses_1".to_owned(), seq: None, first_seq: None, at: NOW_MS, body };
    hear(model, News::Said(Box::new(envelope)))
}

pub(super) fn hear(model: &mut Model, news: News) -> Vec<Command> {
    tell(model, Message::Heard { session: "ses_1".to_owned(), news })
}

pub(super) fn accepted(turn: &str, parent: Option<&str>, by: &str, question: &str) -> EnvelopeBody {
    EnvelopeBody::TurnAccepted {
        turn: turn.to_owned(),
        parent: parent.map(str::to_owned),
        by: by.to_owned(),
        origin: OriginBody { kind: "asked".to_owned(), of: None },
        input: vec![MessageBody::text(Role::User, question)],
        model: "sprout".to_owned(),
        idempotency_key: None,
    }
}

pub(super) fn tokens(turn: &str, text: &str) -> EnvelopeBody {
    let (turn, text) = (turn.to_owned(), text.to_owned());
    EnvelopeBody::TurnTokens { turn, index: 0, count: 1, text, marks: Vec::new() }
}

pub(super) fn finished(turn: &str, reason: &str) -> EnvelopeBody {
    let (reason, text) = (reason.to_owned(), String::new());
    let (turn, usage) = (turn.to_owned(), Usage::default());
    EnvelopeBody::TurnFinished { turn, reason, text, marks: Vec::new(), usage, stop: None }
}

pub(super) fn failed(turn: &str) -> EnvelopeBody {
    let error = ErrorBody { code: "overloaded".to_owned(), message: "no replica has room".to_owned() };
    EnvelopeBody::TurnFailed { turn: turn.to_owned(), error }
}

pub(super) fn listed(sessions: Vec<SummaryBody>) -> Message {
    Message::Listed { search: None, from: None, result: Ok((PageBody { sessions, next: None }, 3)) }
}

pub(super) fn summary(id: &str, title: &str, open_turns: u32) -> SummaryBody {
    SummaryBody {
        id: id.to_owned(),
        owner: ME.to_owned(),
        title: title.to_owned(),
        model: "sprout".to_owned(),
        tags: Vec::new(),
        created_at: NOW_MS,
        updated_at: NOW_MS - 180_000,
        turns: 1,
        open_turns,
        head_seq: 1,
    }
}

pub(super) fn body(id: &str, title: &str) -> SessionBody {
    SessionBody {
        id: id.to_owned(),
        owner: ME.to_owned(),
        shared: BTreeMap::new(),
        title: title.to_owned(),
        tags: Vec::new(),
        model: "sprout".to_owned(),
        system: None,
        sampling: SamplingBody::default(),
        seed: None,
        context: ContextPolicy::Refuse,
        created_at: NOW_MS,
        updated_at: NOW_MS,
        head_seq: 1,
        oldest_seq: 1,
        turns: Vec::new(),
        active: None,
        forked_from: None,
    }
}

pub(super) fn trouble(message: &str) -> Trouble {
    Trouble { message: message.to_owned(), is_offline: false, is_missing: false }
}

pub(super) fn offline() -> Trouble {
    Trouble { is_offline: true, ..trouble("nobody listens") }
}

/// A machine on the LAN with one replica.
pub(super) fn mini() -> NodeStatus {
    let replica = ReplicaStatus {
        node: NodeId::from("n-1f00"),
        model: "sprout".to_owned(),
        state: ReplicaState::Ready,
        incarnation: 1,
        restarts: 0,
        engine_pid: Some(42),
        card: None,
        turns: 2,
        is_pinned: false,
        idle_ms: 0,
        kv_blocks_used: 5,
        kv_blocks_total: 10,
        running: 0,
        waiting: 0,
        figures: Default::default(),
        error: None,
    };
    let path = PathStatus {
        kind: PathKind::Lan,
        address: "192.168.1.7:9999".to_owned(),
        rtt_ms: 0.42,
        since_ms: 61_000,
        switches: 1,
    };
    NodeStatus {
        node: NodeId::from("n-1f00"),
        name: "mini".to_owned(),
        role: PeerRole::Node,
        state: NodeState::Alive,
        path: Some(path),
        version: None,
        hosts: true,
        is_here: false,
        seen_ms_ago: Some(240),
        joined_unix_ms: 0,
        memory_bytes: 0,
        memory_bytes_used: 0,
        turns: 2,
        models: Vec::new(),
        replicas: vec![replica],
        figures: Default::default(),
    }
}
