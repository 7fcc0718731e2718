//! A UDP relay with weather: what stands between two machines in tests, on systems whose kernel cannot delay or
//! lose packets by itself. It works like a router with address translation: each client gets a socket of its own
//! towards the target, and everything can be changed while it runs. It knows nothing of QUIC.
//!
//! It runs on a thread of its own, so that a busy test does not look like a slow network, and ends when its handle is
//! dropped.

mod engine;
mod line;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

/// Which packets get through at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// All of them.
    #[default]
    Open,
    /// None.
    Both,
    /// Those from the clients to the target do not.
    Up,
    /// Those from the target to the clients do not.
    Down,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a client to the target.
    Up,
    /// From the target to a client.
    Down,
}

impl Cut {
    fn stops(self, way: Way) -> bool {
        matches!((self, way), (Cut::Both, _) | (Cut::Up, Way::Up) | (Cut::Down, Way::Down))
    }
}

/// The weather. The default is a clear day: nothing is delayed, lost or held back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Added to each packet, one way.
    pub delay: Duration,
    /// At most this much more, drawn per packet; packets of one client and way keep their order.
    pub jitter: Duration,
    /// Share of packets that vanish, 0 to 1.
    pub loss: f64,
    /// Bytes per second and way, over all clients; 0 means no limit.
    pub bytes_per_s: u64,
    /// Bytes that wait at most where a rate is set; what comes on top is dropped.
    pub queue_bytes: u64,
    /// What is cut.
    pub cut: Cut,
}

impl Weather {
    /// A line with this round trip and loss.
    pub fn far(round_trip: Duration, loss: f64) -> Self {
        Self { delay: round_trip / 2, loss, ..Self::default() }
    }
}

/// What happened to packets so far, both ways together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed on.
    pub passed: u64,
    /// Vanished by `loss`.
    pub lost: u64,
    /// Stopped by `cut`.
    pub cut: u64,
    /// Dropped by the limit of the queue.
    pub overflowed: u64,
}

#[derive(Default)]
struct Counters {
    passed: AtomicU64,
    lost: AtomicU64,
    cut: AtomicU64,
    overflowed: AtomicU64,
}

/// What the handle and the thread share.
struct Shared {
    weather: Mutex<Weather>,
    target: Mutex<SocketAddr>,
    /// Counts the changes of all outer addresses.
    moves: AtomicU64,
    counters: Counters,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running relay.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Relays from `listen` (port 0 takes a free one) to `target`; `seed` decides which packets are lost.
    pub fn start(listen: SocketAddr, target: SocketAddr, weather: Weather, seed: u64) -> Result<Self> {
        let socket =
            std::net::UdpSocket::bind(listen).with_context(|| format!("{listen} cannot be bound"))?;
        Self::start_on(socket, target, weather, seed)
    }

    /// Relays from a socket that may belong to another network namespace. Its sockets towards the target are made
    /// in this one.
    pub fn start_on(
        socket: std::net::UdpSocket,
        target: SocketAddr,
        weather: Weather,
        seed: u64,
    ) -> Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared {
            weather: Mutex::new(weather),
            target: Mutex::new(target),
            moves: AtomicU64::new(0),
            counters: Counters::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = {
            let shared = Arc::clone(&shared);
            let run = move || runtime.block_on(engine::run(socket, shared, seed, stopped));
            std::thread::Builder::new().name("relay".to_owned()).spawn(run).context("no thread")?
        };
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The weather of now.
    pub fn weather(&self) -> Weather {
        *locked(&self.shared.weather)
    }

    /// Changes the weather for all packets from now on; those under way arrive as they would have.
    pub fn set(&self, weather: Weather) {
        *locked(&self.shared.weather) = weather;
    }

    /// Cuts or opens the line; the rest of the weather stays.
    pub fn cut(&self, cut: Cut) {
        locked(&self.shared.weather).cut = cut;
    }

    /// Sends to another target from now on, from new outer addresses.
    pub fn retarget(&self, target: SocketAddr) {
        *locked(&self.shared.target) = target;
        self.change_addresses();
    }

    /// Gives each client a new outer address, as a router does that was restarted: packets to the old ones are lost.
    pub fn change_addresses(&self) {
        self.shared.moves.fetch_add(1, Ordering::AcqRel);
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        let counters = &self.shared.counters;
        Counts {
            passed: counters.passed.load(Ordering::Relaxed),
            lost: counters.lost.load(Ordering::Relaxed),
            cut: counters.cut.load(Ordering::Relaxed),
            overflowed: counters.overflowed.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
