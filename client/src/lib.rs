//! The Rust client of a gateway, and what the terminal commands share: finding an endpoint, asking for models
//! and status, administering a cluster, streaming an answer, and sessions, which outlive connections.
//!
//! It reads no file and no environment: `node` does and hands over what it found.

mod admin;
mod backoff;
mod chat;
mod client;
mod ear;
mod embed;
mod endpoint;
mod error;
mod logs;
mod models;
mod reach;
mod session_stream;
mod sessions;
pub mod sse;
mod stream;
mod trust;

pub use admin::SignInLink;
pub use chat::{ChatContent, ChatEvent, ChatMessage, ChatPart, ChatRequest, PictureAddress};
pub use client::Client;
pub use embed::{EmbedRequest, Embedding, EmbeddingUsage, Embeddings};
pub use endpoint::{Endpoint, Gateway, Given, Secret};
pub use error::ClientError;
pub use logs::{LogEvent, LogFollow, LogsQuery};
pub use models::ModelInfo;
pub use session_stream::{FeedEvent, SessionFeed};
pub use sessions::{AuditLine, SessionsQuery};
pub use stream::ChatStream;
