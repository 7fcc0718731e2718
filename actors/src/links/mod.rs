//! Links to other members: one Peer actor for each, the loop that accepts what arrives, and the control actor that
//! others can reach. Spawned and restarted by Root; when it ends, all links end.

pub(crate) mod control;
mod dial;
mod mesh;
mod peer;
mod peers;
mod renewal;
mod session;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pomona_protocol::join::{GatewayAddresses, JoinAnswer, JoinRefusal};
use pomona_protocol::{LinkPurpose, NodeId, PathKind, PeerRole};
use pomona_transport::join::JoinConnection;
use pomona_transport::{Connection, Incoming, Link, local_addresses};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

pub(crate) use self::control::Bulletin;
use self::control::{Control, ControlMessage};
pub(crate) use self::dial::{kind_of, resolve};
use self::mesh::Mesh;
use self::peer::{PeerActor, PeerArguments, PeerMessage};
pub(crate) use self::peers::{Peer, Peers};
pub(crate) use self::session::SessionEvent;
use crate::api::MeshParts;
use crate::shared::Shared;
use crate::{hosting, owned};

/// Between two looks at addresses, certificates and bulletins.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For a machine to send its join request.
const JOIN_LIMIT: Duration = Duration::from_secs(10);

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum LinksMessage {
    /// Another member opened a link.
    Accepted(Link),
    /// What became of a cluster session.
    Session { node: NodeId, link: u64, event: SessionEvent },
    /// A gateway said its bulletin.
    Bulletin { from: Peer, bulletin: Bulletin },
    /// The Fleet wants to hear of every link again.
    SayLinks,
    /// A member was removed from the cluster.
    Remove(NodeId),
    /// Time has passed.
    Look,
}

pub(crate) struct Links;

pub(crate) struct LinksArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) parts: MeshParts,
}

pub(crate) struct LinksState {
    shared: Arc<Shared>,
    parts: MeshParts,
    mesh: Mesh,
    myself: ActorRef<LinksMessage>,
    control: ActorRef<ControlMessage>,
    peers: BTreeMap<NodeId, ActorRef<PeerMessage>>,
    /// Gateways and where they are, as known from the membership, from greetings and from bulletins.
    gateways: BTreeMap<NodeId, GatewayAddresses>,
    addresses: Vec<SocketAddr>,
    bulletin: Arc<Bulletin>,
    /// Members that the authority has removed, as its bulletin said last.
    revoked: Vec<NodeId>,
    renewal: renewal::Renewal,
    /// Owns what serves bulk links.
    tasks: TaskTracker,
    _accepting: AbortOnDropHandle<()>,
}

impl LinksState {
    async fn peer(
        &mut self,
        node: NodeId,
        role: PeerRole,
        addresses: Option<GatewayAddresses>,
    ) -> Result<ActorRef<PeerMessage>, ActorProcessingErr> {
        if let Some(peer) = self.peers.get(&node) {
            return Ok(peer.clone());
        }
        let (shared, mesh) = (Arc::clone(&self.shared), self.mesh.clone());
        let arguments = PeerArguments { shared, mesh, node: node.clone(), role, addresses };
        let actor = self.shared.watched("peer", PeerActor);
        let (peer, _) = Actor::spawn_linked(None, actor, arguments, self.myself.get_cell()).await?;
        let _ = peer.cast(PeerMessage::Bulletin(Arc::clone(&self.bulletin)));
        self.peers.insert(node, peer.clone());
        Ok(peer)
    }

    async fn on_accepted(&mut self, link: Link) -> Result<(), ActorProcessingErr> {
        let peer = link.peer();
        if peer.purpose == LinkPurpose::Bulk {
            self.tasks.spawn(hosting::serve_link(Arc::clone(&self.shared), link));
            return Ok(());
        }
        if peer.role == PeerRole::Gateway {
            self.learn(GatewayAddresses {
                node: peer.node.clone(),
                name: peer.name.clone(),
                ..sorted_by_kind(&peer.addresses)
            });
        }
        let actor = self.peer(peer.node.clone(), peer.role, None).await?;
        let _ = actor.cast(PeerMessage::Accepted(link));
        Ok(())
    }

    /// Notes where a gateway is; true when that is news.
    fn learn(&mut self, gateway: GatewayAddresses) -> bool {
        if gateway.node == self.shared.node || (gateway.lan.is_empty() && gateway.wan.is_empty()) {
            return false;
        }
        let is_news = self.gateways.get(&gateway.node) != Some(&gateway);
        if is_news {
            self.gateways.insert(gateway.node.clone(), gateway);
            self.write_bulletin();
        }
        is_news
    }

