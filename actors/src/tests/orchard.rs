//! Machines of one cluster on loopback: a gateway, and a node whose hosting serves real links. No actor of the links
//! runs here, since their registries are the process's; tests make links by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use pomona_config::LinkConfig;
use pomona_protocol::limits::{EVENT_FRAME_BYTES_MAX, REQUEST_FRAME_BYTES_MAX};
use pomona_protocol::{
    FrameDecoder, LinkPurpose, NodeId, Open, PathKind, PeerRole, TurnEvent, TurnRequest, encode_frame,
};
use pomona_transport::{
    Authority, Candidate, CloseCode, DialTarget, Endpoint, EndpointParts, Identity, Incoming, Link,
    RecvStream, RevocationList, SendStream, Speaker,
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::bench::{PATIENCE, parts, ready, replica, request};
use super::engine::Engine;
use crate::api::Parts;
use crate::hosting;
use crate::shared::Shared;

/// A gateway and a node, and the node's engine.
pub(super) struct Orchard {
    gateway: Endpoint,
    gateway_id: NodeId,
    node: Endpoint,
    /// The node's.
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Engine,
    serving: JoinSet<()>,
    pub(super) folder: TempDir,
}

impl Orchard {
    pub(super) async fn plant() -> Self {
        Self::with(|_| {}).await
    }

    /// With a node that a test has changed.
    pub(super) async fn with(change: impl FnOnce(&mut Parts)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(&folder.path().join("authority"), "orchard").unwrap();
        let member = |role: PeerRole| {
            let day = Duration::from_secs(24 * 3600);
            let path = folder.path().join(role.as_str());
            Identity::self_signed_by(&authority, &path, role, day, SystemTime::now()).unwrap()
        };
        let (gateway, node) = (member(PeerRole::Gateway), member(PeerRole::Node));
        let gateway_id = gateway.node().clone();
        let engine = Engine::new(folder.path(), "e.sock");
        let mut parts = parts(folder.path());
        (parts.routes, parts.node) = (false, node.node().clone());
        change(&mut parts);
        let shared = Arc::new(Shared::new(&parts));
        let report = ready(replica(&parts.node.0));
        shared.engines.publish(report, Some(engine.link()));
        let (gateway, node) = (bind(gateway).await, bind(node).await);
        Self { gateway, gateway_id, node, shared, engine, serving: JoinSet::new(), folder }
    }

    /// The id of the node.
    pub(super) fn node(&self) -> NodeId {
        self.shared.node.clone()
    }

    /// A link from the node, as node and gateway have it.
    pub(super) async fn link(&self) -> (Link, Link) {
        let address = self.gateway.local_addr().unwrap();
        let target = DialTarget {
            node: Some(self.gateway_id.clone()),
            candidates: vec![Candidate { address, path: PathKind::Lan }],
            purpose: LinkPurpose::Member,
        };
        let (ours, theirs) = tokio::join!(self.node.dial(target), self.gateway.accept());
        let Some(Incoming::Link(theirs)) = theirs else { panic!("no link") };
        (ours.unwrap(), theirs)
    }

    /// A link that the node serves, as the gateway has it.
    pub(super) async fn hosted(&mut self) -> Link {
        let (at_node, at_gateway) = self.link().await;
        self.serve(Arc::clone(&self.shared), at_node);
        at_gateway
    }

    /// Lets a machine serve what comes over its side of a link.
    pub(super) fn serve(&mut self, shared: Arc<Shared>, link: Link) {
        self.serving.spawn(hosting::serve_link(shared, link));
    }
}

async fn bind(identity: Identity) -> Endpoint {
    let speaker =
        Speaker { name: "pear".to_owned(), version: "0.1.0".to_owned(), boot: 1, addresses: Vec::new() };
    let parts = EndpointParts {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        identity,
        speaker,
        link: LinkConfig::default(),
        members_max: 1000,
        revoked: RevocationList::default(),
        on_refused: None,
    };
    Endpoint::bind(parts).await.unwrap()
}

/// As when the network between two machines goes.
pub(super) fn cut(link: &Link) {
    link.close(CloseCode::Other, "cut by a test");
}

/// A turn's open frame, with this many tokens shown before.
pub(super) fn turn(attempt: u32, shown: u32) -> Open {
    let resume = (0..shown).map(|index| 1000 + index).collect();
    Open::Turn { attempt, request: Box::new(TurnRequest { resume, ..request() }) }
}

pub(super) fn attach(attempt: u32, from: u32) -> Open {
    Open::Attach { turn: request().turn, attempt, from }
}

/// A stream that a test opened.
pub(super) struct Asked {
    _send: SendStream,
    recv: RecvStream,
    decoder: FrameDecoder<TurnEvent>,
}

impl Asked {
    pub(super) async fn of(link: &Link, open: &Open) -> Self {
        let mut bytes = BytesMut::new();
        encode_frame(open, &mut bytes, REQUEST_FRAME_BYTES_MAX).unwrap();
        Self::raw(link, &bytes).await
    }

    /// Opens with these bytes and says nothing more.
    pub(super) async fn raw(link: &Link, bytes: &[u8]) -> Self {
        let mut asked = Self::unfinished(link, bytes).await;
        let _ = asked._send.finish();
        asked
    }

    /// Opens with these bytes and may say more.
    pub(super) async fn unfinished(link: &Link, bytes: &[u8]) -> Self {
        let (mut send, recv) = link.open().await.unwrap();
        send.write_all(bytes).await.unwrap();
        Self { _send: send, recv, decoder: FrameDecoder::new(EVENT_FRAME_BYTES_MAX) }
    }

    /// The next event; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<TurnEvent> {
        loop {
            if let Some(event) = self.decoder.next_frame().unwrap() {
                return Some(event);
            }
            let read = timeout(PATIENCE, self.recv.read_buf(self.decoder.buffer())).await.expect("silence");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Reads events up to and with the token before this index; gives the indices of all tokens among them.
    pub(super) async fn up_to(&mut self, end: u32) -> Vec<u32> {
        let mut indices = Vec::new();
        while indices.last().is_none_or(|last| last + 1 < end) {
            match self.next().await {
                Some(TurnEvent::Tokens { first, ids, .. }) => indices.extend(first..first + ids.len() as u32),
                Some(TurnEvent::Started { .. }) => {}
                other => panic!("{other:?} after {indices:?}"),
            }
        }
        indices
    }

    /// Reads to the end; the indices of all tokens, and the terminal event.
    pub(super) async fn rest(&mut self) -> (Vec<u32>, Option<TurnEvent>) {
        let mut indices = Vec::new();
        while let Some(event) = self.next().await {
            match event {
                TurnEvent::Tokens { first, ids, .. } => indices.extend(first..first + ids.len() as u32),
                event if event.is_terminal() => return (indices, Some(event)),
                _ => {}
            }
        }
        (indices, None)
    }
}
