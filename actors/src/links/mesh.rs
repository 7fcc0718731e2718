//! Actors across processes: the cluster layer's node server, fed with the first stream of each link instead of TCP.
//! Owned by Links, which hears every session's fate as a message.
//!
//! The node server insists on a TCP listener. It gets one on loopback behind a TLS that has no certificate to show,
//! so that nobody gets past its handshake.

use std::net::{IpAddr, Ipv4Addr};

use pomona_protocol::{LinkPurpose, NodeId};
use pomona_transport::{Link, RecvStream, SendStream};
use ractor::{Actor, ActorId, ActorRef, SpawnErr};
use ractor_cluster::node::{NodeConnectionMode, NodeServerSessionInformation};
use ractor_cluster::{
    BoxRead, BoxWrite, ClusterBidiStream, IncomingEncryptionMode, NodeEventSubscription, NodeServer,
    NodeServerMessage, NodeSessionMessage,
};

use tokio_rustls::TlsAcceptor;

use super::{LinksMessage, SessionEvent};

/// Largest control message, in bytes; a larger one would end its link.
const CONTROL_BYTES_MAX: u64 = 1024 * 1024;
/// The cluster layer wants a shared secret. Certificates decide who is a member, so this is none.
const COOKIE: &str = "pomona";

/// The node server of this process.
#[derive(Clone)]
pub(crate) struct Mesh {
    server: ActorRef<NodeServerMessage>,
}

/// The first stream of a link after the greeting.
struct ControlStream {
    recv: RecvStream,
    send: SendStream,
    label: String,
}

impl ClusterBidiStream for ControlStream {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        (Box::new(self.recv), Box::new(self.send))
    }

    fn peer_label(&self) -> Option<String> {
        Some(self.label.clone())
    }
}

/// Names a session by the member of its certificate and the link that it runs over.
fn label(node: &NodeId, link: u64) -> String {
    format!("{node}/{link}")
}

fn parse_label(label: &str) -> Option<(NodeId, u64)> {
    let (node, link) = label.rsplit_once('/')?;
    Some((NodeId::from(node), link.parse().ok()?))
}

impl Mesh {
    pub(crate) async fn start(node: &NodeId, links: &ActorRef<LinksMessage>) -> Result<Self, SpawnErr> {
        let no_entry =
            pomona_transport::tls::no_entry().map_err(|error| SpawnErr::StartupFailed(error.into()))?;
        let encryption = IncomingEncryptionMode::Tls(TlsAcceptor::from(no_entry));
        let name = node.to_string();
        let server = NodeServer::new(
            0,
            COOKIE.to_owned(),
            name.clone(),
            name,
            Some(encryption),
            Some(NodeConnectionMode::Isolated),
        )
        .with_listen_addr(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .with_max_inbound_frame_size(CONTROL_BYTES_MAX);
        let (server, _) = Actor::spawn_linked(None, server, (), links.get_cell()).await?;
        let subscription = Box::new(Sessions { links: links.clone() });
        let id = "links".to_owned();
        server
            .cast(NodeServerMessage::SubscribeToEvents { id, subscription })
            .map_err(|error| SpawnErr::StartupFailed(error.into()))?;
        Ok(Self { server })
    }

    /// Whether this is the node server's actor.
    pub(crate) fn is(&self, actor: ActorId) -> bool {
        self.server.get_id() == actor
    }

    /// Opens the session of a link; what becomes of it comes as [`SessionEvent`]s. False when the link's control
    /// stream was used before.
    pub(crate) fn open(&self, link: &Link, we_accepted: bool) -> bool {
        debug_assert_eq!(link.peer().purpose, LinkPurpose::Member);
        let Some((recv, send)) = link.take_control() else { return false };
        let stream = Box::new(ControlStream { recv, send, label: label(&link.peer().node, link.id()) });
        self.server
            .cast(NodeServerMessage::ConnectionOpenedExternal { stream, is_server: we_accepted })
            .is_ok()
    }
}

/// Passes on what the node server tells; it must not be held up.
struct Sessions {
    links: ActorRef<LinksMessage>,
}

impl Sessions {
    fn tell(
        &self,
        session: &NodeServerSessionInformation,
        event: impl FnOnce(ActorRef<NodeSessionMessage>) -> SessionEvent,
    ) {
        if let Some((node, link)) = parse_label(&session.peer_addr) {
            let _ =
                self.links.cast(LinksMessage::Session { node, link, event: event(session.actor.clone()) });
        }
    }
}

impl NodeEventSubscription for Sessions {
    fn node_session_opened(&self, session: NodeServerSessionInformation) {
        self.tell(&session, SessionEvent::Opened);
    }

    fn node_session_disconnected(&self, session: NodeServerSessionInformation) {
        self.tell(&session, |_| SessionEvent::Ended);
    }

    fn node_session_authenticated(&self, _: NodeServerSessionInformation) {}

    fn node_session_ready(&self, session: NodeServerSessionInformation) {
        // What the session says its name is has to be what the certificate said.
        let certified = parse_label(&session.peer_addr).map(|(node, _)| node);
        let claimed = session.peer_name.as_ref().and_then(|name| name.name.split_once('@'));
        match (certified, claimed) {
            (Some(certified), Some((claimed, _))) if certified.0 == claimed => {
                let layer_id = session.node_id;
                self.tell(&session, |_| SessionEvent::Ready { layer_id });
            }
            _ => {
                tracing::warn!(
                    link = session.peer_addr,
                    "a session claims another member's name; it is ended"
                );
                session.actor.stop(None);
            }
        }
    }
}
