//! One reader of the feed: first everything, or what it missed, then each event as it happens.

use std::collections::VecDeque;
use std::sync::Arc;

use pomona_protocol::{FleetEvent, FleetEventBody};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Watch;
use crate::sessions::unix_ms;

/// See the module. Dropping it ends the reading.
pub struct FleetFeed {
    boot: u64,
    backlog: VecDeque<Arc<FleetEvent>>,
    events: broadcast::Receiver<Arc<FleetEvent>>,
    last: u64,
    is_over: bool,
}

impl Watch {
    /// A reader that has seen the event with this id; of another process, or too long ago, it gets everything anew.
    pub(crate) fn read(&self, seen: Option<&str>) -> FleetFeed {
        self.read_behind(seen.and_then(|seen| number_of(seen, self.boot)))
    }

    /// A reader that has seen the event with this number.
    pub(crate) fn read_behind(&self, seen: Option<u64>) -> FleetFeed {
        let state = self.lock();
        let events = self.events.subscribe();
        let seen = seen.filter(|seen| *seen <= state.last);
        let oldest = state.recent.front().map_or(state.last + 1, |event| event.number);
        let backlog = match seen {
            Some(seen) if seen + 1 >= oldest => {
                state.recent.iter().filter(|event| event.number > seen).cloned().collect()
            }
            _ => {
                let now = unix_ms();
                let body = FleetEventBody::Snapshot { fleet: Box::new(state.machine.view(now)) };
                VecDeque::from([Arc::new(FleetEvent { number: state.last, at_unix_ms: now, body })])
            }
        };
        FleetFeed { boot: self.boot, backlog, events, last: state.last, is_over: false }
    }
}

impl FleetFeed {
    /// The next event; after a `Cut` there is none.
    pub async fn next(&mut self) -> Option<Arc<FleetEvent>> {
        if let Some(event) = self.backlog.pop_front() {
            return Some(event);
        }
        if self.is_over {
            return None;
        }
        match self.events.recv().await {
            Ok(event) => {
                self.last = event.number;
                Some(event)
            }
            Err(RecvError::Lagged(_)) => Some(self.cut("slow")),
            Err(RecvError::Closed) => Some(self.cut("shutting_down")),
        }
    }

    /// The next event, if there is one already.
    pub fn next_ready(&mut self) -> Option<Arc<FleetEvent>> {
        if let Some(event) = self.backlog.pop_front() {
            return Some(event);
        }
        if self.is_over {
            return None;
        }
        match self.events.try_recv() {
            Ok(event) => {
                self.last = event.number;
                Some(event)
            }
            Err(TryRecvError::Lagged(_)) => Some(self.cut("slow")),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    /// Ends the reading; what is said of it.
    pub fn cut(&mut self, reason: &str) -> Arc<FleetEvent> {
        self.is_over = true;
        self.backlog.clear();
        let body = FleetEventBody::Cut { reason: reason.to_owned() };
        Arc::new(FleetEvent { number: self.last, at_unix_ms: unix_ms(), body })
    }

    /// What a reader shows to go on behind this event.
    pub fn id_of(&self, event: &FleetEvent) -> String {
        format!("{:x}-{}", self.boot, event.number)
    }
}

fn number_of(id: &str, boot: u64) -> Option<u64> {
    let (of, number) = id.trim().split_once('-')?;
    number.parse().ok().filter(|_| u64::from_str_radix(of, 16) == Ok(boot))
}
