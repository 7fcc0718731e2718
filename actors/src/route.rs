//! The way from a turn to its replica: a Unix socket to an engine of this process, or a link to another member.
//! Asked by attempts, which see one stream of frames and never where it comes from.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use pomona_protocol::NodeId;
use pomona_transport::{Link, RecvStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use crate::engine_link::{EngineLink, TurnStream};

/// Where a replica is reached.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Here.
    Engine(Arc<EngineLink>),
    /// At another member.
    Peer(PeerRoute),
}

/// The way to another member: whichever link is the best one now.
#[derive(Clone, Debug)]
pub(crate) struct PeerRoute {
    pub(crate) node: NodeId,
    /// The link in use, `None` while there is none. Its owner, the Peer actor, changes it.
    pub(crate) link: watch::Receiver<Option<Link>>,
}

/// A stream of one turn.
pub(crate) enum TurnIo {
    Engine(TurnStream),
    Peer { recv: RecvStream, link: Link },
}

impl Route {
    /// The node that is asked.
    pub(crate) fn peer(&self) -> Option<&PeerRoute> {
        match self {
            Route::Engine(_) => None,
            Route::Peer(peer) => Some(peer),
        }
    }

    /// Opens a stream with this frame.
    pub(crate) async fn open(&self, open: &BytesMut) -> io::Result<TurnIo> {
        match self {
            Route::Engine(engine) => {
                let mut stream = engine.open().await?;
                stream.socket.write_all(open).await?;
                Ok(TurnIo::Engine(stream))
            }
            Route::Peer(peer) => peer.open(open).await,
        }
    }

    /// Takes back a stream whose turn ended with its terminal event.
    pub(crate) fn give_back(&self, io: TurnIo) {
        if let (Route::Engine(engine), TurnIo::Engine(stream)) = (self, io) {
            engine.give_back(stream);
        }
    }
}

impl PeerRoute {
    /// The link in use, when it is a living one.
    pub(crate) fn current(&self) -> Option<Link> {
        self.link.borrow().clone().filter(|link| !link.is_closed())
    }

    /// Opens a stream on the link in use.
    pub(crate) async fn open(&self, open: &BytesMut) -> io::Result<TurnIo> {
        let link = self.current().ok_or_else(|| io::Error::other("there is no link to it"))?;
        let (mut send, recv) = link.open().await.map_err(io::Error::other)?;
        send.write_all(open).await.map_err(io::Error::other)?;
        // Nothing more will be said on this side; to cancel is to stop the other.
        let _ = send.finish();
        Ok(TurnIo::Peer { recv, link })
    }

    /// Completes when another link than `link` is in use; never when the owner of the links is gone.
    pub(crate) async fn moved_from(&mut self, link: &Link) -> Link {
        loop {
            let current = self.link.borrow_and_update().clone();
            if let Some(current) = current.filter(|current| current.id() != link.id() && !current.is_closed())
            {
                return current;
            }
            if self.link.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

impl TurnIo {
    /// Reads what is there; 0 at the end.
    pub(crate) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            TurnIo::Engine(stream) => stream.socket.read_buf(buffer).await,
            TurnIo::Peer { recv, .. } => recv.read_buf(buffer).await,
        }
    }

    /// The link that it runs over.
    pub(crate) fn link(&self) -> Option<&Link> {
        match self {
            TurnIo::Engine(_) => None,
            TurnIo::Peer { link, .. } => Some(link),
        }
    }
}
