//! The Rust client of a gateway, and what the terminal commands share: finding an endpoint, asking for models
//! and status, streaming an answer.
//!
//! It reads no file and no environment: `node` does and hands over what it found.

mod chat;
mod client;
mod endpoint;
mod error;
mod models;
pub mod sse;
mod stream;

pub use chat::{ChatEvent, ChatMessage, ChatRequest};
pub use client::Client;
pub use endpoint::{Endpoint, Given, Secret};
pub use error::ClientError;
pub use models::ModelInfo;
pub use stream::ChatStream;
