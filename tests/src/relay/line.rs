//! What the weather does to one packet: pass it on at some moment, or drop it. No sockets and no clock.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Way, Weather};
use crate::random::Random;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives then.
    At(Instant),
    /// It vanished.
    Lost,
    /// The line is cut.
    Cut,
    /// The queue of a slow line was full.
    Overflowed,
}

/// One way of the line.
pub(super) struct Line {
    way: Way,
    random: Random,
    /// When the last byte that was let in will have been sent, where a rate is set.
    busy_until: Option<Instant>,
    /// The last arrival of each client: none may come before it.
    last: HashMap<SocketAddr, Instant>,
}

impl Line {
    pub(super) fn new(way: Way, seed: u64) -> Self {
        Self { way, random: Random::new(seed), busy_until: None, last: HashMap::new() }
    }

    /// Decides over one packet of `bytes` from or to `client`.
    pub(super) fn fate(&mut self, weather: &Weather, client: SocketAddr, bytes: usize, now: Instant) -> Fate {
        // Drawn for every packet, so that a seed means the same losses whatever else happens.
        let (lost, share) = (self.random.share() < weather.loss, self.random.share());
        if weather.cut.stops(self.way) {
            return Fate::Cut;
        }
        if lost {
            return Fate::Lost;
        }
        let Some(sent) = self.sent_at(weather, bytes, now) else { return Fate::Overflowed };
        let arrival = sent + weather.delay + weather.jitter.mul_f64(share);
        let last = self.last.entry(client).or_insert(arrival);
        *last = arrival.max(*last);
        Fate::At(*last)
    }

    /// Forgets a client that has gone.
    pub(super) fn forget(&mut self, client: &SocketAddr) {
        self.last.remove(client);
    }

    fn sent_at(&mut self, weather: &Weather, bytes: usize, now: Instant) -> Option<Instant> {
        if weather.bytes_per_s == 0 {
            self.busy_until = None;
            return Some(now);
        }
        let takes = |bytes: u64| Duration::from_secs_f64(bytes as f64 / weather.bytes_per_s as f64);
        let start = self.busy_until.map_or(now, |busy| busy.max(now));
        if start - now > takes(weather.queue_bytes) {
            return None;
        }
        let end = start + takes(bytes as u64);
        self.busy_until = Some(end);
        Some(end)
    }
}
