//! Why an admin's call or a renewal fails. What a machine that joins is told is
//! [`pomona_protocol::join::JoinRefusal`].

use pomona_protocol::NodeId;

use super::names::NameError;
use super::store::StoreError;
use super::tokens::TOKENS_MAX;
use crate::error::IdentityError;

/// Why a call to the registry changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name that nobody may have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A name that somebody has.
    #[error("another member is called `{name}` already; choose another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Nobody like that.
    #[error("no member has the id or the name `{given}`; `pomona nodes` lists them")]
    UnknownNode {
        /// What was given.
        given: String,
    },
    /// No token like that.
    #[error("no token has the id `{given}`; `pomona token list` lists them")]
    UnknownToken {
        /// What was given.
        given: String,
    },
    /// A value out of its range.
    #[error("{key} = {value} is out of range: expected 1 to {limit}")]
    OutOfRange {
        /// What it is called.
        key: &'static str,
        /// What was given.
        value: u64,
        /// The largest that is allowed.
        limit: u64,
    },
    /// More tokens than anybody needs.
    #[error("{TOKENS_MAX} join tokens are open already; revoke some with `pomona token revoke`")]
    TooManyTokens,
    /// More addresses than a token has room for.
    #[error(
        "the token would be {characters} characters long (limit {limit}); configure fewer or shorter addresses"
    )]
    TokenTooLong {
        /// How long it would be.
        characters: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The system's source of randomness is broken.
    #[error("cannot draw a secret: {message}")]
    Random {
        /// What the system said.
        message: String,
    },
}

/// Why a member gets no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// It never was one.
    #[error("`{node}` is no member; join with a new token (pomona token create)")]
    NoMember {
        /// Who asks.
        node: NodeId,
    },
    /// It is one no longer.
    #[error("`{node}` was removed from the cluster; join again with a new token (pomona token create)")]
    Removed {
        /// Who asks.
        node: NodeId,
    },
    /// A new key is a new member.
    #[error("`{node}` asks with the key of `{other}`; a member renews with the key that it joined with")]
    OtherKey {
        /// Who asks.
        node: NodeId,
        /// Whose key it is.
        other: NodeId,
    },
    /// The request is not acceptable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RenewError {
    /// The stable name, in logs and in the audit.
    pub fn code(&self) -> &'static str {
        match self {
            RenewError::NoMember { .. } => "no_member",
            RenewError::Removed { .. } => "removed",
            RenewError::OtherKey { .. } => "other_key",
            RenewError::Identity(_) => "invalid",
            RenewError::Store(_) => "storage",
        }
    }
}
