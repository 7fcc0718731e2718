//! Models from a hub: a server that speaks the Hugging Face API, public or a mirror of one's own.
//!
//! [`pull()`] asks for the list of a repository's files, selects what serving needs, takes them in ranges over
//! several streams, proves each by the hash of the list, and moves them to their place in one rename. What is on the
//! disk already is not taken again, whoever was killed in between. Nothing that a hub says is believed: names,
//! sizes, hashes and redirects are all checked here. Progress and questions of a person are the caller's. [`search`] and
//! [`look`] are for whoever chooses what to pull.

mod address;
mod ask;
mod choices;
mod date;
mod download;
mod endpoint;
mod error;
mod found;
mod hash;
mod listing;
mod place;
mod proof;
mod pull;
mod record;
mod reference;
mod request;
mod retry;
mod select;
mod spans;

pub use ask::{AskError, look, search};
pub use endpoint::{Endpoint, EndpointError, HUB_DEFAULT, Token};
pub use error::PullError;
pub use hash::FileHash;
pub use listing::{HubFile, Listing};
pub use pull::{Order, PullEvent, PullLimits, Pulled, pull};
pub use record::{PullRecord, RecordedFile, Verified, VerifyError, VerifyProblem, record_of, verify};
pub use reference::{Reference, ReferenceError};
pub use retry::RetryLimits;
pub use select::SelectError;
