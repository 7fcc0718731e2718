//! Answers "which replica?". Spawned and restarted by Root; the decisions are `cluster::admission`'s.
//!
//! A restarted Router knows nothing: Root has Models announce their replicas again and turns that wait ask again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pomona_cluster::admission::{Admission, AdmissionLimits, Effect, Input, Ticket};
use pomona_protocol::{ModelId, ReplicaId};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::engine_link::EngineLink;
use crate::observer::Observation;
use crate::shared::Shared;
use crate::turn::TurnMessage;

const TICK: Duration = Duration::from_millis(250);

pub(crate) enum RouterMessage {
    /// A turn wants a place; it hears `Placed`, `Queued` or `Refused`.
    Ask { ticket: Ticket, model: ModelId, avoid: Option<ReplicaId>, turn: ActorRef<TurnMessage> },
    /// A replica takes turns over this link.
    ReplicaUp { replica: ReplicaId, link: Arc<EngineLink> },
    /// Anything else that admission decides about.
    Decide(Input),
    /// Replies with what the status page shows.
    Observe(RpcReplyPort<RouterView>),
}

/// The Router's state as plain data.
#[derive(Debug, Default)]
pub(crate) struct RouterView {
    pub(crate) queued: u32,
    pub(crate) placed: BTreeMap<ReplicaId, u32>,
}

pub(crate) struct Router;

pub(crate) struct RouterState {
    shared: Arc<Shared>,
    admission: Admission,
    links: BTreeMap<ReplicaId, Arc<EngineLink>>,
    /// Turns that have asked and were not answered for good.
    asking: BTreeMap<Ticket, ActorRef<TurnMessage>>,
}

impl RouterState {
    fn decide(&mut self, input: Input) {
        for effect in self.admission.handle(input, Instant::now()) {
            match effect {
                Effect::Grant { ticket, replica, waited } => {
                    self.shared.observe(Observation::TurnPlaced { waited });
                    let Some(link) = self.links.get(&replica).map(Arc::clone) else { continue };
                    if let Some(turn) = self.asking.remove(&ticket) {
                        let _ = turn.cast(TurnMessage::Placed { attempt: ticket.attempt, replica, link });
                    }
                }
                Effect::Queued { ticket, ahead } => {
                    if let Some(turn) = self.asking.get(&ticket) {
                        let _ = turn.cast(TurnMessage::Queued { ahead });
                    }
                }
                Effect::Refuse { ticket, cause } => {
                    if let Some(turn) = self.asking.remove(&ticket) {
                        let _ = turn.cast(TurnMessage::Refused { attempt: ticket.attempt, cause });
                    }
                }
            }
        }
        self.shared.observe(Observation::QueueDepth(self.admission.queued()));
    }
}

impl Actor for Router {
    type Msg = RouterMessage;
    type State = RouterState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.send_interval(TICK, || RouterMessage::Decide(Input::Tick));
        let limits = AdmissionLimits {
            replica_turns_max: shared.routing.replica_turns_max,
            queue_max: shared.routing.queue_max,
            wait_max: Duration::from_millis(shared.routing.queue_ms_max),
        };
        let admission = Admission::new(limits);
        Ok(RouterState { shared, admission, links: BTreeMap::new(), asking: BTreeMap::new() })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RouterMessage::Ask { ticket, model, avoid, turn } => {
                state.asking.insert(ticket, turn);
                state.decide(Input::Ask { ticket, model, avoid });
            }
            RouterMessage::ReplicaUp { replica, link } => {
                state.links.insert(replica.clone(), link);
                state.decide(Input::ReplicaUp { replica });
            }
            RouterMessage::Decide(input) => {
                match &input {
                    Input::ReplicaDown { replica } => drop(state.links.remove(replica)),
                    Input::Leave { ticket } => drop(state.asking.remove(ticket)),
                    Input::Ask { .. }
                    | Input::ModelWanted { .. }
                    | Input::ModelGone { .. }
                    | Input::ReplicaUp { .. }
                    | Input::Tick => {}
                }
                state.decide(input);
            }
            RouterMessage::Observe(reply) => {
                let placed = state.links.keys().map(|r| (r.clone(), state.admission.placed_at(r))).collect();
                let _ = reply.send(RouterView { queued: state.admission.queued(), placed });
            }
        }
        Ok(())
    }
}
