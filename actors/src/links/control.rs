//! What members tell each other beside the streams of turns: the one actor of a process that other processes can
//! reach. Everything here is idempotent or acknowledged, since a link may lose what it carried: reports and
//! bulletins are whole and come again, commands are calls with a deadline.
//!
//! A cluster message does not say who sent it. So each carries the key that this side gave to one link alone, and
//! what a member may say follows from that link's certificate.

use std::sync::Arc;

use pomona_protocol::join::GatewayAddresses;
use pomona_protocol::{Cause, LogPage, LogQuery, ModelId, NodeId, NodeReport, PeerRole};
use ractor::{Actor, ActorProcessingErr, ActorRef, BytesConvertable, RpcReplyPort, pg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::peers::Peer;
use crate::logs;
use crate::shared::Shared;

/// Questions about the log that are worked on at once. A gateway asks again when it was refused.
const READING_MAX: usize = 16;

/// A value that travels as MessagePack with named fields, so that neighbouring versions understand each other.
/// What arrives may be anything; it is looked at by [`Rmp::get`] alone.
#[derive(Debug)]
pub(crate) struct Rmp<T>(Option<T>);

impl<T> Rmp<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value, if the bytes were one.
    pub(crate) fn get(self) -> Result<T, Cause> {
        self.0.ok_or_else(|| Cause::Protocol { message: "a control message does not decode".to_owned() })
    }
}

impl<T: Serialize + DeserializeOwned> BytesConvertable for Rmp<T> {
    fn into_bytes(self) -> Vec<u8> {
        // What does not encode arrives as what does not decode.
        self.0.and_then(|value| rmp_serde::to_vec_named(&value).ok()).unwrap_or_default()
    }

    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(rmp_serde::from_slice(&bytes).ok())
    }
}

/// What a gateway tells its members at every beat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bulletin {
    /// Counts the bulletins of one link.
    pub(crate) seq: u64,
    /// Gateways of the cluster and where they are reached.
    pub(crate) gateways: Vec<GatewayAddresses>,
    /// All members that were removed, when the sender holds the authority.
    pub(crate) revoked: Option<Vec<NodeId>>,
    /// What the authority calls the receiver, when it says something.
    pub(crate) name: Option<String>,
}

/// Where weights can be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WeightsSource {
    pub(crate) node: NodeId,
    /// Addresses that it takes links at, as `host:port`.
    pub(crate) addresses: Vec<String>,
}

/// To have a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadOrder {
    pub(crate) model: ModelId,
    /// Digest of its weights; empty when the receiver has them.
    pub(crate) digest: String,
    /// Where to take them from when they are not there.
    pub(crate) sources: Vec<WeightsSource>,
    /// The fleet's wishes want it there: it is not ended for being idle.
    #[serde(default)]
    pub(crate) is_wanted: bool,
}

/// To keep a model, or to keep it no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PinOrder {
    pub(crate) model: ModelId,
    pub(crate) on: bool,
}

/// An acknowledgement.
pub(crate) type Answer<T> = Rmp<Result<T, Cause>>;

/// Keys are `control_key`s of the receiver's side of a link.
#[derive(ractor_cluster::RactorClusterMessage)]
pub(crate) enum ControlMessage {
    /// From a member to a gateway: how it is. Sent on change and at every beat.
    Report(u64, Rmp<NodeReport>),
    /// From a gateway to a member, at every beat.
    Bulletin(u64, Rmp<Bulletin>),
    /// From a gateway: have a replica of this model. Answered when the load has begun.
    #[rpc]
    Load(u64, Rmp<LoadOrder>, RpcReplyPort<Answer<()>>),
    /// From a gateway: end the replica of this model.
    #[rpc]
    Unload(u64, Rmp<ModelId>, RpcReplyPort<Answer<()>>),
    /// From a gateway: keep this model once it is loaded, or keep it no more.
    #[rpc]
    Pin(u64, Rmp<PinOrder>, RpcReplyPort<Answer<()>>),
    /// From a gateway: say in reports that this member is leaving, or that it stays.
    #[rpc]
    Drain(u64, bool, RpcReplyPort<Answer<()>>),
    /// To the authority: sign this request again. Answered with the new certificate in DER.
    #[rpc]
    Renew(u64, Vec<u8>, RpcReplyPort<Answer<Vec<u8>>>),
    /// From a gateway: lines of this machine's log.
    #[rpc]
    Logs(u64, Rmp<LogQuery>, RpcReplyPort<Answer<LogPage>>),
}

