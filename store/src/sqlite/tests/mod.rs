//! What only the file can do wrong: a full disk, a torn log, a lock, a newer version, a copy. The rules that hold for
//! every database have a suite of their own.

mod faults;
mod files;
mod writer;

use std::path::Path;
use std::sync::mpsc;

use pomona_config::StoreConfig;
use pomona_protocol::{
    ModelId, Permission, Principal, SessionEvent, SessionEventBody, SessionId, SessionSummary, TurnId,
};

use crate::{Append, AppendError, AuditEntry, Indexed, Store, StoreParts};

/// A store in a folder.
fn parts(folder: &Path) -> StoreParts {
    StoreParts { config: StoreConfig { commit_ms: 1, ..StoreConfig::default() }, data_dir: folder.to_owned() }
}

async fn open(folder: &Path) -> Store {
    Store::open(parts(folder)).await.unwrap()
}

/// One token, `seq` of the log and of the answer.
fn token(seq: u64) -> SessionEvent {
    let body = SessionEventBody::Tokens {
        turn: TurnId(1),
        first: seq as u32,
        ids: vec![7],
        text: "x".into(),
        ends: vec![1],
        marks: Vec::new(),
    };
    SessionEvent { first_seq: seq, seq, at_ms: 1000 + seq, body }
}

/// An event that is never joined, `bytes` large.
fn large(seq: u64, bytes: usize) -> SessionEvent {
    let change = pomona_protocol::SessionChange { title: Some("t".repeat(bytes)), ..Default::default() };
    let body = SessionEventBody::Updated { by: Principal(1), change };
    SessionEvent { first_seq: seq, seq, at_ms: 1000 + seq, body }
}

/// An append of these events alone.
fn append(session: u128, expected_seq: u64, events: Vec<SessionEvent>) -> Append {
    Append {
        session: SessionId(session),
        epoch: 1,
        expected_seq,
        events,
        synced: false,
        summary: None,
        texts: Vec::new(),
        audit: Vec::new(),
        snapshot: None,
    }
}

fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        at_ms: 5,
        by: Principal(u64::MAX),
        action: action.into(),
        object: "ses_1".into(),
        detail: String::new(),
    }
}

fn summary(session: u128, title: &str, open_turns: u32) -> SessionSummary {
    SessionSummary {
        id: SessionId(session),
        owner: Principal(u64::MAX),
        shared: [(Principal(8), Permission::Read)].into(),
        title: title.into(),
        model: ModelId("sprout".into()),
        tags: vec!["a'b".into()],
        created_ms: 1,
        updated_ms: 1000,
        turns: 1,
        open_turns,
        head_seq: 0,
    }
}

fn text(turn: u128, part: u8, text: &str) -> Indexed {
    Indexed { turn: TurnId(turn), part, text: text.into() }
}

/// Hands several in at once and waits for all.
fn write_all(store: &Store, appends: Vec<Append>) -> Vec<Result<(), AppendError>> {
    let answers: Vec<_> = appends
        .into_iter()
        .map(|append| {
            let (tell, told) = mpsc::channel();
            store.append(append, move |result| tell.send(result).unwrap());
            told
        })
        .collect();
    answers.into_iter().map(|told| told.recv().unwrap()).collect()
}

fn write(store: &Store, append: Append) -> Result<(), AppendError> {
    write_all(store, vec![append]).remove(0)
}

/// Every number of a log, in order, from its rows.
async fn numbers(store: &Store, session: u128) -> Vec<u64> {
    let events = store.read(SessionId(session), 0, u32::MAX).await.unwrap();
    events.iter().flat_map(|event| event.first_seq..=event.seq).collect()
}
