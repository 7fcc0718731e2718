//! What this process shows of itself and of the fleet to whoever measures: one snapshot per look, so that nothing is
//! counted twice and nothing stays of a member that is gone.

use std::sync::Arc;

use pomona_protocol::{ApiPort, Cause, MachineFigures, NodeStatus, TraceContext};
use pomona_store::StoreFigures;

use crate::Handle;
use crate::observer::Observer;
use crate::trace::Span;
use crate::watched::LongPolls;

/// The state of the cluster as one gateway sees it.
#[derive(Clone, Debug, Default)]
pub struct Insight {
    /// Every member with its replicas and figures, this machine first.
    pub nodes: Vec<NodeStatus>,
    /// Places at replicas that turns of this gateway hold.
    pub places_held: u32,
    /// Sessions in the memory of this gateway.
    pub sessions: u32,
    /// What its store has done; `None` where there is none.
    pub store: Option<StoreFigures>,
}

impl Handle {
    /// Looks at everything. Fails when the actors do not answer in time.
    pub async fn insight(&self) -> Result<Insight, Cause> {
        let nodes = self.nodes().await?;
        Ok(Insight {
            places_held: self.shared.desk.view().placed.values().sum(),
            sessions: u32::try_from(self.shared.sessions.len()).unwrap_or(u32::MAX),
            store: self.shared.sessions.store.as_ref().map(pomona_store::Store::figures),
            nodes,
        })
    }

    /// Takes what the system says of this machine and process; it is part of every report from then on.
    pub fn note_machine(&self, figures: MachineFigures) {
        self.shared.counts.machine.store(Arc::new(figures));
    }

    /// Takes where this gateway's API is served; other gateways tell Prometheus of it.
    pub fn note_api(&self, api: ApiPort) {
        self.shared.counts.api.store(Arc::new(Some(api)));
    }

    /// Where long polls are counted and logged.
    pub fn long_polls(&self) -> LongPolls {
        self.shared.long_polls.clone()
    }

    /// The span of a request that came in with this context; `None` when it is not recorded.
    pub fn request_span(&self, asked: Option<TraceContext>) -> Option<Span> {
        let observer: &Arc<dyn Observer> = &self.shared.observer;
        Span::request(observer, asked)
    }
}
