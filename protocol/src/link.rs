//! How two members greet each other. The dialler opens the first stream of a connection with one [`Hello`]; the
//! other side answers with one [`HelloAnswer`]. After a welcome that stream carries control messages, and every
//! further stream opens with one [`crate::Open`].

use serde::{Deserialize, Serialize};

use crate::{NodeId, PathKind, PeerRole};

/// The version of everything that is said on a link. It changes only when an older member could not go on:
/// unknown fields are ignored, so that neighbouring versions of the program share one number.
pub const LINK_PROTOCOL: u32 = 1;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`LINK_PROTOCOL`] of the caller.
    pub protocol: u32,
    /// Version of its program, for people.
    pub version: String,
    /// Name of its cluster.
    pub cluster: String,
    /// Its id; has to be the one of its certificate.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Its role; has to be the one of its certificate.
    pub role: PeerRole,
    /// Drawn at each start of its process.
    pub boot: u64,
    /// What the connection is for.
    pub purpose: LinkPurpose,
    /// The kind of network between the two, as the dialler knows it.
    pub path: PathKind,
    /// Control messages to the speaker have to carry this. It is drawn per connection and told to nobody else,
    /// so that a message proves which link it came by.
    pub control_key: u64,
    /// Addresses at which the speaker takes member links itself, as `host:port`; empty when it takes none.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// Control messages on the first stream, turns on others.
    Member,
    /// Weights only; the first stream ends after the greeting.
    Bulk,
}

/// What the other side says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelloAnswer {
    /// It goes on.
    Welcome(Hello),
    /// It does not.
    Refused(LinkRefusal),
}

/// Why two members do not talk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LinkRefusal {
    /// Their wires differ.
    #[error(
        "the other side speaks link protocol {ours} (pomona {version}) and this one speaks {theirs}; update the older one"
    )]
    Version {
        /// What the refusing side speaks.
        ours: u32,
        /// Version of its program.
        version: String,
        /// What the refused side speaks.
        theirs: u32,
    },
    /// They belong to different clusters.
    #[error("the other side belongs to cluster `{ours}` and this one to `{theirs}`")]
    Cluster {
        /// The refusing side's.
        ours: String,
        /// The refused side's.
        theirs: String,
    },
    /// The member was removed.
    #[error("`{node}` was removed from the cluster; join again with a new token (pomona token create)")]
    Revoked {
        /// Who.
        node: NodeId,
    },
    /// What the greeting says is not what the certificate says.
    #[error("the greeting names {claimed} and the certificate {certified}")]
    Identity {
        /// Id and role of the greeting.
        claimed: String,
        /// Id and role of the certificate.
        certified: String,
    },
    /// The two have nothing to do with each other; two nodes, for instance, share weights only.
    #[error("a {theirs} does not open {purpose} links to a {ours}")]
    Purpose {
        /// Role of the refusing side.
        ours: String,
        /// Role of the refused side.
        theirs: String,
        /// What was asked for.
        purpose: String,
    },
    /// No room.
    #[error("{open} links are open already (limit {limit})")]
    Full {
        /// Open links.
        open: u32,
        /// How many may be.
        limit: u32,
    },
    /// It is going down.
    #[error("the other side is shutting down")]
    ShuttingDown,
}

impl LinkRefusal {
    /// The stable name: log field and metric label.
    pub fn code(&self) -> &'static str {
        match self {
            LinkRefusal::Version { .. } => "version",
            LinkRefusal::Cluster { .. } => "cluster",
            LinkRefusal::Revoked { .. } => "revoked",
            LinkRefusal::Identity { .. } => "identity",
            LinkRefusal::Purpose { .. } => "purpose",
            LinkRefusal::Full { .. } => "full",
            LinkRefusal::ShuttingDown => "shutting_down",
        }
    }

    /// Whether dialling again later can help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, LinkRefusal::Version { .. } | LinkRefusal::Full { .. } | LinkRefusal::ShuttingDown)
    }
}
