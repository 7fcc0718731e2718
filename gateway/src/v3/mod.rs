//! Sessions for clients: the REST routes of `/v3`, the streams of events, and the JSON that both speak.
//!
//! Handlers read a request ([`extract`]), turn its body into a command ([`bodies`]), ask the session through the actors
//! ([`asking`]), and write what it answers. They decide nothing: who may do what, and in which order, is the session's.

pub(crate) mod asking;
pub(crate) mod audit;
pub(crate) mod bodies;
pub(crate) mod envelope;
pub(crate) mod events;
pub(crate) mod extract;
pub(crate) mod feed;
pub(crate) mod feeds;
mod markdown;
pub(crate) mod prometheus;
pub(crate) mod schema;
pub(crate) mod sessions;
pub(crate) mod silence;
pub(crate) mod sse;
pub(crate) mod topics;
pub(crate) mod transfer;
pub(crate) mod turns;
pub(crate) mod ws;
mod ws_lanes;
mod ws_messages;
mod ws_orders;
mod ws_socket;
mod ws_work;
