//! Weights between machines: a node that lacks a model takes it from its neighbours.
//!
//! The giving side is a [`Catalog`] of local models and a [`Giver`] that answers one
//! [`BlobRequest`](pomona_protocol::BlobRequest) per stream. The taking side is [`fetch()`], which takes pieces from
//! several [`Source`]s at once, proves each by its hash, and goes on where it was after a crash. Both work on any
//! byte stream; who opens streams, and who may, is left to the caller. A model that nobody of the fleet has comes
//! from a hub: [`hub`].

mod digest;
mod manifest;
mod path;

mod cache;
mod card;
mod catalog;
mod scan;

mod bucket;
mod give;

mod receive;
mod source;

pub mod plan;
mod take;

mod error;
mod fetch;
mod journal;
mod partial;
mod remove;

pub mod hub;

pub use card::describe;
pub use catalog::{Catalog, LocalModel, OnHash, ScanProblem};
pub use digest::{Digest, DigestError};
pub use error::FetchError;
pub use fetch::{FetchProgress, OnProgress, TakeLimits, Wanted, fetch};
pub use give::{GiveError, GiveLimits, Given, Giver};
pub use manifest::{ManifestError, check_manifest, manifest_digest};
pub use partial::remove_abandoned;
pub use path::PathProblem;
pub use remove::{RemoveError, remove_model};
pub use scan::{HashProgress, HashedModel, ScanError, hash_folder};
pub use source::{Answering, ByteStream, Source, SourceError, ask_over, read_answer};
