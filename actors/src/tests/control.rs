//! Who may say what to a control actor: a key stands for one link, and the link's certificate for what its member may.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pomona_protocol::{Cause, ModelId, NodeId, NodeReport, PeerRole};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::bench::{PATIENCE, parts, ready, replica};
use crate::fleet::FleetMessage;
use crate::links::control::{Answer, Bulletin, Control, ControlMessage, LoadOrder, PinOrder, Rmp};
use crate::links::{LinksMessage, Peer};
use crate::shared::Shared;

const NODE: u64 = 11;
const GATEWAY: u64 = 12;
const NOBODY: u64 = 13;

/// Stands in for an actor and passes on what it is told.
struct Probe<T>(std::marker::PhantomData<fn(T)>);

impl<T: ractor::Message> Actor for Probe<T> {
    type Msg = T;
    type State = mpsc::UnboundedSender<T>;
    type Arguments = mpsc::UnboundedSender<T>;

    async fn pre_start(
        &self,
        _: ActorRef<T>,
        told: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(told)
    }

    async fn handle(
        &self,
        _: ActorRef<T>,
        message: T,
        told: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let _ = told.send(message);
        Ok(())
    }
}

async fn probe<T: ractor::Message>() -> (ActorRef<T>, mpsc::UnboundedReceiver<T>) {
    let (told, hears) = mpsc::unbounded_channel();
    (Actor::spawn(None, Probe(std::marker::PhantomData), told).await.unwrap().0, hears)
}

/// A process with one linked node and one linked gateway.
struct Bench {
    shared: Arc<Shared>,
    control: ActorRef<ControlMessage>,
    fleet: mpsc::UnboundedReceiver<FleetMessage>,
    links: mpsc::UnboundedReceiver<LinksMessage>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared::new(&parts(folder.path())));
        for (key, name, role) in [(NODE, "node", PeerRole::Node), (GATEWAY, "gateway", PeerRole::Gateway)] {
            let node = NodeId::from(name);
            shared.peers.add(&node, role);
            shared.peers.add_key(key, Peer { node, role, link: key });
        }
        let (fleet_actor, fleet) = probe().await;
        shared.fleet_actor.store(Some(Arc::new(fleet_actor)));
        let (links_actor, links) = probe().await;
        shared.links_actor.store(Some(Arc::new(links_actor)));
        let (control, _) = Actor::spawn(None, Control, Arc::clone(&shared)).await.unwrap();
        Self { shared, control, fleet, links, _folder: folder }
    }

    async fn order<T: Send + 'static>(
        &self,
        order: impl FnOnce(RpcReplyPort<Answer<T>>) -> ControlMessage,
    ) -> Result<T, Cause> {
        self.control.call(order, Some(PATIENCE)).await.unwrap().unwrap().get().unwrap()
    }

    /// Whether every command is refused that comes with this key.
    async fn refuses_commands(&self, key: u64) {
        let not_allowed = |answer: Result<(), Cause>| matches!(answer, Err(Cause::Protocol { .. }));
        let order = LoadOrder {
            model: ModelId::from("m"),
            digest: String::new(),
            sources: Vec::new(),
            is_wanted: false,
        };
        assert!(not_allowed(self.order(|reply| ControlMessage::Load(key, Rmp::new(order), reply)).await));
        let model = ModelId::from("m");
        assert!(not_allowed(self.order(|reply| ControlMessage::Unload(key, Rmp::new(model), reply)).await));
        for on in [true, false] {
            let pin = Rmp::new(PinOrder { model: ModelId::from("m"), on });
            assert!(not_allowed(self.order(|reply| ControlMessage::Pin(key, pin, reply)).await));
            assert!(not_allowed(self.order(|reply| ControlMessage::Drain(key, on, reply)).await));
        }
    }

    /// Waits until all that was said before was handled.
    async fn settle(&self) {
        let _ = self.order(|reply| ControlMessage::Drain(NOBODY, true, reply)).await;
    }
}

