//! What follows from the events of a session's log. The machine in [`crate::session`] decides on it; a shell that starts
//! rebuilds it from a snapshot and the events behind; nothing else changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pomona_protocol::said::check_marks;
use pomona_protocol::{
    ContextPolicy, ModelId, Permission, Principal, Sampling, SessionChange, SessionEvent, SessionEventBody,
    SessionId, SessionSettings, TurnId, Usage,
};
use serde::{Deserialize, Serialize};

pub use crate::session_record::TurnRecord;
use crate::session_record::title_of;

/// What follows from the events of a log. Serialised, it is a snapshot; what an older snapshot lacks has its default.
///
/// Turns are shared between copies, so that a copy costs little however long the conversation is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionState {
    /// Which session.
    pub id: SessionId,
    /// The last number that was applied.
    pub head_seq: u64,
    /// Whose it is; `None` until it is made and after it is deleted.
    pub owner: Option<Principal>,
    /// Who else may do what.
    pub shared: BTreeMap<Principal, Permission>,
    /// What people call it.
    pub title: String,
    /// For finding it.
    pub tags: Vec<String>,
    /// What its turns are asked with.
    pub settings: SessionSettings,
    /// Where it comes from, when it is a fork.
    pub forked_from: Option<(SessionId, TurnId)>,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Time of its last event.
    pub updated_ms: u64,
    /// Every turn, in the order of acceptance.
    #[serde(with = "shared_turns")]
    pub turns: Vec<Arc<TurnRecord>>,
    /// Last turn of the active branch.
    pub active: Option<TurnId>,
    /// System prompts of the session that turns were accepted with, each once while it stayed.
    systems: Vec<String>,
    /// Every turn before this place has ended.
    open_from: u32,
}

impl Default for SessionState {
    fn default() -> Self {
        Self::empty(SessionId(0))
    }
}

impl SessionState {
    /// A session of which nothing is known yet.
    pub fn empty(id: SessionId) -> Self {
        let settings = SessionSettings {
            model: ModelId(String::new()),
            system: None,
            sampling: Sampling::default(),
            seed: None,
            context: ContextPolicy::default(),
        };
        Self {
            id,
            head_seq: 0,
            owner: None,
            shared: BTreeMap::new(),
            title: String::new(),
            tags: Vec::new(),
            settings,
            forked_from: None,
            created_ms: 0,
            updated_ms: 0,
            turns: Vec::new(),
            active: None,
            systems: Vec::new(),
            open_from: 0,
        }
    }

    /// Takes the next event of the log in. One that does not follow is refused with a description and changes nothing.
    ///
    /// A row that begins at or before the head is to be cut there first ([`SessionEvent::after`]).
    pub fn apply(&mut self, event: &SessionEvent) -> Result<(), String> {
        let SessionEvent { first_seq, seq, at_ms, body } = event;
        let (seq, at_ms) = (*seq, *at_ms);
        if *first_seq != self.head_seq + 1 || body.width() == 0 || first_seq + body.width() != seq + 1 {
            let (width, head) = (body.width(), self.head_seq);
            return Err(format!(
                "event {first_seq} to {seq} of width {width} does not follow the head {head}"
            ));
        }
        let is_first = matches!(body, SessionEventBody::Created { .. });
        if is_first != (self.head_seq == 0) || !is_first && self.owner.is_none() {
            return Err(format!("event {seq} stands before the beginning or behind the end of the log"));
        }
        match body {
            SessionEventBody::Created { owner, title, tags, settings, forked_from } => {
                self.owner = Some(*owner);
                (self.title, self.tags) = (title.clone(), tags.clone());
                (self.settings, self.forked_from) = (settings.clone(), *forked_from);
                self.created_ms = at_ms;
            }
            SessionEventBody::Updated { change, .. } => self.change(change),
            SessionEventBody::Accepted { .. } => self.accept(body, seq, at_ms)?,
            SessionEventBody::ContextDropped { turn, dropped } => {
                self.open_mut(*turn)?.dropped.clone_from(dropped);
            }
            SessionEventBody::Started { turn, prompt_tokens, cached_tokens } => {
                let record = self.open_mut(*turn)?;
                record.started = Some((*prompt_tokens, *cached_tokens));
                record.started_ms = at_ms;
            }
            SessionEventBody::Tokens { turn, first, ids, text, marks, ends } => {
                let record = self.open_mut(*turn)?;
                let reaches = ends.last().is_some_and(|end| *end as usize <= text.len());
                if *first != record.tokens || ends.len() != ids.len() || !reaches {
                    return Err(format!(
                        "event {seq}: tokens from {first} do not continue {}",
                        record.tokens
                    ));
                }
                check_marks(text, marks).map_err(|wrong| format!("event {seq}: {wrong}"))?;
                record.take_tokens(ids, text, marks, ends, at_ms);
            }
            SessionEventBody::CancelAsked { turn, by } => self.open_mut(*turn)?.cancelled_by = Some(*by),
            SessionEventBody::Finished { turn, reason, text, marks, usage, stop: _ } => {
                let record = self.open_mut(*turn)?;
                check_marks(text, marks).map_err(|wrong| format!("event {seq}: {wrong}"))?;
                record.take_text(text, marks);
                record.usage = *usage;
                record.take_end(Ok(*reason), at_ms, seq);
            }
            SessionEventBody::Failed { turn, cause } => {
                self.open_mut(*turn)?.take_end(Err(cause.clone()), at_ms, seq);
            }
            SessionEventBody::BranchChosen { leaf, .. } => {
                self.at(*leaf).ok_or_else(|| format!("event {seq} chooses the unknown {leaf}"))?;
                self.active = Some(*leaf);
            }
            SessionEventBody::Deleted { .. } => self.owner = None,
        }
        while self.turns.get(self.open_from as usize).is_some_and(|record| !record.is_open()) {
            self.open_from += 1;
        }
        (self.head_seq, self.updated_ms) = (seq, at_ms);
        Ok(())
    }

