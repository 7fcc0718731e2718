//! Who is linked to this process and how: written by Peer actors, read by turns, by the control actor and by whoever
//! gives orders to other members.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pomona_protocol::{Cause, NodeId, PathStatus, PeerRole};
use pomona_transport::Link;
use ractor::rpc::CallResult;
use ractor::{ActorRef, RpcReplyPort};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::control::{Answer, ControlMessage};
use crate::route::PeerRoute;

/// For another member to acknowledge an order. It does little before it answers; the rest is the path.
const ORDER_TIMEOUT: Duration = Duration::from_secs(5);

/// A member at the other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) node: NodeId,
    pub(crate) role: PeerRole,
    /// Number of the link.
    pub(crate) link: u64,
}

/// Every linked member.
#[derive(Default)]
pub(crate) struct Peers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who may say things with a key that we gave out.
    keys: BTreeMap<u64, Peer>,
    known: BTreeMap<NodeId, Known>,
}

struct Known {
    link: watch::Sender<Option<Link>>,
    control: Option<Remote>,
    role: PeerRole,
    /// When something was heard by control last.
    heard_at: Instant,
    path: Option<(PathStatus, Instant)>,
    /// The shared store that it writes; 0 for none.
    store: u64,
}

/// A control actor in another process, and the key that it wants.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) actor: ActorRef<ControlMessage>,
    pub(crate) key: u64,
}

impl Peers {
    /// The way to a member, whether there is a link now or not.
    pub(crate) fn route(&self, node: &NodeId) -> Option<PeerRoute> {
        let state = self.lock();
        let known = state.known.get(node)?;
        Some(PeerRoute { node: node.clone(), link: known.link.subscribe() })
    }

    /// A member that may come and go from now on.
    pub(crate) fn add(&self, node: &NodeId, role: PeerRole) {
        self.lock().known.entry(node.clone()).or_insert_with(|| Known {
            link: watch::Sender::new(None),
            control: None,
            role,
            heard_at: Instant::now(),
            path: None,
            store: 0,
        });
    }

    /// A member that will not come back.
    pub(crate) fn remove(&self, node: &NodeId) {
        let mut state = self.lock();
        state.known.remove(node);
        state.keys.retain(|_, peer| peer.node != *node);
    }

    /// The link in use, or none.
    pub(crate) fn set_link(&self, node: &NodeId, link: Option<Link>) {
        if let Some(known) = self.lock().known.get_mut(node) {
            known.heard_at = Instant::now();
            known.link.send_replace(link);
        }
    }

    /// The control actor over the link in use, or none.
    pub(crate) fn set_control(&self, node: &NodeId, control: Option<Remote>) {
        if let Some(known) = self.lock().known.get_mut(node) {
            known.control = control;
        }
    }

    /// Lets the other side of a link speak with this key.
    pub(crate) fn add_key(&self, key: u64, peer: Peer) {
        self.lock().keys.insert(key, peer);
    }

    /// The link is gone, and what it may say with it.
    pub(crate) fn remove_key(&self, key: u64) {
        self.lock().keys.remove(&key);
    }

    /// Who speaks with this key.
    pub(crate) fn by_key(&self, key: u64) -> Option<Peer> {
        self.lock().keys.get(&key).cloned()
    }

    /// Notes that a member was heard.
    pub(crate) fn note_heard(&self, node: &NodeId) {
        if let Some(known) = self.lock().known.get_mut(node) {
            known.heard_at = Instant::now();
        }
    }

    /// Since when nothing was heard of a member.
    pub(crate) fn silent_for(&self, node: &NodeId) -> Option<Duration> {
        self.lock().known.get(node).map(|known| known.heard_at.elapsed())
    }

    /// What the status pages show of the way to a member.
    pub(crate) fn set_path(&self, node: &NodeId, path: Option<PathStatus>) {
        if let Some(known) = self.lock().known.get_mut(node) {
            known.path = path.map(|path| (path, Instant::now()));
        }
    }

    pub(crate) fn path(&self, node: &NodeId) -> Option<PathStatus> {
        let state = self.lock();
        let (path, noted_at) = state.known.get(node)?.path.clone()?;
        Some(PathStatus { since_ms: path.since_ms + noted_at.elapsed().as_millis() as u64, ..path })
    }

    /// Notes which shared store a member writes.
    pub(crate) fn set_store(&self, node: &NodeId, store: u64) {
        if let Some(known) = self.lock().known.get_mut(node) {
            known.store = store;
        }
    }

    /// Linked gateways that write this store, by id.
    pub(crate) fn on_store(&self, store: u64) -> Vec<NodeId> {
        let state = self.lock();
        let theirs =
            state.known.iter().filter(|(_, known)| known.role == PeerRole::Gateway && known.store == store);
        let linked =
            theirs.filter(|(_, known)| known.link.borrow().as_ref().is_some_and(|link| !link.is_closed()));
        linked.map(|(node, _)| node.clone()).collect()
    }

    /// Control actors of all linked gateways.
    pub(crate) fn gateways(&self) -> Vec<(NodeId, Remote)> {
        let state = self.lock();
        let gateways = state.known.iter().filter(|(_, known)| known.role == PeerRole::Gateway);
        gateways.filter_map(|(node, known)| Some((node.clone(), known.control.clone()?))).collect()
    }

    /// Members linked now, with the kind of network each is reached over.
    pub(crate) fn linked(&self) -> Vec<PathStatus> {
        let state = self.lock();
        state.known.values().filter_map(|known| known.path.clone()).map(|(path, _)| path).collect()
    }

    /// Where a member takes links itself, as its greeting said.
    pub(crate) fn addresses(&self, node: &NodeId) -> Option<Vec<String>> {
        let state = self.lock();
        let link = state.known.get(node)?.link.borrow();
        link.as_ref().map(|link| link.peer().addresses.clone())
    }

    pub(crate) fn control(&self, node: &NodeId) -> Option<Remote> {
        self.lock().known.get(node)?.control.clone()
    }

    /// Gives an order to another member and waits for its acknowledgement.
    pub(crate) async fn order<T: Serialize + DeserializeOwned + Send + 'static>(
        &self,
        node: &NodeId,
        order: impl FnOnce(u64, RpcReplyPort<Answer<T>>) -> ControlMessage,
    ) -> Result<T, Cause> {
        let lost = |message: &str| Cause::LinkLost { node: node.to_string(), message: message.to_owned() };
        let remote = self.control(node).ok_or_else(|| lost("there is no link to it"))?;
        let called = remote.actor.call(|reply| order(remote.key, reply), Some(ORDER_TIMEOUT)).await;
        match called {
            Ok(CallResult::Success(answer)) => answer.get()?,
            // The layer below says `SenderError` for a timeout as well.
            Ok(CallResult::Timeout | CallResult::SenderError) => Err(lost("it did not answer in time")),
            Err(error) => Err(lost(&error.to_string())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
