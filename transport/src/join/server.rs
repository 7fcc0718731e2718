//! The gateway's side of a first contact. The endpoint makes a [`JoinConnection`] of each connection that comes for
//! one; whoever holds the authority decides and answers. Nobody is known yet at this point: everything is bounded in
//! bytes and time, and how many come at once is bounded by the endpoint.

use std::net::SocketAddr;
use std::time::Duration;

use pomona_protocol::join::{JoinAnswer, JoinRequest};
use quinn::VarInt;

use super::frames::{self, FrameIoError};
use super::proof;
use crate::streams::{Connection, SendStream};

/// How long a machine may take to fetch its answer, in milliseconds.
const FETCH_MS_MAX: u64 = 5_000;

/// Why a first contact got no further.
#[derive(Debug, thiserror::Error)]
pub enum JoinConnectionError {
    /// It sent no request in time.
    #[error("`{remote}` sent no join request within {limit_ms} ms")]
    Slow {
        /// Who.
        remote: SocketAddr,
        /// How long it had.
        limit_ms: u64,
    },
    /// It sent something else, or went away.
    #[error("`{remote}` sent no join request: {message}")]
    Broken {
        /// Who.
        remote: SocketAddr,
        /// What happened.
        message: String,
    },
}

/// A machine that asks to be a member. Dropping it closes the connection without an answer.
#[derive(Debug)]
pub struct JoinConnection {
    request: JoinRequest,
    exporter: [u8; 32],
    connection: Connection,
    send: SendStream,
}

impl JoinConnection {
    /// Reads the request. `limit` counts from now.
    pub async fn receive(connection: Connection, limit: Duration) -> Result<Self, JoinConnectionError> {
        let remote = connection.remote_address();
        let broken = |message: String| JoinConnectionError::Broken { remote, message };
        let exporter = proof::exporter_of(&connection)
            .ok_or_else(|| broken("the connection has no keying material".to_owned()))?;
        let read = async {
            let (send, mut receive) = connection.accept_bi().await.map_err(|error| error.to_string())?;
            let request =
                frames::read(&mut receive).await.map_err(|error: FrameIoError| error.to_string())?;
            Ok((send, request))
        };
        match tokio::time::timeout(limit, read).await {
            Ok(Ok((send, request))) => Ok(Self { request, exporter, connection, send }),
            Ok(Err(message)) => {
                connection.close(VarInt::from_u32(1), b"no join request");
                Err(broken(message))
            }
            Err(_) => {
                connection.close(VarInt::from_u32(1), b"too slow");
                Err(JoinConnectionError::Slow { remote, limit_ms: limit.as_millis() as u64 })
            }
        }
    }

    /// What it asks.
    pub fn request(&self) -> &JoinRequest {
        &self.request
    }

    /// Keying material of this connection, which the request's proof is made of.
    pub fn exporter(&self) -> &[u8; 32] {
        &self.exporter
    }

    /// Where it comes from.
    pub fn remote(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// Sends the answer, waits until it was fetched, and closes.
    pub async fn answer(mut self, answer: &JoinAnswer) -> Result<(), JoinConnectionError> {
        let remote = self.remote();
        frames::write(&mut self.send, answer)
            .await
            .map_err(|error| JoinConnectionError::Broken { remote, message: error.to_string() })?;
        // Either the machine closes, having read it all, or it is gone: both end the wait.
        let _ = tokio::time::timeout(Duration::from_millis(FETCH_MS_MAX), self.connection.closed()).await;
        Ok(())
    }
}

impl Drop for JoinConnection {
    fn drop(&mut self) {
        self.connection.close(VarInt::from_u32(0), b"");
    }
}
