//! The clients that are attached to one session. Each has a bounded buffer; one whose buffer is full is cut off and comes
//! back with its cursor, so that it slows nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use pomona_protocol::{Present, Principal, SessionEvent, SessionLive};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// What is said to attached clients.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// An entry of the log.
    Event(Arc<SessionEvent>),
    /// Something that passes.
    Live(Arc<SessionLive>),
}

/// Why a client is cut off; empty while it is not.
pub(crate) type Cut = Arc<OnceLock<&'static str>>;

/// Everybody who is attached to one session.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// By number, in the order of their coming.
    attached: BTreeMap<u64, Attached>,
    next: u64,
}

#[derive(Debug)]
struct Attached {
    said: mpsc::Sender<Said>,
    cut: Cut,
    by: Principal,
    name: String,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.attached.len()
    }

    /// Lets a client hear everything from now on.
    pub(super) fn add(
        &mut self,
        by: Principal,
        name: String,
        buffer: usize,
    ) -> (u64, mpsc::Receiver<Said>, Cut) {
        let (said, heard) = mpsc::channel(buffer);
        let cut = Cut::default();
        self.next += 1;
        self.attached.insert(self.next, Attached { said, cut: Arc::clone(&cut), by, name });
        self.show_presence();
        (self.next, heard, cut)
    }

    /// A client left.
    pub(super) fn remove(&mut self, client: u64) {
        if self.attached.remove(&client).is_some() {
            self.show_presence();
        }
    }

    /// Cuts off everybody who may not read any more. For them there is no such session now.
    pub(super) fn keep(&mut self, may_read: impl Fn(Principal) -> bool) {
        let before = self.attached.len();
        self.attached.retain(|_, attached| {
            let stays = may_read(attached.by);
            if !stays {
                let _ = attached.cut.set("deleted");
            }
            stays
        });
        if self.attached.len() < before {
            self.show_presence();
        }
    }

    /// Says entries of the log to everybody.
    pub(super) fn publish(&mut self, events: Vec<SessionEvent>) {
        if self.attached.is_empty() {
            return;
        }
        for event in events {
            self.say(&Said::Event(Arc::new(event)));
        }
    }

    /// Says something that passes to everybody.
    pub(super) fn show(&mut self, live: SessionLive) {
        if !self.attached.is_empty() {
            self.say(&Said::Live(Arc::new(live)));
        }
    }

    /// Cuts off everybody.
    pub(super) fn cut_all(&mut self, reason: &'static str) {
        for attached in std::mem::take(&mut self.attached).into_values() {
            let _ = attached.cut.set(reason);
        }
    }

    fn say(&mut self, said: &Said) {
        let before = self.attached.len();
        self.attached.retain(|_, attached| match attached.said.try_send(said.clone()) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                let _ = attached.cut.set("slow");
                false
            }
        });
        if self.attached.len() < before {
            self.show_presence();
        }
    }

    /// Says who is here. Ends, since each round of losing somebody leaves fewer.
    fn show_presence(&mut self) {
        let present = self.attached.iter().map(|(client, attached)| Present {
            client: *client,
            by: attached.by,
            name: attached.name.clone(),
        });
        let presence = SessionLive::Presence { clients: present.collect() };
        self.show(presence);
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.cut_all("shutting_down");
    }
}
