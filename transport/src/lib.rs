//! QUIC: identity, join, dial, accept, streams. The only crate that knows quinn.
//!
//! Read in this order: who a machine is ([`authority`], [`identity`]), how two of them meet ([`endpoint`],
//! [`greeting`]), and what they hold afterwards ([`link`], [`streams`]).

pub mod audit;
pub mod authority;
pub mod certificate;
pub mod discovery;
pub mod error;
mod files;
pub mod http3;
pub mod identity;
pub mod join;
pub mod registry;
pub mod revocation;

pub mod endpoint;
pub mod greeting;
pub mod link;
pub mod race;
pub mod streams;

pub mod addresses;
pub mod doors;
mod frames;
mod net;
mod reception;
mod socket;
pub mod speaker;
pub mod tls;
mod tuning;

pub use addresses::local_addresses;
pub use authority::{Authority, ServerCertificate, SignedMember};
pub use endpoint::{BindError, DialError, DialTarget, Endpoint, EndpointParts, Incoming, OnRefused};
pub use error::IdentityError;
pub use greeting::AttemptError;
pub use identity::{Identity, SigningRequest};
pub use link::{Link, LinkError, LinkStats, Peer};
pub use race::Candidate;
pub use revocation::RevocationList;
pub use speaker::Speaker;
pub use streams::{CloseCode, Connection, RecvStream, SendStream};