    /// A turn.
    pub fn turn(&self, turn: TurnId) -> Option<&TurnRecord> {
        self.at(turn).map(|at| &*self.turns[at])
    }

    /// The turn that runs or is to run next: the oldest that has not ended.
    pub fn oldest_open(&self) -> Option<&TurnRecord> {
        self.turns.get(self.open_from as usize).map(|record| &**record)
    }

    /// Turns that wait or run.
    pub fn open_turns(&self) -> u32 {
        let rest = self.turns.iter().skip(self.open_from as usize);
        rest.filter(|record| record.is_open()).count() as u32
    }

    /// Whether `by` may do at least this. `false` while nothing is known of the session.
    pub fn allows(&self, by: Principal, wanted: Permission) -> bool {
        let Some(owner) = self.owner else { return false };
        owner == by || self.shared.get(&by).is_some_and(|permission| *permission >= wanted)
    }

    /// The system prompt of a turn: its own, else that of the session when it was accepted, so that a turn that goes on
    /// after a restart has the prompt that it began with.
    pub fn system_of<'a>(&'a self, record: &'a TurnRecord) -> Option<&'a str> {
        let kept = || self.systems.get(record.system_at? as usize);
        record.system.as_ref().or_else(kept).map(String::as_str)
    }

    /// The turn and those that it follows, newest first.
    pub fn branch(&self, turn: TurnId) -> impl Iterator<Item = &TurnRecord> {
        let place = |at: u32| self.turns.get(at as usize).map(|record| &**record);
        std::iter::successors(self.turn(turn), move |record| record.parent_at.and_then(place))
    }

    /// New turns are asked for most, so the search begins at the end.
    fn at(&self, turn: TurnId) -> Option<usize> {
        self.turns.iter().rposition(|record| record.turn == turn)
    }

    fn open_mut(&mut self, turn: TurnId) -> Result<&mut TurnRecord, String> {
        let from = self.open_from as usize;
        let open = self.turns.iter_mut().skip(from).find(|record| record.turn == turn && record.is_open());
        open.map(Arc::make_mut).ok_or_else(|| format!("{turn} does not wait or run"))
    }

    fn change(&mut self, change: &SessionChange) {
        let SessionChange { title, tags, model, system, sampling, seed, context, shared } = change.clone();
        let settings = &mut self.settings;
        settings.model = model.unwrap_or_else(|| settings.model.clone());
        settings.system = system.unwrap_or_else(|| settings.system.take());
        settings.sampling = sampling.unwrap_or_else(|| settings.sampling.clone());
        settings.seed = seed.unwrap_or(settings.seed);
        settings.context = context.unwrap_or(settings.context);
        self.title = title.unwrap_or_else(|| self.title.clone());
        self.tags = tags.unwrap_or_else(|| std::mem::take(&mut self.tags));
        self.shared = shared.unwrap_or_else(|| std::mem::take(&mut self.shared));
    }

    /// Place of the session's system prompt, which is kept as long as a turn may be asked with it.
    fn keep_system(&mut self) -> Option<u32> {
        let system = self.settings.system.as_ref()?;
        if self.systems.last() != Some(system) {
            self.systems.push(system.clone());
        }
        Some(self.systems.len() as u32 - 1)
    }

    fn accept(&mut self, body: &SessionEventBody, seq: u64, at_ms: u64) -> Result<(), String> {
        let SessionEventBody::Accepted {
            turn,
            parent,
            by,
            idempotency_key,
            digest,
            origin,
            input,
            model,
            system,
            sampling,
            form,
            note: _,
        } = body
        else {
            return Err(format!("event {seq} accepts nothing"));
        };
        let parent_at = parent.map(|parent| self.at(parent).ok_or(parent)).transpose();
        let parent_at = parent_at.map_err(|parent| format!("{turn} follows the unknown {parent}"))?;
        if self.at(*turn).is_some() {
            return Err(format!("{turn} was accepted before"));
        }
        if self.title.is_empty() {
            self.title = title_of(input);
        }
        let system_at = if system.is_some() { None } else { self.keep_system() };
        self.turns.push(Arc::new(TurnRecord {
            turn: *turn,
            parent: *parent,
            parent_at: parent_at.map(|at| at as u32),
            by: *by,
            idempotency_key: idempotency_key.clone(),
            digest: *digest,
            origin: *origin,
            input: input.clone(),
            model: model.clone(),
            system: system.clone(),
            system_at,
            sampling: sampling.clone(),
            form: form.clone(),
            started: None,
            answer: String::new(),
            marks: Vec::new(),
            tokens: 0,
            ids: Vec::new(),
            ends: Vec::new(),
            dropped: Vec::new(),
            cancelled_by: None,
            end: None,
            usage: Usage::default(),
            accepted_seq: seq,
            accepted_ms: at_ms,
            started_ms: 0,
            first_token_ms: 0,
            ended_ms: 0,
            ended_seq: 0,
        }));
        self.active = Some(*turn);
        Ok(())
    }
}

/// Turns in a snapshot are plain; that they are shared is between copies in memory.
mod shared_turns {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::TurnRecord;

    pub(super) fn serialize<S: Serializer>(
        turns: &[Arc<TurnRecord>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(turns.iter().map(|record| &**record))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Arc<TurnRecord>>, D::Error> {
        Ok(Vec::<TurnRecord>::deserialize(deserializer)?.into_iter().map(Arc::new).collect())
    }
}
