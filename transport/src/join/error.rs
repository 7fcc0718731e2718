//! Why a machine does not become a member. The node shows the message as it is.

use std::fmt::{self, Write as _};
use std::io;

use pomona_protocol::join::JoinRefusal;

use crate::error::IdentityError;

/// An address that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The address, as the token or mDNS has it.
    pub address: String,
    /// How it went.
    pub failure: DialFailure,
}

/// How one address failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// Nothing answered, or not as a gateway does.
    Unreachable {
        /// Why.
        message: String,
    },
    /// Somebody answered who is not the gateway of this token.
    Foreign {
        /// How that shows.
        message: String,
    },
    /// The gateway's certificate does not count at this machine's time.
    Clock {
        /// By how much this machine's clock is wrong at least, in seconds.
        seconds: u64,
        /// `behind` or `ahead`.
        direction: &'static str,
    },
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialFailure::Unreachable { message } | DialFailure::Foreign { message } => f.write_str(message),
            DialFailure::Clock { direction, .. } => write!(f, "this machine's clock is {direction}"),
        }
    }
}

/// Why a machine is no member.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No address answered.
    #[error("no gateway could be reached{}; is it running, and does a firewall let UDP through?", list(.tried))]
    Unreachable {
        /// What was tried, and how each failed.
        tried: Vec<Tried>,
    },
    /// There was nothing to dial.
    #[error(
        "the token has no address and {}; make one with an address (pomona token create on a gateway that has \
         cluster.wan_addresses)",
        if *.looked { "no gateway of its cluster answers on this network" } else { "mDNS is off (cluster.mdns)" }
    )]
    NoAddress {
        /// Whether the network was asked.
        looked: bool,
    },
    /// Somebody else answered.
    #[error(
        "`{address}` is not the gateway that made this token: {message}; take the token from the right cluster, or find \
         out who answers there"
    )]
    WrongFingerprint {
        /// Where.
        address: String,
        /// How it shows.
        message: String,
    },
    /// The gateway's certificate does not count yet, or any more, by this machine's clock.
    #[error("this machine's clock is {direction} by at least {seconds} s; set it and try again")]
    Clock {
        /// By how much, in seconds.
        seconds: u64,
        /// `behind` or `ahead`.
        direction: &'static str,
    },
    /// The gateway says no, and why.
    #[error(transparent)]
    Refused(#[from] JoinRefusal),
    /// The connection broke in the middle.
    #[error(
        "the contact with `{address}` broke off: {message}; try again, the token still counts for this machine"
    )]
    Interrupted {
        /// With whom.
        address: String,
        /// How.
        message: String,
    },
    /// What the gateway gave is not what was asked for.
    #[error("the gateway's answer is not acceptable: {message}; do both run the same version of pomona?")]
    Membership {
        /// Why.
        message: String,
    },
    /// No socket.
    #[error("cannot open a UDP socket at `{bind}`: {source}")]
    Bind {
        /// Where.
        bind: String,
        /// What the system said.
        source: io::Error,
    },
    /// The key or the certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl JoinError {
    /// The error that tells most: what somebody answered before silence.
    pub(super) fn unreached(tried: Vec<Tried>, looked: bool) -> Self {
        if tried.is_empty() {
            return JoinError::NoAddress { looked };
        }
        for Tried { address, failure } in &tried {
            if let DialFailure::Clock { seconds, direction } = *failure {
                return JoinError::Clock { seconds, direction };
            }
            if let DialFailure::Foreign { message } = failure {
                return JoinError::WrongFingerprint { address: address.clone(), message: message.clone() };
            }
        }
        JoinError::Unreachable { tried }
    }
}

fn list(tried: &[Tried]) -> String {
    tried.iter().fold(String::new(), |mut text, Tried { address, failure }| {
        let mark = if text.is_empty() { ": " } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(text, "{mark}`{address}` ({failure})");
        text
    })
}
