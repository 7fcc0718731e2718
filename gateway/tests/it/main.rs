//! The gateway as its clients see it: over TCP, in front of real actors and a real engine in a thread.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod acme;
mod admin;
mod auth;
mod dashboard;
mod http_service;
mod limits;
mod requests;
mod server;
mod sessions;
mod signin;
mod streams;
mod tls;
mod v3_socket;
mod websocket;