fn report(node: &str, replicas: &[&str]) -> NodeReport {
    let replicas = replicas.iter().map(|node| ready(replica(node)));
    NodeReport {
        node: NodeId::from(node),
        name: node.to_owned(),
        boot: 1,
        seq: 1,
        version: "0.1.0".to_owned(),
        hosts: true,
        draining: false,
        memory_bytes: 1,
        models: Vec::new(),
        replicas: replicas.collect(),
        store: 0,
        figures: Default::default(),
    }
}

#[tokio::test]
async fn a_command_with_an_unknown_key_or_a_nodes_key_is_refused() {
    let bench = Bench::new().await;
    for key in [NOBODY, 0, u64::MAX, NODE] {
        bench.refuses_commands(key).await;
    }
    assert!(!bench.shared.node_draining.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_gateways_command_is_done() {
    let bench = Bench::new().await;
    for on in [true, false] {
        bench.order(|reply| ControlMessage::Drain(GATEWAY, on, reply)).await.unwrap();
        assert_eq!(bench.shared.node_draining.load(Ordering::Relaxed), on);
    }
}

#[tokio::test]
async fn a_key_ends_with_its_link_and_with_its_member() {
    let bench = Bench::new().await;
    bench.shared.peers.remove_key(GATEWAY);
    bench.refuses_commands(GATEWAY).await;
    bench.shared.peers.add_key(14, Peer { node: NodeId::from("gateway"), role: PeerRole::Gateway, link: 14 });
    bench.order(|reply| ControlMessage::Drain(14, true, reply)).await.unwrap();
    bench.shared.peers.remove(&NodeId::from("gateway"));
    bench.refuses_commands(14).await;
}

#[tokio::test]
async fn a_renewal_is_signed_for_nobody_by_who_is_no_authority() {
    let bench = Bench::new().await;
    for key in [NOBODY, NODE, GATEWAY] {
        let signed = bench.order(|reply| ControlMessage::Renew(key, b"garbage".to_vec(), reply)).await;
        assert!(signed.is_err(), "key {key}");
    }
}

#[tokio::test]
async fn a_report_counts_from_its_own_member_and_for_itself_alone() {
    let mut bench = Bench::new().await;
    let cast = |key, report| bench.control.cast(ControlMessage::Report(key, Rmp::new(report))).unwrap();
    cast(NOBODY, report("node", &["node"]));
    cast(NODE, report("gateway", &["gateway"]));
    cast(GATEWAY, report("node", &["node"]));
    cast(NODE, report("node", &["node", "gateway"]));
    // A gateway offers what it reaches.
    cast(GATEWAY, report("gateway", &["gateway", "node"]));
    bench.settle().await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let told = timeout(PATIENCE, bench.fleet.recv()).await.expect("nothing was heard");
        let Some(FleetMessage::Report(report)) = told else { panic!("not a report") };
        heard.push(*report);
    }
    assert_eq!(heard, [report("node", &["node"]), report("gateway", &["gateway", "node"])]);
    assert!(bench.fleet.try_recv().is_err(), "something was heard that nobody may say");
}

#[tokio::test]
async fn a_bulletin_comes_from_gateways_alone() {
    let mut bench = Bench::new().await;
    for key in [NOBODY, NODE, GATEWAY] {
        let bulletin = Bulletin { seq: key, ..Bulletin::default() };
        bench.control.cast(ControlMessage::Bulletin(key, Rmp::new(bulletin))).unwrap();
    }
    let told = timeout(PATIENCE, bench.links.recv()).await.expect("nothing was heard");
    let Some(LinksMessage::Bulletin { from, bulletin }) = told else { panic!("not a bulletin") };
    assert_eq!((from.node, bulletin.seq), (NodeId::from("gateway"), GATEWAY));
    assert!(bench.links.try_recv().is_err());
}

#[test]
fn bytes_that_are_no_message_are_told_as_such() {
    use ractor::BytesConvertable;

    for bytes in [Vec::new(), vec![0xc1], vec![0xff; 64]] {
        let garbage = Rmp::<LoadOrder>::from_bytes(bytes).get();
        assert!(matches!(garbage, Err(Cause::Protocol { .. })), "{garbage:?}");
    }
    let model = Rmp::new(ModelId::from("sprout")).into_bytes();
    assert_eq!(Rmp::<ModelId>::from_bytes(model).get(), Ok(ModelId::from("sprout")));
}
