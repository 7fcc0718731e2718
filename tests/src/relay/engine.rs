//! The thread of a relay: receives, asks the line, sends when it is time.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::line::{Fate, Line};
use super::{Shared, Way, locked};

/// Largest datagram that is passed on.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Clients at once; a packet of one more is dropped.
const CLIENTS_MAX: usize = 4096;
/// Packets from the target that wait for the thread; what comes on top waits in the kernel.
const ARRIVED_MAX: usize = 1024;
/// Packets under way; what comes on top is dropped as by a full queue.
const UNDER_WAY_MAX: usize = 1 << 20;

/// A packet under way. Greater means earlier, as a heap wants it.
struct Packet {
    at: Instant,
    number: u64,
    way: Way,
    client: SocketAddr,
    /// Its client's socket towards the target at the time of sending.
    outer: Arc<UdpSocket>,
    bytes: Vec<u8>,
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Packet {}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packet {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// One client's way to the target.
struct Client {
    outer: Arc<UdpSocket>,
    reader: AbortHandle,
}

type Arrived = (SocketAddr, Arc<UdpSocket>, Vec<u8>);

struct Engine {
    inner: UdpSocket,
    shared: Arc<Shared>,
    up: Line,
    down: Line,
    moves: u64,
    clients: HashMap<SocketAddr, Client>,
    readers: JoinSet<()>,
    arrived: mpsc::Sender<Arrived>,
    under_way: BinaryHeap<Packet>,
    number: u64,
}

/// Relays until the handle is gone.
pub(super) async fn run(
    socket: std::net::UdpSocket,
    shared: Arc<Shared>,
    seed: u64,
    mut stopped: oneshot::Receiver<()>,
) {
    let Ok(inner) = UdpSocket::from_std(socket) else { return };
    if inner.writable().await.is_err() {
        return;
    }
    let (arrived, mut arrivals) = mpsc::channel(ARRIVED_MAX);
    let mut engine = Engine {
        inner,
        shared,
        up: Line::new(Way::Up, seed),
        down: Line::new(Way::Down, seed ^ 0x5555),
        moves: 0,
        clients: HashMap::new(),
        readers: JoinSet::new(),
        arrived,
        under_way: BinaryHeap::new(),
        number: 0,
    };
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let due = engine.under_way.peek().map(|packet| packet.at);
        let wait = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = &mut stopped => return,
            received = engine.inner.recv_from(&mut buffer) => {
                // An error here is the echo of a packet that a client did not take.
                if let Ok((bytes, client)) = received {
                    engine.take_up(client, &buffer[..bytes]).await;
                }
            }
            Some((client, outer, bytes)) = arrivals.recv() => engine.take(Way::Down, client, outer, bytes),
            () = wait => {}
        }
        while engine.readers.try_join_next().is_some() {}
        engine.send_due();
    }
}

impl Engine {
    async fn take_up(&mut self, client: SocketAddr, bytes: &[u8]) {
        let moves = self.shared.moves.load(Atomic::Acquire);
        if moves != self.moves {
            self.moves = moves;
            for (client, gone) in self.clients.drain() {
                gone.reader.abort();
                self.up.forget(&client);
                self.down.forget(&client);
            }
        }
        if let Some(outer) = self.outer_of(client).await {
            self.take(Way::Up, client, outer, bytes.to_vec());
        }
    }

    /// The client's socket towards the target; a new one for a new client.
    async fn outer_of(&mut self, client: SocketAddr) -> Option<Arc<UdpSocket>> {
        if let Some(known) = self.clients.get(&client) {
            return Some(Arc::clone(&known.outer));
        }
        let target = *locked(&self.shared.target);
        if self.clients.len() >= CLIENTS_MAX {
            return None;
        }
        let any: SocketAddr = match target {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let outer = Arc::new(UdpSocket::bind(any).await.ok()?);
        outer.connect(target).await.ok()?;
        // A fresh socket is not known to be writable, and sending does not wait.
        outer.writable().await.ok()?;
        let reader = self.readers.spawn(read_outer(client, Arc::clone(&outer), self.arrived.clone()));
        self.clients.insert(client, Client { outer: Arc::clone(&outer), reader });
        Some(outer)
    }

    fn take(&mut self, way: Way, client: SocketAddr, outer: Arc<UdpSocket>, bytes: Vec<u8>) {
        let weather = *locked(&self.shared.weather);
        let line = match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        };
        let fate = line.fate(&weather, client, bytes.len(), Instant::now());
        let counters = &self.shared.counters;
        let count = |counter: &AtomicU64| {
            counter.fetch_add(1, Atomic::Relaxed);
        };
        match fate {
            Fate::Lost => count(&counters.lost),
            Fate::Cut => count(&counters.cut),
            Fate::Overflowed => count(&counters.overflowed),
            Fate::At(_) if self.under_way.len() >= UNDER_WAY_MAX => count(&counters.overflowed),
            Fate::At(at) => {
                count(&counters.passed);
                self.number += 1;
                self.under_way.push(Packet { at, number: self.number, way, client, outer, bytes });
            }
        }
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        while self.under_way.peek().is_some_and(|packet| packet.at <= now) {
            let Some(packet) = self.under_way.pop() else { return };
            // A full buffer of the kernel drops packets, as networks do.
            let _ = match packet.way {
                Way::Up => packet.outer.try_send(&packet.bytes),
                Way::Down => self.inner.try_send_to(&packet.bytes, packet.client),
            };
        }
    }
}

async fn read_outer(client: SocketAddr, outer: Arc<UdpSocket>, arrived: mpsc::Sender<Arrived>) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // An error is the echo of a packet that the target did not take.
        let Ok(bytes) = outer.recv(&mut buffer).await else { continue };
        if arrived.send((client, Arc::clone(&outer), buffer[..bytes].to_vec())).await.is_err() {
            return;
        }
    }
}
