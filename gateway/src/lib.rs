//! The one way in: OpenAI-compatible HTTP and WebSocket, keys, limits, metrics.
//!
//! A request goes `accept` (one Client actor per connection) → `guard` (host, origin, method, key, place) →
//! `routes` → a handler, which makes turns of it and writes their events as they come. This crate decides
//! nothing about turns and knows no engine; it alone knows HTTP status codes.

mod accept;
mod admin;
mod anthropic;
mod auth;
mod body;
mod errors;
mod form;
mod gateway;
mod guard;
mod hmac;
mod hosts;
mod http;
mod http_service;
mod keys;
pub mod metrics;
mod openai;
mod openapi;
mod plain_chat;
mod responses;
mod routes;
mod signin;
mod stall;
mod state;
mod tls;
mod turnlog;
mod v3;
mod watched_body;
mod web;
mod webhook;
mod ws;

pub use gateway::{BindError, Door, Gateway, GatewayParts, Served};
pub use http_service::{ConnectError, HttpConnection, HttpService};
pub use keys::{KeyError, KeyId, KeyRing};
pub use metrics::Metrics;
pub use signin::SignInLinks;
pub use tls::{AcmeParts, ServerCertificate, TlsError, TlsSource};
pub use webhook::WebhookError;
