//! What a session says to the store, and what it hears back: appends, its last snapshot, its deletion.

use std::sync::Arc;
use std::time::Instant;

use pomona_cluster::session::{Batch, Input};
use pomona_protocol::{Cause, Principal, SessionId, SessionReply, TurnId};
use pomona_store::{Append, AppendError, AuditEntry, Indexed};
use ractor::ActorRef;

use super::session::{SessionActorState, SessionMessage};
use super::unix_ms;
use crate::owned;

/// Events behind the last snapshot that make another one worth its write when the session leaves the memory.
const SNAPSHOT_EVENTS: u64 = 256;

impl SessionActorState {
    pub(super) fn append(&mut self, myself: &ActorRef<SessionMessage>, batch: Batch) {
        let Batch { expected_seq, events, synced, summary, texts, audit } = batch;
        let seq = events.last().map_or(expected_seq, |event| event.seq);
        let append = Append {
            session: self.id,
            epoch: self.epoch(),
            expected_seq,
            events,
            synced,
            summary,
            texts: texts.into_iter().map(|(turn, part, text)| Indexed { turn, part, text }).collect(),
            audit: audit.into_iter().map(|(by, action, turn)| self.audit_entry(by, action, turn)).collect(),
            snapshot: None,
        };
        self.hand_over(myself, append, seq);
    }

    pub(super) fn hand_over(&self, myself: &ActorRef<SessionMessage>, append: Append, seq: u64) {
        let (myself, shared, begun) = (myself.clone(), Arc::clone(&self.shared), Instant::now());
        let done = move |result: Result<(), AppendError>| {
            let failure = match &result {
                Err(AppendError::Store(error)) => Some(error),
                _ => None,
            };
            shared.watch.store_wrote(begun.elapsed(), failure);
            let _ = myself.cast(match result {
                Ok(()) => SessionMessage::Written { seq },
                Err(error) => SessionMessage::Unwritten { error },
            });
        };
        match self.store() {
            Ok(store) => store.append(append, done),
            Err(_) => done(Err(AppendError::Gone)),
        }
    }

    pub(super) fn audit_entry(&self, by: Principal, action: &str, turn: Option<TurnId>) -> AuditEntry {
        let object = turn.map_or_else(|| self.id.to_string(), |turn| format!("{} {turn}", self.id));
        AuditEntry { at_ms: unix_ms(), by, action: action.to_owned(), object, detail: String::new() }
    }

    pub(super) fn delete(&mut self, myself: &ActorRef<SessionMessage>, number: u64, by: Principal) {
        let Ok(store) = self.store().cloned() else { return };
        let (id, epoch, audit) = (self.id, self.epoch(), self.audit_entry(by, "session.deleted", None));
        let myself = myself.clone();
        self.deletion = Some(owned::spawn(async move {
            let result = store.delete(id, epoch, audit).await;
            let _ = myself.cast(SessionMessage::Deleted { number, result });
        }));
    }

    pub(super) fn on_deleted(
        &mut self,
        myself: &ActorRef<SessionMessage>,
        number: u64,
        result: Result<(), AppendError>,
    ) {
        let seq = self.loaded.as_ref().map_or(0, |loaded| loaded.machine.written_seq());
        let (reply, reason) = match result {
            Ok(()) => (Ok(SessionReply::Done { seq }), "deleted"),
            Err(error) => (Err(cause_of(self.id, error)), "store"),
        };
        if let Some(answer) = self.answers.remove(&number) {
            let _ = answer.send(reply);
        }
        self.step_down(myself, reason);
    }

    pub(super) async fn on_unwritten(&mut self, myself: &ActorRef<SessionMessage>, error: AppendError) {
        let input = match error {
            AppendError::Conflict { .. } | AppendError::Fenced { .. } => Input::Fenced,
            error => Input::WriteFailed { cause: cause_of(self.id, error) },
        };
        self.decide(myself, input).await;
    }

    /// Spares the next activation most of the log. Nobody waits for it, and nothing depends on it.
    pub(super) fn save_snapshot(&mut self, myself: &ActorRef<SessionMessage>) {
        let Ok(loaded) = &mut self.loaded else { return };
        let seq = loaded.machine.written_seq();
        if seq < loaded.snapshot_seq + SNAPSHOT_EVENTS {
            return;
        }
        let Ok(snapshot) = rmp_serde::to_vec_named(loaded.machine.state()) else { return };
        loaded.snapshot_seq = seq;
        let append = Append {
            session: self.id,
            epoch: loaded.epoch,
            expected_seq: seq,
            events: Vec::new(),
            synced: false,
            summary: None,
            texts: Vec::new(),
            audit: Vec::new(),
            snapshot: Some(snapshot),
        };
        self.hand_over(myself, append, seq);
    }
}

fn cause_of(session: SessionId, error: AppendError) -> Cause {
    match error {
        AppendError::Conflict { .. } | AppendError::Fenced { .. } => Cause::SessionMoved,
        AppendError::Gone => Cause::UnknownSession { session: session.to_string() },
        AppendError::Store(error) => error.into(),
    }
}
