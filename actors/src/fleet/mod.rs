//! What is known of every member: membership turns links and reports into replicas that come, go and fall silent,
//! which the desk hears; placement says what is to be loaded where. Both decide in `cluster`; this carries it out.
//! Spawned and restarted by Root, in nodes as well: there it knows this machine alone.

mod orders;
mod places;
mod reporter;
mod told;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pomona_cluster::admission;
use pomona_cluster::membership::{Effect, Input, Membership, MembershipLimits};
use pomona_cluster::placement::{Assignment, Host, Load, OnDemand, Unload, Wanted, place_on_demand, solve};
use pomona_protocol::{
    Cause, ModelId, NodeId, NodeReport, NodeStatus, PathKind, PeerRole, Placement, ReplicaId,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio_util::task::AbortOnDropHandle;

use self::orders::Orders;
pub(crate) use self::reporter::Reporter;
use crate::observer::Observation;
use crate::route::Route;
use crate::shared::Shared;
use crate::{owned, watch};

/// How often silence is looked at; a fraction of the shortest suspicion.
const TICK: Duration = Duration::from_millis(50);
/// How often placement is looked at without a change.
const PLACE_EVERY: Duration = Duration::from_secs(2);

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum FleetMessage {
    /// A member is reached over a link, or over another one than before.
    LinkUp { node: NodeId, name: String, role: PeerRole, boot: u64, path: PathKind },
    /// There is no link to this process of a member any more.
    LinkDown { node: NodeId, boot: u64 },
    /// A link was measured.
    Measured { node: NodeId, path: PathKind, rtt: Duration },
    /// A member, or this process, says how it is.
    Report(Box<NodeReport>),
    /// Somebody waits for a model that nobody serves.
    Want { model: ModelId },
    /// An admin wants a member to leave, or to stay. Replies when it is known to be a member.
    Drain { node: String, on: bool, reply: RpcReplyPort<Result<NodeId, Cause>> },
    /// A member is none any more.
    Remove { node: NodeId },
    /// An admin wants one more replica of a model, on this member or where it fits.
    Load { model: ModelId, node: Option<String>, reply: RpcReplyPort<Result<(), Cause>> },
    /// An admin wants a model's replicas to end, on this member or everywhere.
    Unload { model: ModelId, node: Option<String>, reply: RpcReplyPort<Result<(), Cause>> },
    /// Replies with where a model would go.
    Place { model: ModelId, reply: RpcReplyPort<Result<Placement, Cause>> },
    /// An order to a member failed; it may be given again.
    OrderFailed { model: ModelId, node: NodeId, cause: Cause },
    /// Replies with every member.
    Observe(RpcReplyPort<Vec<NodeStatus>>),
    /// Time has passed.
    Tick,
}

pub(crate) struct Fleet;

pub(crate) struct FleetState {
    shared: Arc<Shared>,
    membership: Membership,
    roles: BTreeMap<NodeId, PeerRole>,
    orders: Orders,
    /// What the desk was told last of each model: whether it is to be had, and if not, why.
    models: BTreeMap<ModelId, Option<String>>,
    wanted: Vec<Wanted>,
    assignment: Assignment,
    placed_at: Instant,
    /// Keeps the watch going, on a gateway.
    _watch: Option<AbortOnDropHandle<()>>,
}

impl FleetState {
    fn decide(&mut self, input: Input) {
        for effect in self.membership.handle(input, Instant::now()) {
            let turned = match &effect {
                Effect::NodeSuspect { node, .. }
                | Effect::NodeCleared { node }
                | Effect::NodeDraining { node }
                | Effect::NodeUndrained { node } => Some(node.clone()),
                _ => None,
            };
            self.perform(effect);
            if let Some(node) = turned {
                self.tell_watch(&node);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match &effect {
            Effect::ReplicaUp { replica, via, .. } | Effect::ReplicaVia { replica, via } => {
                let Some(route) = self.route(replica, via) else { return };
                tracing::info!(%replica, %via, "replica is up");
                self.shared.desk.set_route(replica.clone(), route);
            }
            Effect::ReplicaDown { replica } => {
                tracing::info!(%replica, "replica is down");
                self.shared.desk.replica_down(replica);
            }
            Effect::NodeSuspect { node, silence } => {
                tracing::warn!(%node, silence_ms = silence.as_millis() as u64, "a member is silent; its turns move");
                self.shared.observe(Observation::NodeSuspected);
            }
            Effect::NodeCleared { node } => tracing::info!(%node, "a member is heard again"),
            Effect::NodeDraining { node } => tracing::info!(%node, "a member is draining"),
            Effect::NodeUndrained { node } => tracing::info!(%node, "a member stays"),
            Effect::MemberRefused { node, members_max } => {
                tracing::warn!(%node, members_max, "too many members (cluster.members_max)");
            }
            Effect::ReplicaLoad { .. }
            | Effect::ReplicaSuspect { .. }
            | Effect::ReplicaCleared { .. }
            | Effect::ReplicaDraining { .. }
            | Effect::ModelsChanged { .. } => {}
        }
        if let Some(input) = effect.to_admission() {
            self.shared.desk.tell(input);
        }
    }

    fn tell_watch(&self, node: &NodeId) {
        told::tell(&self.shared, &self.membership, &self.roles, node);
    }

    fn route(&self, replica: &ReplicaId, via: &NodeId) -> Option<Route> {
        if *via == self.shared.node {
            return self.shared.engines.link(replica).map(Route::Engine);
        }
        self.shared.peers.route(via).map(Route::Peer)
    }

    fn on_report(&mut self, mut report: NodeReport) {
        // This gateway's own limit holds as well.
        for replica in &mut report.replicas {
            replica.load.turns_max = replica.load.turns_max.min(self.shared.routing.replica_turns_max);
        }
        let had = view::on_disk_of(&self.membership, &report.node);
        let node = report.node.clone();
        self.decide(Input::Report(Box::new(report)));
        self.tell_watch(&node);
        self.tell_removed(&had);
        self.tell_models();
        view::publish(&self.shared, &self.membership);
    }

    /// Tells the desk which models are to be had, as far as that changed.
    fn tell_models(&mut self) {
        for (model, gone) in view::models(&self.membership) {
            if self.models.get(&model) == Some(&gone) {
                continue;
            }
            self.models.insert(model.clone(), gone.clone());
            self.shared.desk.tell(match gone {
                None => admission::Input::ModelWanted { model },
                Some(message) => admission::Input::ModelGone { model, message },
            });
        }
    }

    /// Tells the desk which models left the last disk and memory: whoever asks for one is not to wait for it.
    fn tell_removed(&mut self, had: &[ModelId]) {
        let hosts = self.membership.hosts();
        for model in had.iter().filter(|model| !view::is_known(&hosts, model)) {
            self.models.remove(model);
            let message = "it was removed from the disk of every machine".to_owned();
            self.shared.desk.tell(admission::Input::ModelGone { model: model.clone(), message });
        }
    }

    fn tick(&mut self) {
        // A node hears its gateways by their bulletins, which concern its links; it judges nobody.
        if self.shared.routes {
            self.decide(Input::Tick);
        }
        if self.placed_at.elapsed() >= PLACE_EVERY {
            self.place();
            view::observe(&self.shared, &self.membership);
        }
    }

    /// Has the wanted replicas loaded. One gateway decides for the cluster: the one that holds its authority.
    fn place(&mut self) {
        self.placed_at = Instant::now();
        if self.wanted.is_empty() || self.shared.authority.is_none() {
            return;
        }
        let hosts = self.membership.hosts();
        self.forget_lost_loads(&hosts);
        let plan = solve(&self.wanted, &hosts, &self.assignment);
        for refusal in &plan.refusals {
            tracing::debug!(%refusal, "a wanted replica has no place");
        }
        for unload in &plan.unloads {
            self.orders.unload(&self.shared, &unload.node, &unload.model);
        }
        for load in &plan.loads {
            self.orders.load(&self.shared, &self.membership, load, true);
        }
        self.assignment = plan.assignment;
    }

    /// A node that was restarted, or an order that was lost, leaves a load in no report.
    fn forget_lost_loads(&mut self, hosts: &[Host]) {
        for (model, nodes) in &mut self.assignment {
            nodes.retain(|node| {
                let host = hosts.iter().find(|host| host.node == *node);
                let is_there =
                    host.is_some_and(|host| host.replicas.iter().any(|replica| replica.model == *model));
                is_there || self.orders.is_recent(node, model)
            });
        }
    }

    /// Loads a model that somebody waits for.
    fn want(&mut self, model: ModelId) {
        if !self.shared.fleet.load_on_demand {
            let message = "nobody serves it, and fleet.load_on_demand is off".to_owned();
            return self.shared.desk.tell(admission::Input::ModelGone { model, message });
        }
        if let Err(cause) = self.load_where_it_fits(&model) {
            self.shared.desk.tell(admission::Input::ModelGone { model, message: cause.to_string() });
        }
    }

    fn load_where_it_fits(&mut self, model: &ModelId) -> Result<(), Cause> {
        let hosts = self.membership.hosts();
        match place_on_demand(model, &self.wanted, &hosts, &self.assignment) {
            Ok(OnDemand::IsThere(_)) => Ok(()),
            Ok(OnDemand::Place { unloads, load }) => {
                self.load_after(&unloads, &load);
                Ok(())
            }
            Err(_) if !view::is_known(&hosts, model) => {
                Err(Cause::UnknownModel { model: model.to_string(), known: view::known(&hosts) })
            }
            Err(refusal) => {
                let message = refusal.to_string();
                Err(Cause::ModelUnavailable { model: model.to_string(), message })
            }
        }
    }

    fn load(&mut self, model: &ModelId, node: Option<&str>) -> Result<(), Cause> {
        let Some(node) = node else { return self.load_where_it_fits(model) };
        let node = self.find(node)?;
        let (wanted, assignment) = (&self.wanted, &self.assignment);
        let (unloads, load) = places::load_on(&self.membership, wanted, assignment, model, &node)?;
        self.load_after(&unloads, &load);
        Ok(())
    }

    fn load_after(&mut self, unloads: &[Unload], load: &Load) {
        for unload in unloads {
            self.orders.unload(&self.shared, &unload.node, &unload.model);
        }
        self.orders.load(&self.shared, &self.membership, load, false);
    }

    fn placement(&self, model: &ModelId) -> Result<Placement, Cause> {
        places::placement(&self.membership, &self.wanted, &self.assignment, model)
    }

    fn unload(&mut self, model: &ModelId, node: Option<&str>) -> Result<(), Cause> {
        let only = node.map(|node| self.find(node)).transpose()?;
        let holders = view::holders(&self.membership, model);
        let holders: Vec<_> =
            holders.into_iter().filter(|node| only.as_ref().is_none_or(|only| only == node)).collect();
        if holders.is_empty() {
            let known = self.models.keys().map(ToString::to_string).collect();
            return Err(Cause::UnknownModel { model: model.to_string(), known });
        }
        for node in holders {
            self.orders.unload(&self.shared, &node, model);
        }
        Ok(())
    }

    fn find(&self, node: &str) -> Result<NodeId, Cause> {
        let members = || self.membership.members();
        let found = members().find(|member| member.node.0 == node || member.name == node);
        found.map(|member| member.node.clone()).ok_or_else(|| Cause::UnknownNode {
            node: node.to_owned(),
            known: members().map(|member| member.name.to_owned()).collect(),
        })
    }

    /// Remembers what an admin wants of a member.
    fn drain(&mut self, node: &str, on: bool) -> Result<NodeId, Cause> {
        let node = self.find(node)?;
        self.decide(Input::Drain { node: node.clone(), on });
        Ok(node)
    }
}

impl Actor for Fleet {
    type Msg = FleetMessage;
    type State = FleetState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let limits = MembershipLimits {
            lan_suspect: Duration::from_millis(shared.fleet.lan_suspect_ms),
            wan_suspect: Duration::from_millis(shared.fleet.wan_suspect_ms),
            tick_gap_max: TICK * 6,
            members_max: shared.members_max,
        };
        let mut state = FleetState {
            membership: Membership::new(limits),
            roles: BTreeMap::new(),
            orders: Orders::new(myself.clone()),
            models: BTreeMap::new(),
            wanted: view::wanted(&shared.fleet.replicas),
            assignment: Assignment::new(),
            placed_at: Instant::now(),
            _watch: shared.routes.then(|| owned::spawn(watch::keep(Arc::clone(&shared)))),
            shared,
        };
        let shared = &state.shared;
        let (node, name, boot) = (shared.node.clone(), shared.name.load().to_string(), shared.boot);
        state.decide(Input::Local { node, name, boot });
        // A restarted Fleet has forgotten who is linked; their owners say it again.
        state.shared.tell_links(crate::links::LinksMessage::SayLinks);
        myself.send_interval(TICK, || FleetMessage::Tick);
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            FleetMessage::LinkUp { node, name, role, boot, path } => {
                state.roles.insert(node.clone(), role);
                state.decide(Input::LinkUp { node: node.clone(), name, boot, path });
                state.tell_watch(&node);
            }
            FleetMessage::LinkDown { node, boot } => {
                state.decide(Input::LinkDown { node: node.clone(), boot });
                state.tell_watch(&node);
                view::publish(&state.shared, &state.membership);
                state.place();
            }
            FleetMessage::Measured { node, path, rtt } => {
                state.decide(Input::PathChanged { node: node.clone(), path, rtt });
                state.tell_watch(&node);
            }
            FleetMessage::Report(report) => state.on_report(*report),
            FleetMessage::Want { model } => state.want(model),
            FleetMessage::Drain { node, on, reply } => drop(reply.send(state.drain(&node, on))),
            FleetMessage::Remove { node } => {
                state.decide(Input::Remove { node: node.clone() });
                state.shared.watch.node_removed(node);
                view::publish(&state.shared, &state.membership);
            }
            FleetMessage::Load { model, node, reply } => {
                drop(reply.send(state.load(&model, node.as_deref())));
            }
            FleetMessage::Unload { model, node, reply } => {
                drop(reply.send(state.unload(&model, node.as_deref())));
            }
            FleetMessage::Place { model, reply } => drop(reply.send(state.placement(&model))),
            FleetMessage::OrderFailed { model, node, cause } => {
                tracing::warn!(%model, %node, %cause, "a member did not do what it was told");
                if let Some(nodes) = state.assignment.get_mut(&model) {
                    nodes.remove(&node);
                }
                let message = cause.to_string();
                state.shared.desk.tell(admission::Input::ModelGone { model, message });
            }
            FleetMessage::Observe(reply) => {
                drop(reply.send(view::nodes(&state.shared, &state.membership, &state.roles)));
            }
            FleetMessage::Tick => state.tick(),
        }
        Ok(())
    }
}
