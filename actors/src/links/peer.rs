//! One other member: dials it where this side is the dialler, holds its links, and keeps the session for control
//! messages on the one in use. Which link that is, and when to dial, is `cluster::path`'s decision; on the accepting
//! side it is the newest link, since the dialler opens one only to use it. Spawned and supervised by Links.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pomona_cluster::path::{Effect, Input, Path};
use pomona_protocol::join::GatewayAddresses;
use pomona_protocol::{LinkRefusal, NodeId, PathKind, PathStatus, PeerRole};
use pomona_transport::{CloseCode, DialError, Link};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio_util::task::AbortOnDropHandle;

use super::control::{Bulletin, ControlMessage, Rmp};
use super::dial::{self, Candidates};
use super::mesh::Mesh;
use super::peers::Peer;
use super::session::{News, Session, SessionEvent};
use crate::fleet::FleetMessage;
use crate::observer::Observation;
use crate::shared::{Shared, jitter};
use crate::{hosting, owned};

/// How often time is looked at; a fraction of the shortest suspicion.
const TICK: Duration = Duration::from_millis(50);
/// Between two looks at a link's round trip.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum PeerMessage {
    /// The other side opened a link.
    Accepted(Link),
    /// A dial ended.
    Dialled { path: PathKind, result: Result<Link, DialError> },
    /// A link is gone.
    Closed { link: u64, reason: String },
    /// The session over a link began or ended.
    Session { link: u64, event: SessionEvent },
    /// Where the other side is reached, from now on.
    Addresses(GatewayAddresses),
    /// This machine got or lost an address.
    InterfacesChanged,
    /// What to tell the other side at the next beat; gateways say it.
    Bulletin(Arc<Bulletin>),
    /// Tell the Fleet of the link in use again.
    SayLink,
    /// Time has passed.
    Tick,
}

pub(crate) struct PeerActor;

pub(crate) struct PeerArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mesh: Mesh,
    pub(crate) node: NodeId,
    pub(crate) role: PeerRole,
    /// Where it is dialled; `None` when it dials.
    pub(crate) addresses: Option<GatewayAddresses>,
}

pub(crate) struct PeerState {
    shared: Arc<Shared>,
    mesh: Mesh,
    myself: ActorRef<PeerMessage>,
    node: NodeId,
    name: String,
    dialler: Option<Dialler>,
    links: BTreeMap<u64, Open>,
    in_use: Option<u64>,
    session: Session,
    switches: u64,
    last_path: Option<PathKind>,
    in_use_since: Instant,
    measured_at: Instant,
    is_silent: bool,
    bulletin: Arc<Bulletin>,
    bulletins: u64,
    told_at: Instant,
    /// Why the other side did not want this machine when it was dialled last.
    refusal: Option<LinkRefusal>,
}

struct Dialler {
    path: Path,
    candidates: Candidates,
    dials: BTreeMap<PathKind, AbortOnDropHandle<()>>,
}

/// A link that is open, and what is done with it.
struct Open {
    link: Link,
    _served: AbortOnDropHandle<()>,
    _watched: AbortOnDropHandle<()>,
}

impl PeerState {
    fn open(&mut self, link: Link) {
        let id = link.id();
        let peer = Peer { node: self.node.clone(), role: link.peer().role, link: id };
        self.shared.peers.add_key(link.our_control_key(), peer);
        self.name = link.peer().name.clone();
        let served = owned::spawn(hosting::serve_link(Arc::clone(&self.shared), link.clone()));
        let myself = self.myself.clone();
        let closed = link.clone();
        let watched = owned::spawn(async move {
            let reason = closed.closed().await.to_string();
            let _ = myself.cast(PeerMessage::Closed { link: id, reason });
        });
        self.links.insert(id, Open { link, _served: served, _watched: watched });
    }

    fn on_accepted(&mut self, link: Link) {
        let boot = link.peer().boot;
        let stale = self.links.values().filter(|open| open.link.peer().boot != boot);
        for old in stale {
            tracing::info!(node = %self.node, "the other side was restarted");
            old.link.close(CloseCode::Superseded, "a newer process of this member has come");
        }
        let id = link.id();
        self.open(link);
        self.use_link(id);
    }

    fn on_dialled(&mut self, path: PathKind, result: Result<Link, DialError>) {
        match result {
            Ok(link) => {
                let id = link.id();
                self.open(link);
                self.decide(Input::Opened { path, link: id });
            }
            Err(error) => {
                self.note_failure(path, &error);
                self.decide(Input::Failed { path });
            }
        }
    }