    async fn on_bulletin(&mut self, from: Peer, bulletin: Bulletin) -> Result<(), ActorProcessingErr> {
        self.shared.peers.note_heard(&from.node);
        if let (Some(endpoint), Some(revoked)) = (&self.shared.endpoint, &bulletin.revoked)
            && self.shared.authority.is_none()
            && *revoked != self.revoked
        {
            endpoint.set_revoked(revoked);
            self.revoked.clone_from(revoked);
        }
        if let Some(name) = bulletin.name {
            self.shared.set_name(name);
        }
        let mut has_news = false;
        for gateway in bulletin.gateways {
            let node = gateway.node.clone();
            if !self.learn(gateway.clone()) {
                continue;
            }
            has_news = true;
            // Every node dials every gateway; a gateway dials those that it was given.
            if let Some(peer) = self.peers.get(&node) {
                let _ = peer.cast(PeerMessage::Addresses(gateway));
            } else if !self.shared.routes {
                self.peer(node, PeerRole::Gateway, Some(gateway)).await?;
            }
        }
        if has_news {
            (self.parts.on_gateways)(&self.gateways.values().cloned().collect::<Vec<_>>());
        }
        Ok(())
    }

    fn write_bulletin(&mut self) {
        let mut gateways: Vec<_> = self.gateways.values().cloned().collect();
        if self.shared.routes {
            gateways.push(self.parts.addresses_of(&self.shared, &self.addresses));
        }
        if let Some(authority) = &self.shared.authority {
            authority.registry.set_gateways(gateways.clone());
        }
        let revoked = self.shared.authority.as_ref().map(|authority| authority.registry.revoked());
        let bulletin = Bulletin { seq: 0, gateways, revoked, name: None };
        if bulletin == *self.bulletin {
            return;
        }
        // A member that joined again with a new token is on the list no longer.
        if let (Some(endpoint), Some(revoked)) = (&self.shared.endpoint, &bulletin.revoked) {
            endpoint.set_revoked(revoked);
        }
        self.bulletin = Arc::new(bulletin);
        for peer in self.peers.values() {
            let _ = peer.cast(PeerMessage::Bulletin(Arc::clone(&self.bulletin)));
        }
    }

    fn look(&mut self) {
        let addresses = self.parts.local_addresses();
        if addresses != self.addresses {
            tracing::info!(?addresses, "this machine's addresses changed");
            self.addresses = addresses;
            self.parts.speak(&self.shared, &self.addresses);
            for peer in self.peers.values() {
                let _ = peer.cast(PeerMessage::InterfacesChanged);
            }
        }
        self.write_bulletin();
        self.renewal.look(&self.shared, &self.parts.identity);
    }

    fn remove(&mut self, node: &NodeId) {
        if let Some(endpoint) = &self.shared.endpoint {
            endpoint.revoke(std::slice::from_ref(node));
        }
        self.gateways.remove(node);
        if let Some(peer) = self.peers.remove(node) {
            peer.stop(None);
        }
        self.write_bulletin();
    }
}

fn sorted_by_kind(addresses: &[String]) -> GatewayAddresses {
    let is_lan = |address: &&String| kind_of(address) == PathKind::Lan;
    let (lan, wan) = addresses.iter().partition::<Vec<_>, _>(is_lan);
    let owned = |addresses: Vec<&String>| addresses.into_iter().cloned().collect();
    GatewayAddresses { node: NodeId::from(""), name: String::new(), lan: owned(lan), wan: owned(wan) }
}

impl MeshParts {
    fn local_addresses(&self) -> Vec<SocketAddr> {
        let bound = self.endpoint.local_addr();
        bound.map(|bound| local_addresses(bound.ip(), bound.port())).unwrap_or_default()
    }

    /// Where this gateway takes links.
    pub(crate) fn addresses_of(&self, shared: &Shared, addresses: &[SocketAddr]) -> GatewayAddresses {
        GatewayAddresses {
            node: shared.node.clone(),
            name: shared.name.load().to_string(),
            lan: addresses.iter().map(ToString::to_string).collect(),
            wan: self.wan_addresses.clone(),
        }
    }

    fn speak(&self, shared: &Shared, addresses: &[SocketAddr]) {
        let lan = addresses.iter().map(ToString::to_string);
        self.endpoint.set_speaker(pomona_transport::Speaker {
            name: shared.name.load().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot: shared.boot,
            addresses: lan.chain(self.wan_addresses.iter().cloned()).collect(),
        });
    }
}

