//! A link: one authenticated, greeted connection to another member. Held by one actor per peer, which hands its clones
//! to whoever opens streams. The connection closes, streams and all, when the last clone is dropped.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use pomona_protocol::{LinkPurpose, NodeId, PathKind, PeerRole};
use quinn::{ConnectionError, TransportErrorCode};

use crate::streams::{CloseCode, PRIORITY_BULK, RecvStream, SendStream};

/// Who is at the other end, as its certificate and its greeting say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its id, from its certificate.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// What it may do, from its certificate.
    pub role: PeerRole,
    /// Drawn at each start of its process.
    pub boot: u64,
    /// Version of its program.
    pub version: String,
    /// What the link is for.
    pub purpose: LinkPurpose,
    /// Over which kind of network it runs, as the dialler knows it.
    pub path: PathKind,
    /// Where it was at the greeting; see [`Link::address`] for where it is.
    pub address: SocketAddr,
    /// Control messages to it carry this.
    pub control_key: u64,
    /// Where it takes links itself, as `host:port`.
    pub addresses: Vec<String>,
}

/// How a link is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Smoothed round trip.
    pub rtt: Duration,
    /// Packets lost since it began.
    pub lost_packets: u64,
    /// Bytes that may be on their way at once.
    pub congestion_window: u64,
    /// Bytes of the largest packet.
    pub mtu: u16,
}

/// Why a link is no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The other process does not know the connection: it was restarted.
    #[error("the other side was restarted")]
    Reset,
    /// Nothing came for the idle time of its path.
    #[error("nothing came from the other side for too long")]
    TimedOut,
    /// The other side closed it.
    #[error("closed by the other side: {reason}")]
    ClosedByPeer {
        /// Its reason.
        code: CloseCode,
        /// Its words.
        reason: String,
    },
    /// This side closed it.
    #[error("closed here: {reason}")]
    ClosedHere {
        /// What [`Link::close`] was told.
        reason: String,
    },
    /// The member at the other end was removed from the cluster, or this one was.
    #[error("one of the two was removed from the cluster")]
    Revoked,
    /// This side does not accept the other's certificate.
    #[error("the other side's certificate is not acceptable: {message}")]
    Certificate {
        /// What TLS said.
        message: String,
    },
    /// The other side does not accept this one's certificate.
    #[error("the other side does not accept this machine's certificate: {message}")]
    CertificateRefused {
        /// What TLS said.
        message: String,
    },
    /// What came is not QUIC as this side understands it.
    #[error("broken connection: {message}")]
    Broken {
        /// What is wrong.
        message: String,
    },
}

impl LinkError {
    /// The stable name: log field and metric label.
    pub fn code(&self) -> &'static str {
        match self {
            LinkError::Reset => "reset",
            LinkError::TimedOut => "timed_out",
            LinkError::ClosedByPeer { .. } => "closed_by_peer",
            LinkError::ClosedHere { .. } => "closed_here",
            LinkError::Revoked => "revoked",
            LinkError::Certificate { .. } => "certificate",
            LinkError::CertificateRefused { .. } => "certificate_refused",
            LinkError::Broken { .. } => "broken",
        }
    }
}

impl From<ConnectionError> for LinkError {
    fn from(error: ConnectionError) -> Self {
        let is_tls = |code: TransportErrorCode| (0x100..0x200).contains(&u64::from(code));
        match error {
            ConnectionError::Reset => LinkError::Reset,
            ConnectionError::TimedOut => LinkError::TimedOut,
            ConnectionError::LocallyClosed => {
                LinkError::ClosedHere { reason: "this process goes down".to_owned() }
            }
            ConnectionError::ApplicationClosed(close) => match CloseCode::from_code(close.error_code) {
                CloseCode::Revoked => LinkError::Revoked,
                code => {
                    let reason = String::from_utf8_lossy(&close.reason).into_owned();
                    LinkError::ClosedByPeer { code, reason }
                }
            },
            ConnectionError::ConnectionClosed(close) if is_tls(close.error_code) => {
                LinkError::CertificateRefused { message: close.to_string() }
            }
            ConnectionError::TransportError(error) if is_tls(error.code) => {
                LinkError::Certificate { message: error.reason }
            }
            other => LinkError::Broken { message: other.to_string() },
        }
    }
}

/// An authenticated, greeted connection.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    id: u64,
    connection: quinn::Connection,
    peer: Peer,
    our_control_key: u64,
    dialled: bool,
    control: Mutex<Option<(RecvStream, SendStream)>>,
    closed_here: OnceLock<LinkError>,
}

impl Link {
    pub(crate) fn new(
        connection: quinn::Connection,
        peer: Peer,
        our_control_key: u64,
        dialled: bool,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let control = Mutex::new(None);
        let closed_here = OnceLock::new();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let shared = Shared { id, connection, peer, our_control_key, dialled, control, closed_here };
        Self { shared: Arc::new(shared) }
    }