    /// A refusal is worth a person's attention, once; an address that does not answer is not.
    fn note_failure(&mut self, path: PathKind, error: &DialError) {
        let refusal = match error {
            DialError::Refused { refusal, .. } => Some(refusal.clone()),
            _ => None,
        };
        match &refusal {
            Some(told) if self.refusal != refusal => {
                tracing::warn!(node = %self.node, path = path.as_str(), code = told.code(), %error, "a member refuses this machine");
            }
            _ => tracing::debug!(node = %self.node, path = path.as_str(), %error, "dial failed"),
        }
        self.refusal = refusal;
    }

    fn on_closed(&mut self, id: u64, reason: &str) {
        let Some(open) = self.links.remove(&id) else { return };
        self.shared.peers.remove_key(open.link.our_control_key());
        tracing::info!(node = %self.node, name = self.name, reason, path = open.link.peer().path.as_str(), "a link ended");
        self.decide(Input::Lost { link: id });
        if self.in_use == Some(id) {
            let newest = self.links.iter().rev().find(|(_, open)| !open.link.is_closed()).map(|(id, _)| *id);
            match (self.dialler.is_none(), newest) {
                (true, Some(newest)) => self.use_link(newest),
                _ => self.offline(open.link.peer().boot),
            }
        }
    }

    fn offline(&mut self, boot: u64) {
        self.in_use = None;
        self.shared.peers.set_link(&self.node, None);
        self.shared.peers.set_control(&self.node, None);
        self.shared.peers.set_path(&self.node, None);
        self.shared.tell_fleet(FleetMessage::LinkDown { node: self.node.clone(), boot });
        self.shared.observe_links();
    }

    fn use_link(&mut self, id: u64) {
        let Some(open) = self.links.get(&id) else { return };
        let link = open.link.clone();
        let peer = link.peer();
        let path = peer.path;
        if self.last_path.replace(path).is_some_and(|last| last != path) {
            self.switches += 1;
            self.shared.observe(Observation::PathSwitched { path });
        }
        tracing::info!(node = %self.node, name = self.name, path = path.as_str(), address = %peer.address, "a link is in use");
        self.in_use = Some(id);
        self.in_use_since = Instant::now();
        self.is_silent = false;
        self.shared.peers.set_link(&self.node, Some(link.clone()));
        self.say_link();
        if !self.session.use_link(&self.mesh, link.clone(), self.dialler.is_none()) {
            // The dialler went back to an old link; a new one of the same path takes its place.
            link.close(CloseCode::Superseded, "this link's control session is over");
        }
        self.measure();
    }

    fn say_link(&self) {
        let Some(open) = self.in_use.and_then(|id| self.links.get(&id)) else { return };
        let peer = open.link.peer();
        self.shared.tell_fleet(FleetMessage::LinkUp {
            node: self.node.clone(),
            name: peer.name.clone(),
            role: peer.role,
            boot: peer.boot,
            path: peer.path,
        });
    }

    fn on_session(&mut self, link: u64, event: SessionEvent) {
        let we_accepted = self.dialler.is_none();
        match self.session.on_event(&self.mesh, &self.node, link, event, we_accepted) {
            News::None => {}
            News::Ready(remote) => {
                self.shared.peers.set_control(&self.node, Some(remote));
                self.shared.engines.note_change();
                self.tell();
            }
            News::Lost => self.shared.peers.set_control(&self.node, None),
            News::Broke(link) => {
                self.shared.peers.set_control(&self.node, None);
                link.close(CloseCode::Other, "its control session ended");
            }
        }
    }

    fn decide(&mut self, input: Input) {
        let Some(dialler) = &mut self.dialler else { return };
        for effect in dialler.path.handle(input, jitter(), Instant::now()) {
            let Some(dialler) = &mut self.dialler else { return };
            match effect {
                Effect::Dial { path, after } => {
                    let dial = dial::dial(&self.shared, &self.node, &dialler.candidates, path, after);
                    let myself = self.myself.clone();
                    let task = owned::spawn(async move {
                        let result = dial.await;
                        let _ = myself.cast(PeerMessage::Dialled { path, result });
                    });
                    dialler.dials.insert(path, task);
                }
                Effect::Stop { path } => drop(dialler.dials.remove(&path)),
                Effect::Use { link } => self.use_link(link),
                Effect::Close { link } => {
                    if let Some(open) = self.links.get(&link) {
                        open.link.close(CloseCode::Superseded, "another link is in use");
                    }
                }
            }
        }
    }

    fn tick(&mut self) {
        self.decide(Input::Tick);
        self.listen();
        let limit = Duration::from_millis(self.shared.link.greeting_ms);
        if let Some(overdue) = self.session.overdue(limit) {
            overdue.close(CloseCode::Other, "its control session did not begin in time");
        }
        if self.measured_at.elapsed() >= MEASURE_EVERY {
            self.measure();
        }
        if self.told_at.elapsed() >= Duration::from_millis(self.shared.fleet.beat_ms) {
            self.tell();
        }
    }

