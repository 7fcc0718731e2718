//! The cluster session of one peer: which link it runs over, and the order in which an old one ends before a new one
//! begins. Two sessions of one name would fight, and the loser is drawn by lot. Owned by the Peer actor.

use std::time::{Duration, Instant};

use pomona_protocol::NodeId;
use pomona_transport::Link;
use ractor::{ActorRef, pg};
use ractor_cluster::NodeSessionMessage;

use super::control::{ControlMessage, group};
use super::mesh::Mesh;
use super::peers::Remote;

/// What becomes of a session.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// Its actor runs.
    Opened(ActorRef<NodeSessionMessage>),
    /// Everything the other side had is known.
    Ready {
        /// What the cluster layer calls the other process, over this session alone.
        layer_id: u64,
    },
    /// It is gone.
    Ended,
}

/// The session of the link in use, or of the one before it while that ends.
#[derive(Default)]
pub(super) struct Session {
    running: Option<Running>,
    /// Begins when the one that runs has ended.
    next: Option<Link>,
}

struct Running {
    link: Link,
    began_at: Instant,
    actor: Option<ActorRef<NodeSessionMessage>>,
    is_ready: bool,
    is_ending: bool,
}

/// What a session event means to its peer.
pub(super) enum News {
    /// Nothing.
    None,
    /// The control actor of the other side can be reached.
    Ready(Remote),
    /// It cannot any more.
    Lost,
    /// The session of the link in use broke; its link is of no use either.
    Broke(Link),
}

impl Session {
    /// Runs over this link from now on. False when it cannot: a link carries one session in its life, and this one's
    /// is over.
    pub(super) fn use_link(&mut self, mesh: &Mesh, link: Link, we_accepted: bool) -> bool {
        match &mut self.running {
            Some(running) if running.link.id() == link.id() => {
                self.next = None;
                !running.is_ending
            }
            Some(running) => {
                running.end();
                let is_fresh = link.has_control();
                self.next = is_fresh.then_some(link);
                is_fresh
            }
            None => self.begin(mesh, link, we_accepted),
        }
    }

    fn begin(&mut self, mesh: &Mesh, link: Link, we_accepted: bool) -> bool {
        let has_begun = mesh.open(&link, we_accepted);
        if has_begun {
            let began_at = Instant::now();
            self.running = Some(Running { link, began_at, actor: None, is_ready: false, is_ending: false });
        }
        has_begun
    }

    /// Takes what the node server told of the session over this link.
    pub(super) fn on_event(
        &mut self,
        mesh: &Mesh,
        node: &NodeId,
        link: u64,
        event: SessionEvent,
        we_accepted: bool,
    ) -> News {
        let Some(running) = self.running.as_mut().filter(|running| running.link.id() == link) else {
            return News::None;
        };
        match event {
            SessionEvent::Opened(actor) => {
                running.actor = Some(actor);
                if running.is_ending {
                    running.end();
                }
                News::None
            }
            SessionEvent::Ready { .. } if running.is_ending => News::None,
            SessionEvent::Ready { layer_id } => match remote_control(node, layer_id) {
                Some(actor) => {
                    running.is_ready = true;
                    News::Ready(Remote { actor, key: running.link.peer().control_key })
                }
                None => {
                    tracing::warn!(%node, "a session is ready and its control actor is not there");
                    running.end();
                    News::None
                }
            },
            SessionEvent::Ended => {
                let broke = (!running.is_ending).then(|| running.link.clone());
                self.running = None;
                if let Some(next) = self.next.take().filter(|next| !next.is_closed()) {
                    self.begin(mesh, next, we_accepted);
                }
                broke.map_or(News::Lost, News::Broke)
            }
        }
    }

    /// The link of a session that did not become ready in time.
    pub(super) fn overdue(&self, limit: Duration) -> Option<Link> {
        let running = self.running.as_ref().filter(|running| !running.is_ready)?;
        (running.began_at.elapsed() > limit).then(|| running.link.clone())
    }
}

impl Running {
    fn end(&mut self) {
        self.is_ending = true;
        if let Some(actor) = &self.actor {
            actor.stop(Some("another link is in use".to_owned()));
        }
    }
}

/// The control actor at the other end of this very session. Any member may put an actor into any group, so one that
/// came over another session is somebody else's, whatever its group says.
fn remote_control(node: &NodeId, layer_id: u64) -> Option<ActorRef<ControlMessage>> {
    let members = pg::get_members(&group(node)).into_iter();
    let theirs = members.filter(|cell| !cell.get_id().is_local() && cell.get_id().node() == layer_id);
    theirs.max_by_key(|cell| cell.get_id().pid()).map(Into::into)
}
