//! Ids are newtypes, so that a turn never passes for a replica.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {kind}: expected {expected}")]
pub struct IdError {
    given: String,
    kind: &'static str,
    expected: &'static str,
}

impl IdError {
    pub(crate) fn new(given: &str, kind: &'static str, expected: &'static str) -> Self {
        Self { given: given.chars().take(64).collect(), kind, expected }
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:032x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let hex = text.strip_prefix($prefix).filter(|hex| hex.len() == 32);
                let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let number = hex.and_then(|hex| u128::from_str_radix(hex, 16).ok());
                number.map($name).ok_or_else(|| IdError::new(text, $kind, concat!($prefix, " and 32 hex digits")))
            }
        }
    };
}

number_id!(
    /// One question and its answer, unique in the cluster. Shown as `turn_` and 32 hex digits.
    TurnId,
    "turn_",
    "turn id"
);
number_id!(
    /// A conversation, unique in the cluster. Shown as `ses_` and 32 hex digits.
    SessionId,
    "ses_",
    "session id"
);

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

name_id!(
    /// What a client calls a model, `sprout` for instance.
    ModelId
);
name_id!(
    /// A machine of the cluster, by its stable name.
    NodeId
);

/// One loaded copy of a model on one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId {
    /// The node whose engine process holds the weights.
    pub node: NodeId,
    /// The model that it serves.
    pub model: ModelId,
    /// Counts the engine processes of this model since the start of its node; a restart is a new incarnation, and so
    /// is a model that was unloaded and is loaded again.
    pub incarnation: u64,
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.node, self.model, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_id_reads_back_as_it_was_shown() {
        let id = TurnId(0xfeed_0000_0000_0000_0000_0000_0000_0042);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn a_foreign_text_is_no_turn_id() {
        for text in ["", "turn_", "turn_zz", "call_00000000000000000000000000000042", "turn_042"] {
            assert!(text.parse::<TurnId>().is_err(), "{text}");
        }
    }
}