    /// Tells the path machine when the other side falls silent, or speaks again.
    fn listen(&mut self) {
        let (Some(link), Some(open)) = (self.in_use, self.in_use.and_then(|id| self.links.get(&id))) else {
            return;
        };
        let limit = self.shared.suspect_after(open.link.peer().path);
        let is_silent = self.shared.peers.silent_for(&self.node).is_some_and(|silent| silent > limit);
        if std::mem::replace(&mut self.is_silent, is_silent) != is_silent {
            self.decide(if is_silent { Input::Suspect { link } } else { Input::Cleared { link } });
        }
    }

    fn measure(&mut self) {
        self.measured_at = Instant::now();
        let Some((id, open)) = self.in_use.and_then(|id| Some((id, self.links.get(&id)?))) else { return };
        let (peer, rtt) = (open.link.peer(), open.link.stats().rtt);
        self.shared.observe(Observation::RoundTrip { path: peer.path, rtt });
        let (node, path) = (self.node.clone(), peer.path);
        self.shared.tell_fleet(FleetMessage::Measured { node, path, rtt });
        let status = PathStatus {
            kind: peer.path,
            address: open.link.address().to_string(),
            rtt_ms: rtt.as_secs_f64() * 1e3,
            since_ms: self.in_use_since.elapsed().as_millis() as u64,
            switches: self.switches,
        };
        self.shared.peers.set_path(&self.node, Some(status));
        self.shared.observe_links();
        self.decide(Input::RoundTrip { link: id, rtt });
    }

    /// Says the bulletin, which is also the beat by which the other side knows that it is heard.
    fn tell(&mut self) {
        self.told_at = Instant::now();
        if !self.shared.routes {
            return;
        }
        let Some(remote) = self.shared.peers.control(&self.node) else { return };
        self.bulletins += 1;
        let name = self.shared.name_of(&self.node);
        let bulletin = Bulletin { seq: self.bulletins, name, ..Bulletin::clone(&self.bulletin) };
        let _ = remote.actor.cast(ControlMessage::Bulletin(remote.key, Rmp::new(bulletin)));
    }
}

impl Drop for PeerState {
    fn drop(&mut self) {
        for open in self.links.values() {
            open.link.close(CloseCode::Shutdown, "this member is not wanted any more");
            self.shared.peers.remove_key(open.link.our_control_key());
        }
        self.shared.peers.remove(&self.node);
    }
}

impl Actor for PeerActor {
    type Msg = PeerMessage;
    type State = PeerState;
    type Arguments = PeerArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let PeerArguments { shared, mesh, node, role, addresses } = arguments;
        shared.peers.add(&node, role);
        let now = Instant::now();
        let dialler = addresses.map(|addresses| {
            let candidates = Candidates::from(addresses);
            let path = Path::new(shared.path_limits(), candidates.kinds(), now);
            Dialler { path, candidates, dials: BTreeMap::new() }
        });
        let mut state = PeerState {
            shared,
            mesh,
            myself: myself.clone(),
            name: node.to_string(),
            node,
            dialler,
            links: BTreeMap::new(),
            in_use: None,
            session: Session::default(),
            switches: 0,
            last_path: None,
            in_use_since: now,
            measured_at: now,
            is_silent: false,
            bulletin: Arc::default(),
            bulletins: 0,
            told_at: now,
            refusal: None,
        };
        state.decide(Input::Start);
        myself.send_interval(TICK, || PeerMessage::Tick);
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PeerMessage::Accepted(link) => state.on_accepted(link),
            PeerMessage::Dialled { path, result } => state.on_dialled(path, result),
            PeerMessage::Closed { link, reason } => state.on_closed(link, &reason),
            PeerMessage::Session { link, event } => state.on_session(link, event),
            PeerMessage::Addresses(addresses) => {
                if let Some(dialler) = &mut state.dialler {
                    let candidates = Candidates::from(addresses);
                    if candidates != dialler.candidates {
                        let kinds = candidates.kinds();
                        dialler.candidates = candidates;
                        state.decide(Input::AddressesChanged(kinds));
                    }
                }
            }
            PeerMessage::InterfacesChanged => state.decide(Input::InterfacesChanged),
            PeerMessage::Bulletin(bulletin) => state.bulletin = bulletin,
            PeerMessage::SayLink => state.say_link(),
            PeerMessage::Tick => state.tick(),
        }
        Ok(())
    }
}