    /// Its number in this process; a later link has a higher one.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.shared.peer
    }

    /// Control messages that come over this link have to carry this.
    pub fn our_control_key(&self) -> u64 {
        self.shared.our_control_key
    }

    /// Whether this side dialled.
    pub fn dialled(&self) -> bool {
        self.shared.dialled
    }

    /// Where the other side is now; a dialler may move.
    pub fn address(&self) -> SocketAddr {
        canonical(self.shared.connection.remote_address())
    }

    /// The first stream after the greeting, for control messages; once, and never on a bulk link.
    pub fn take_control(&self) -> Option<(RecvStream, SendStream)> {
        self.shared.control.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether that stream is still to be had.
    pub fn has_control(&self) -> bool {
        self.shared.control.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn put_control(&self, streams: (RecvStream, SendStream)) {
        *self.shared.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(streams);
    }

    /// Opens a stream; waits while the other side has as many as it allows. The other side sees it when something
    /// was written.
    pub async fn open(&self) -> Result<(SendStream, RecvStream), LinkError> {
        self.shared.connection.open_bi().await.map_err(|error| self.error(error))
    }

    /// Opens a stream that leaves turns and control messages the way.
    pub async fn open_bulk(&self) -> Result<(SendStream, RecvStream), LinkError> {
        let (send, recv) = self.open().await?;
        // Fails only when the stream is closed, which the first write says.
        drop(send.set_priority(PRIORITY_BULK));
        Ok((send, recv))
    }

    /// The next stream that the other side opens.
    pub async fn accept(&self) -> Result<(SendStream, RecvStream), LinkError> {
        self.shared.connection.accept_bi().await.map_err(|error| self.error(error))
    }

    /// How it is doing.
    pub fn stats(&self) -> LinkStats {
        let path = self.shared.connection.stats().path;
        LinkStats {
            rtt: path.rtt,
            lost_packets: path.lost_packets,
            congestion_window: path.cwnd,
            mtu: path.current_mtu,
        }
    }

    /// Closes it and all of its streams at once. The other side reads `reason`.
    pub fn close(&self, code: CloseCode, reason: &str) {
        let error = match code {
            CloseCode::Revoked => LinkError::Revoked,
            _ => LinkError::ClosedHere { reason: reason.to_owned() },
        };
        self.close_as(error, code, reason);
    }

    fn close_as(&self, error: LinkError, code: CloseCode, reason: &str) {
        // The first reason counts.
        self.shared.closed_here.get_or_init(|| error);
        self.shared.connection.close(code.code(), reason.as_bytes());
    }

    /// Waits until it is no more and says why.
    pub async fn closed(&self) -> LinkError {
        let error = self.shared.connection.closed().await;
        self.error(error)
    }

    /// Whether it is no more.
    pub fn is_closed(&self) -> bool {
        self.shared.connection.close_reason().is_some()
    }

    fn error(&self, error: ConnectionError) -> LinkError {
        match (error, self.shared.closed_here.get()) {
            (ConnectionError::LocallyClosed, Some(reason)) => reason.clone(),
            (error, _) => LinkError::from(error),
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let peer = self.peer();
        write!(f, "Link({} {:?} {} {})", peer.node, peer.purpose, peer.path.as_str(), self.address())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Without effect when it is closed already.
        self.connection.close(CloseCode::Dropped.code(), b"nobody holds this link any more");
    }
}

/// An address as people write it: IPv4 without its IPv6 coat.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The open links of an endpoint; holds none of them open.
#[derive(Default)]
pub(crate) struct Table {
    links: Mutex<Vec<Weak<Shared>>>,
}

impl Table {
    /// Notes a link, and forgets those that are closed.
    pub(crate) fn insert(&self, link: &Link) {
        let mut links = self.lock();
        links.retain(|held| held.upgrade().is_some_and(|shared| !Link { shared }.is_closed()));
        links.push(Arc::downgrade(&link.shared));
    }

    /// Closes what is left of a peer's earlier processes, with [`LinkError::Reset`]: it greets as `boot` now.
    pub(crate) fn bury(&self, node: &NodeId, boot: u64) {
        for link in self.open() {
            if &link.peer().node == node && link.peer().boot != boot {
                tracing::info!(?link, boot, "this peer was restarted");
                link.close_as(
                    LinkError::Reset,
                    CloseCode::Superseded,
                    "a newer process of this member is linked",
                );
            }
        }
    }

    /// How many links of this purpose are open.
    pub(crate) fn count(&self, purpose: LinkPurpose) -> u32 {
        let open = self.open().iter().filter(|link| link.peer().purpose == purpose).count();
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    /// The open links.
    pub(crate) fn open(&self) -> Vec<Link> {
        let held: Vec<Link> =
            self.lock().iter().filter_map(Weak::upgrade).map(|shared| Link { shared }).collect();
        held.into_iter().filter(|link| !link.is_closed()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
