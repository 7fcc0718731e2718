//! Which sessions are in memory here, and what all of them share. Read by whoever asks a session; written by the Sessions
//! actor, and by a Session that leaves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use pomona_cluster::session::SessionLimits;
use pomona_config::SessionConfig;
use pomona_protocol::{Cause, SessionId};
use pomona_store::Store;
use ractor::{ActorId, ActorRef};

use super::session::SessionMessage;
use super::supervisor::SessionsMessage;

pub(crate) struct SessionTable {
    pub(crate) store: Option<Store>,
    pub(crate) config: SessionConfig,
    pub(crate) supervisor: ArcSwapOption<ActorRef<SessionsMessage>>,
    resident: Mutex<HashMap<SessionId, ActorRef<SessionMessage>>>,
    frozen: AtomicBool,
}

impl SessionTable {
    pub(crate) fn new(store: Option<Store>, config: SessionConfig) -> Self {
        Self {
            store,
            config,
            supervisor: ArcSwapOption::empty(),
            resident: Mutex::default(),
            frozen: AtomicBool::new(false),
        }
    }

    pub(crate) fn store(&self) -> Result<&Store, Cause> {
        self.store.as_ref().ok_or_else(|| Cause::StoreFailed {
            message: "this process keeps no sessions; ask a gateway".to_owned(),
        })
    }

    pub(crate) fn limits(&self) -> SessionLimits {
        SessionLimits { queue_max: self.config.queue_max, turns_max: self.config.turns_max }
    }

    /// The activation of a session, when there is one here.
    pub(crate) fn get(&self, session: SessionId) -> Option<ActorRef<SessionMessage>> {
        self.lock().get(&session).cloned()
    }

    pub(crate) fn insert(&self, session: SessionId, actor: ActorRef<SessionMessage>) {
        self.lock().insert(session, actor);
    }

    /// Takes an activation out; another one of the same session stays.
    pub(crate) fn remove(&self, session: SessionId, actor: ActorId) {
        let mut resident = self.lock();
        if resident.get(&session).is_some_and(|known| known.get_id() == actor) {
            resident.remove(&session);
        }
    }

    /// Takes out whichever session had this actor.
    pub(crate) fn remove_actor(&self, actor: ActorId) {
        self.lock().retain(|_, known| known.get_id() != actor);
    }

    /// Sessions in memory.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// From now on no session notes anything: the process ends, and its turns are left to their next activation.
    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, ActorRef<SessionMessage>>> {
        self.resident.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
