//! Notices: what an admin should hear of, kept until it was acknowledged.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::NodeId;
use crate::ids::IdError;

/// Names a notice, in texts and JSON as `ntc_` and 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeId(pub u64);

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ntc_{:016x}", self.0)
    }
}

impl FromStr for NoticeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("ntc_").filter(|hex| hex.len() == 16);
        let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
        number.map(NoticeId).ok_or_else(|| IdError::new(text, "notice id", "ntc_ and 16 hex digits"))
    }
}

impl Serialize for NoticeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NoticeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// An engine was lost and started again.
    ReplicaRestarted,
    /// Starting an engine was given up.
    ReplicaFailed,
    /// A member is not reached any more.
    NodeLost,
    /// A member that was lost is reached again.
    NodeBack,
    /// A member is reached over a WAN that was reached over the LAN.
    PathWan,
    /// A member is reached over the LAN again.
    PathLan,
    /// A disk is nearly full.
    DiskLow,
    /// A certificate ends soon and was not renewed.
    CertificateExpiring,
    /// A member runs another version than this gateway.
    UpdateNeeded,
    /// The store has no room.
    StoreFull,
    /// The store fails.
    StoreFailed,
    /// The store takes long to write.
    StoreSlow,
}

impl NoticeKind {
    /// The word of JSON, tables and webhooks.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::ReplicaRestarted => "replica_restarted",
            NoticeKind::ReplicaFailed => "replica_failed",
            NoticeKind::NodeLost => "node_lost",
            NoticeKind::NodeBack => "node_back",
            NoticeKind::PathWan => "path_wan",
            NoticeKind::PathLan => "path_lan",
            NoticeKind::DiskLow => "disk_low",
            NoticeKind::CertificateExpiring => "certificate_expiring",
            NoticeKind::UpdateNeeded => "update_needed",
            NoticeKind::StoreFull => "store_full",
            NoticeKind::StoreFailed => "store_failed",
            NoticeKind::StoreSlow => "store_slow",
        }
    }

    /// How much it matters.
    pub fn severity(self) -> Severity {
        match self {
            NoticeKind::NodeBack | NoticeKind::PathLan => Severity::Info,
            NoticeKind::ReplicaRestarted
            | NoticeKind::PathWan
            | NoticeKind::UpdateNeeded
            | NoticeKind::StoreSlow => Severity::Warning,
            NoticeKind::ReplicaFailed
            | NoticeKind::NodeLost
            | NoticeKind::DiskLow
            | NoticeKind::CertificateExpiring
            | NoticeKind::StoreFull
            | NoticeKind::StoreFailed => Severity::Error,
        }
    }
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look at it some day.
    Warning,
    /// Somebody should look at it now.
    Error,
}

impl Severity {
    /// The word of JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Something that an admin should hear of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// When it was made, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// What it is about.
    pub kind: NoticeKind,
    /// How much it matters.
    pub severity: Severity,
    /// The member that it is about, if it is about one.
    pub node: Option<NodeId>,
    /// What people call that member; empty without one.
    pub name: String,
    /// The model that it is about, if it is about one.
    pub model: Option<String>,
    /// One sentence.
    pub message: String,
    /// How often the same happened again shortly afterwards, which was not told anew.
    pub repeats: u32,
    /// When it happened last, in Unix milliseconds.
    pub last_unix_ms: u64,
    /// What people call the gateway that saw it.
    pub seen_by: String,
    /// Who has seen to it.
    pub acknowledged: Option<Acknowledged>,
}

/// Who has seen to a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// The id of the key.
    pub by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_id_reads_back_as_it_was_shown() {
        let id = NoticeId(0xfeed_0042);
        assert_eq!(id.to_string(), "ntc_00000000feed0042");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "ntc_", "ntc_1", "ntc_00000000feed004z", "turn_00000000feed0042"] {
            assert!(text.parse::<NoticeId>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_word_of_a_kind_is_that_of_its_json() {
        for kind in [NoticeKind::NodeLost, NoticeKind::CertificateExpiring, NoticeKind::StoreFull] {
            assert_eq!(serde_json::to_string(&kind).ok(), Some(format!("\"{}\"", kind.as_str())));
        }
    }
}
