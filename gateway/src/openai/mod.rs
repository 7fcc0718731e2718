//! The OpenAI face: requests in, answers out, exactly the shapes that the official clients know.
//!
//! A request becomes a [`plan::Plan`], a plan becomes turns, turns become [`choices::Choices`]; those are read
//! to the end ([`answer`]) or streamed ([`sse`]).

pub(crate) mod answer;
pub(crate) mod chat;
pub(crate) mod choices;
pub(crate) mod chunks;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod logprobs;
pub(crate) mod messages;
pub(crate) mod models;
pub(crate) mod plan;
pub(crate) mod sampling;
pub(crate) mod sse;
