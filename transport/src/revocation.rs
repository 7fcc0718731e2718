//! Members that were removed. One list per process: the registry of the authority fills it, or the gateway's word on a
//! node; the endpoint reads it at every greeting.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pomona_protocol::NodeId;

/// The ids of removed members. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct RevocationList {
    removed: Arc<ArcSwap<BTreeSet<NodeId>>>,
}

impl RevocationList {
    /// Replaces the list. Open links stay: [`crate::Endpoint::revoke`] closes them.
    pub fn set_all(&self, removed: impl IntoIterator<Item = NodeId>) {
        self.removed.store(Arc::new(removed.into_iter().collect()));
    }

    /// Adds to the list.
    pub fn add(&self, removed: &[NodeId]) {
        self.removed.rcu(|list| {
            let mut list = BTreeSet::clone(list);
            list.extend(removed.iter().cloned());
            list
        });
    }

    /// Whether a member was removed.
    pub fn contains(&self, node: &NodeId) -> bool {
        self.removed.load().contains(node)
    }
}
