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
        if self.attached.is_empty() {
            return;
        }
        let is_prefill = matches!(live, SessionLive::Prefill { .. });
        let said = Said::Live(Arc::new(live));
        if is_prefill { self.say_where_is_room(&said) } else { self.say(&said) }
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

    /// Says something that nobody misses: a client that is behind is passed over, and never cut off for it.
    fn say_where_is_room(&self, said: &Said) {
        let has_room = |attached: &&Attached| attached.said.capacity() * 2 > attached.said.max_capacity();
        for attached in self.attached.values().filter(has_room) {
            let _ = attached.said.try_send(said.clone());
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

#[cfg(test)]
mod tests {
    use pomona_protocol::TurnId;

    use super::*;

    #[test]
    fn a_client_that_is_behind_is_spared_how_far_a_prompt_is() {
        let mut clients = Clients::default();
        let (_, mut heard, cut) = clients.add(Principal(1), String::new(), 4);
        let mut prefill = |done| clients.show(SessionLive::Prefill { turn: TurnId(1), done, total: 99 });
        (1..20).for_each(&mut prefill);
        let mut numbers = || {
            let said = std::iter::from_fn(|| heard.try_recv().ok());
            let number = |said| match said {
                Said::Live(live) => match *live {
                    SessionLive::Prefill { done, .. } => Some(done),
                    _ => None,
                },
                Said::Event(_) => None,
            };
            said.filter_map(number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(), [1], "half of the room is left to what must be heard");
        prefill(20);
        assert_eq!(numbers(), [20]);
        assert_eq!(cut.get(), None);
    }
}
