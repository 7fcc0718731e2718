//! The Rust client of a gateway, and what the terminal commands share: finding an endpoint, asking for models
//! and status, administering a cluster, streaming an answer.
//!
//! It reads no file and no environment: `node` does and hands over what it found.

mod admin;
mod chat;
mod client;
mod endpoint;
mod error;
mod models;
mod reach;
pub mod sse;
mod stream;
mod trust;

pub use chat::{ChatEvent, ChatMessage, ChatRequest};
pub use client::Client;
pub use endpoint::{Endpoint, Gateway, Given, Secret};
pub use error::ClientError;
pub use models::ModelInfo;
pub use stream::ChatStream;