/// Takes what arrives at the endpoint until it is closed.
async fn accept(shared: Arc<Shared>, parts: MeshParts, links: ActorRef<LinksMessage>) {
    let joins = TaskTracker::new();
    while let Some(incoming) = parts.endpoint.accept().await {
        match incoming {
            Incoming::Link(link) => drop(links.cast(LinksMessage::Accepted(link))),
            Incoming::Join(connection) => {
                joins.spawn(admit(Arc::clone(&shared), connection, links.clone()));
            }
            Incoming::Http3(connection) => {
                if let Some(http3) = &parts.http3 {
                    // A full queue means that the gateway is overrun; the client comes back over TCP.
                    let _ = http3.try_send(connection);
                }
            }
        }
    }
}

async fn admit(shared: Arc<Shared>, connection: Connection, links: ActorRef<LinksMessage>) {
    let joining = match JoinConnection::receive(connection, JOIN_LIMIT).await {
        Ok(joining) => joining,
        Err(error) => return tracing::warn!(%error, "a first contact was none"),
    };
    let (request, exporter, remote) = (joining.request().clone(), *joining.exporter(), joining.remote());
    // It is written down before it is said.
    let decided = tokio::task::spawn_blocking(move || match &shared.authority {
        Some(authority) => authority.registry.admit(
            &request,
            &exporter,
            remote,
            &authority.authority,
            std::time::SystemTime::now(),
        ),
        None => JoinAnswer::Refused(JoinRefusal::UnknownToken),
    });
    let Ok(answer) = decided.await else { return tracing::error!("deciding over a join failed") };
    // What the authority has just decided holds before the machine knows it.
    let _ = links.cast(LinksMessage::Look);
    if let Err(error) = joining.answer(&answer).await {
        tracing::warn!(%error, "a machine did not take the answer to its join");
    }
}

impl Actor for Links {
    type Msg = LinksMessage;
    type State = LinksState;
    type Arguments = LinksArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let LinksArguments { shared, parts } = arguments;
        let mesh = Mesh::start(&shared.node, &myself).await?;
        let actor = shared.watched("control", Control);
        let (control, _) = Actor::spawn_linked(None, actor, Arc::clone(&shared), myself.get_cell()).await?;
        let accepting = owned::spawn(accept(Arc::clone(&shared), parts.clone(), myself.clone()));
        let addresses = parts.local_addresses();
        parts.speak(&shared, &addresses);
        let given = parts.gateways.clone();
        let mut state = LinksState {
            renewal: renewal::Renewal::default(),
            shared,
            mesh,
            myself: myself.clone(),
            control,
            peers: BTreeMap::new(),
            gateways: BTreeMap::new(),
            addresses,
            bulletin: Arc::default(),
            revoked: Vec::new(),
            tasks: TaskTracker::new(),
            parts,
            _accepting: accepting,
        };
        state.write_bulletin();
        let own = state.shared.node.clone();
        for gateway in given.into_iter().filter(|gateway| gateway.node != own) {
            state.learn(gateway.clone());
            state.peer(gateway.node.clone(), PeerRole::Gateway, Some(gateway)).await?;
        }
        myself.send_interval(LOOK_EVERY, || LinksMessage::Look);
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LinksMessage::Accepted(link) => state.on_accepted(link).await?,
            LinksMessage::Session { node, link, event } => {
                if let Some(peer) = state.peers.get(&node) {
                    let _ = peer.cast(PeerMessage::Session { link, event });
                }
            }
            LinksMessage::Bulletin { from, bulletin } => state.on_bulletin(from, bulletin).await?,
            LinksMessage::SayLinks => {
                for peer in state.peers.values() {
                    let _ = peer.cast(PeerMessage::SayLink);
                }
            }
            LinksMessage::Remove(node) => state.remove(&node),
            LinksMessage::Look => state.look(),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, reason) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell, reason.unwrap_or_default()),
            _ => return Ok(()),
        };
        if cell.get_id() == state.control.get_id() {
            tracing::error!(reason, "restarting the control actor");
            let shared = Arc::clone(&state.shared);
            let actor = shared.watched("control", Control);
            state.control = Actor::spawn_linked(None, actor, shared, myself.get_cell()).await?.0;
            return Ok(());
        }
        let lost = state.peers.iter().find(|(_, peer)| peer.get_id() == cell.get_id());
        if let Some(node) = lost.map(|(node, _)| node.clone()) {
            tracing::error!(%node, reason, "the actor of a member failed; its links end and begin anew");
            state.peers.remove(&node);
            // Whoever dials this side comes back by itself.
            let given = state.gateways.get(&node).cloned();
            let dials = !state.shared.routes || state.parts.gateways.iter().any(|known| known.node == node);
            if let Some(gateway) = given.filter(|_| dials) {
                state.peer(node, PeerRole::Gateway, Some(gateway)).await?;
            }
            return Ok(());
        }
        if state.mesh.is(cell.get_id()) {
            return Err(format!("the cluster layer ended: {reason}").into());
        }
        // The actor of a member that was removed.
        Ok(())
    }
}
