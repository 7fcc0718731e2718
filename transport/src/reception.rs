//! Takes in whoever connects: counts them, shakes hands, greets members, and puts the rest through by protocol. Runs on
//! the network thread; what comes out is read through `Endpoint::accept`.

use std::sync::Arc;
use std::time::Duration;

use pomona_config::LinkConfig;
use pomona_protocol::PathKind;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{ServerConfig, VarInt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::doors::{Doors, Entry, HANDSHAKES_MAX};
use crate::endpoint::Incoming;
use crate::greeting::{AttemptError, Greeter};
use crate::http3::Http3Connection;
use crate::link::{LinkError, canonical};
use crate::streams::CloseCode;
use crate::tls::{self, ALPN_HTTP3, ALPN_JOIN, ALPN_MEMBER};
use crate::tuning;

/// Bytes of a handshake that wait until somebody looks at it; a hello takes 1 to 2 KiB.
const EARLY_BYTES_MAX: u64 = 16 * 1024;
/// The same of all handshakes.
const EARLY_BYTES_ALL_MAX: u64 = 4 * 1024 * 1024;

/// The accepting half of an endpoint.
pub(crate) struct Reception {
    near: Arc<ServerConfig>,
    far: Arc<ServerConfig>,
    deadline: Duration,
    greeter: Arc<Greeter>,
    arrived: mpsc::Sender<Incoming>,
}

impl Reception {
    pub(crate) fn new(
        crypto: Arc<QuicServerConfig>,
        link: &LinkConfig,
        greeter: Arc<Greeter>,
        arrived: mpsc::Sender<Incoming>,
    ) -> Self {
        let mut near = ServerConfig::with_crypto(crypto);
        near.max_incoming(HANDSHAKES_MAX as usize);
        near.incoming_buffer_size(EARLY_BYTES_MAX);
        near.incoming_buffer_size_total(EARLY_BYTES_ALL_MAX);
        // A clone keeps the key that proofs of address are checked with.
        let mut far = near.clone();
        near.transport_config(tuning::accepted(link, PathKind::Lan));
        far.transport_config(tuning::accepted(link, PathKind::Wan));
        let deadline = Duration::from_millis(link.greeting_ms);
        Self { near: Arc::new(near), far: Arc::new(far), deadline, greeter, arrived }
    }

    /// What quinn takes when it is not told otherwise.
    pub(crate) fn default_config(&self) -> ServerConfig {
        ServerConfig::clone(&self.far)
    }

    /// Receives until the endpoint is closed.
    pub(crate) async fn receive(&self, quinn: &quinn::Endpoint) {
        let doors = Doors::default();
        let mut greetings = JoinSet::new();
        loop {
            tokio::select! {
                incoming = quinn.accept() => {
                    let Some(incoming) = incoming else { return };
                    self.decide(incoming, &doors, &mut greetings);
                }
                Some(ended) = greetings.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a greeting ended by a defect");
                    }
                }
            }
        }
    }

    fn decide(&self, incoming: quinn::Incoming, doors: &Doors, greetings: &mut JoinSet<()>) {
        let address = canonical(incoming.remote_address());
        match doors.knock(address.ip(), incoming.remote_address_validated()) {
            Entry::Come(place) => {
                let config = match tuning::likely_path(address.ip()) {
                    PathKind::Lan => Arc::clone(&self.near),
                    PathKind::Wan => Arc::clone(&self.far),
                };
                let (greeter, arrived) = (Arc::clone(&self.greeter), self.arrived.clone());
                let deadline = self.deadline;
                greetings.spawn(async move {
                    let _place = place;
                    match receive_one(incoming, config, &greeter, deadline).await {
                        // Nobody accepts any more only when the endpoint goes.
                        Ok(incoming) => drop(arrived.send(incoming).await),
                        Err(error) => tracing::info!(%address, %error, "a connection did not become a link"),
                    }
                });
            }
            Entry::Prove => match incoming.retry() {
                Ok(()) => tracing::debug!(%address, "asked to prove its address"),
                Err(error) => error.into_incoming().refuse(),
            },
            Entry::Full => {
                tracing::debug!(%address, "refused: too many handshakes are under way");
                incoming.refuse();
            }
        }
    }
}

async fn receive_one(
    incoming: quinn::Incoming,
    config: Arc<ServerConfig>,
    greeter: &Greeter,
    deadline: Duration,
) -> Result<Incoming, AttemptError> {
    let started = tokio::time::Instant::now();
    let too_late =
        || AttemptError::TooLate { limit_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX) };
    let handshake = incoming.accept_with(config).map_err(LinkError::from)?;
    let connection = timeout(deadline, handshake).await.map_err(|_| too_late())?.map_err(LinkError::from)?;
    match tls::protocol_of(&connection).as_deref() {
        Some(ALPN_MEMBER) => {
            let left = deadline.saturating_sub(started.elapsed());
            match timeout(left, greeter.answer(connection.clone())).await {
                Ok(outcome) => outcome.map(Incoming::Link),
                Err(_) => {
                    let error = too_late();
                    connection.close(CloseCode::TooLate.code(), error.to_string().as_bytes());
                    Err(error)
                }
            }
        }
        Some(ALPN_JOIN) => Ok(Incoming::Join(connection)),
        Some(ALPN_HTTP3) => {
            connection.set_max_concurrent_bi_streams(VarInt::from_u32(tuning::HTTP3_STREAMS));
            connection.set_receive_window(VarInt::from_u32(tuning::HTTP3_WINDOW));
            Ok(Incoming::Http3(Http3Connection::new(connection)))
        }
        other => {
            let message = format!("unknown protocol {:?}", other.map(String::from_utf8_lossy));
            connection.close(CloseCode::Greeting.code(), message.as_bytes());
            Err(AttemptError::Malformed { message })
        }
    }
}