/// The group by which a member's control actor is found.
pub(crate) fn group(node: &NodeId) -> String {
    format!("pomona/control/{node}")
}

/// Spawned and restarted by Links; lives as long as the process.
pub(crate) struct Control;

pub(crate) struct ControlState {
    shared: Arc<Shared>,
    /// Logs that are being read for gateways.
    reading: JoinSet<()>,
}

impl ControlState {
    /// Reads the log beside the mailbox, since it lies on a disk.
    fn tell_logs(&mut self, is_allowed: bool, query: Rmp<LogQuery>, reply: RpcReplyPort<Answer<LogPage>>) {
        while self.reading.try_join_next().is_some() {}
        let query = match query.get() {
            _ if !is_allowed => Err(not_allowed()),
            _ if self.reading.len() >= READING_MAX => {
                Err(Cause::Internal { message: format!("{READING_MAX} logs are read here already") })
            }
            query => query,
        };
        let shared = Arc::clone(&self.shared);
        self.reading.spawn(async move {
            let page = match query {
                Ok(query) => logs::own(&shared, query).await,
                Err(cause) => Err(cause),
            };
            let _ = reply.send(Rmp::new(page));
        });
    }
}

impl Actor for Control {
    type Msg = ControlMessage;
    type State = ControlState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        pg::join(group(&shared.node), vec![myself.get_cell()]);
        Ok(ControlState { shared, reading: JoinSet::new() })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let shared = &state.shared;
        match message {
            ControlMessage::Report(key, report) => {
                if let (Some(peer), Ok(report)) = (known(shared, key, None), report.get()) {
                    shared.fleet_hears(&peer, report);
                }
            }
            ControlMessage::Bulletin(key, bulletin) => {
                let gateway = known(shared, key, Some(PeerRole::Gateway));
                if let (Some(peer), Ok(bulletin)) = (gateway, bulletin.get()) {
                    shared.links_hear(&peer, bulletin);
                }
            }
            ControlMessage::Load(key, order, reply) => {
                answer(shared, key, reply, |shared| shared.order_load(order.get()?));
            }
            ControlMessage::Unload(key, model, reply) => {
                answer(shared, key, reply, |shared| shared.order_unload(model.get()?));
            }
            ControlMessage::Pin(key, order, reply) => {
                answer(shared, key, reply, |shared| shared.order_pin(order.get()?));
            }
            ControlMessage::Drain(key, on, reply) => {
                answer(shared, key, reply, |shared| {
                    shared.set_node_draining(on);
                    Ok(())
                });
            }
            ControlMessage::Renew(key, request, reply) => {
                let signed = match known(shared, key, None) {
                    Some(peer) => shared.sign_again(&peer, &request),
                    None => Err(not_allowed()),
                };
                let _ = reply.send(Rmp::new(signed));
            }
            ControlMessage::Logs(key, query, reply) => {
                let is_allowed = known(shared, key, Some(PeerRole::Gateway)).is_some();
                state.tell_logs(is_allowed, query, reply);
            }
        }
        Ok(())
    }
}

/// The link that this key was given to, when its member has this role.
fn known(shared: &Shared, key: u64, role: Option<PeerRole>) -> Option<Peer> {
    let peer = shared.peers.by_key(key);
    if peer.is_none() {
        tracing::debug!("a control message came with a key of no open link");
    }
    peer.filter(|peer| {
        let is_allowed = role.is_none_or(|role| role == peer.role);
        if !is_allowed {
            tracing::warn!(node = %peer.node, role = peer.role.as_str(), "a member said what only a gateway may say");
        }
        is_allowed
    })
}

/// Does what a gateway asks, and tells it how that went.
fn answer(
    shared: &Arc<Shared>,
    key: u64,
    reply: RpcReplyPort<Answer<()>>,
    order: impl FnOnce(&Arc<Shared>) -> Result<(), Cause>,
) {
    let result = match known(shared, key, Some(PeerRole::Gateway)) {
        Some(_) => order(shared),
        None => Err(not_allowed()),
    };
    let _ = reply.send(Rmp::new(result));
}

fn not_allowed() -> Cause {
    Cause::Protocol { message: "a command for which this member's certificate is not made".to_owned() }
}
