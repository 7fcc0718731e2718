//! The gateway as its clients see it: over TCP, in front of real actors and a real engine in a thread.

mod auth;
mod limits;
mod requests;
mod server;
mod streams;
mod websocket;
