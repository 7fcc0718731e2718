//! First contact: how a machine with a token becomes a member. `pomona join` calls [`join`]; the gateway that holds the
//! authority gets a [`JoinConnection`] from its endpoint and lets the registry decide.
//!
//! The machine makes its key itself, dials, and trusts nothing but the authority that the token names; then it proves
//! that it knows the token's secret, for this one connection, and asks for a certificate. Who stands in the middle
//! fails at the certificate and learns nothing that works anywhere else.

mod dial;
mod error;
mod frames;
pub(crate) mod proof;
mod server;
#[cfg(test)]
mod tests;
mod verifier;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pomona_protocol::join::{JoinAnswer, JoinRequest, Membership};
use pomona_protocol::link::LINK_PROTOCOL;
use pomona_protocol::{JoinToken, PeerRole};
use quinn::VarInt;
use rustls::pki_types::CertificateDer;

pub use self::error::{DialFailure, JoinError, Tried};
pub use self::server::{JoinConnection, JoinConnectionError};

use crate::certificate::{Certified, fingerprint_of};
use crate::discovery;
use crate::identity::{Identity, SigningRequest};

/// How long a gateway has for its answer, in milliseconds: it writes to its disk.
const ANSWER_MS_MAX: u64 = 15_000;
/// How long gateways are looked for on the LAN, in milliseconds: three questions of mDNS.
const BROWSE_MS: u64 = 4_000;

/// What a machine that joins has and wants.
#[derive(Clone, Debug)]
pub struct JoinParts {
    /// What the person carried over.
    pub token: JoinToken,
    /// What it wants to be; has to be what the token is for.
    pub role: PeerRole,
    /// What people are to call it; the token may fix another name.
    pub name: String,
    /// Version of this program.
    pub version: String,
    /// Local address to dial from; unspecified for any.
    pub bind: IpAddr,
    /// Where key and certificates go.
    pub folder: PathBuf,
    /// Look for the gateway on the LAN when the token has no address, or none that answers.
    pub mdns: bool,
}

/// Makes this machine a member. On an error it is what it was before and keeps its key, so that it may ask again with
/// the same token even if the gateway's answer got lost on its way.
pub async fn join(parts: &JoinParts) -> Result<(Identity, Membership), JoinError> {
    let request = Identity::create_request(&parts.folder)?;
    let endpoint = dial::endpoint(parts.bind)?;
    let (connection, address) = reach(&endpoint, parts).await?;
    let limit = Duration::from_millis(ANSWER_MS_MAX);
    let answered = tokio::time::timeout(limit, ask(&connection, parts, &request)).await;
    connection.close(VarInt::from_u32(0), b"");
    // The gateway hears the end of it; on an error it will notice by itself.
    let _ = tokio::time::timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    let answer = match answered {
        Ok(Ok(answer)) => answer,
        Ok(Err(message)) => return Err(JoinError::Interrupted { address, message }),
        Err(_) => {
            let message = format!("no answer within {} s", limit.as_secs());
            return Err(JoinError::Interrupted { address, message });
        }
    };
    match answer {
        JoinAnswer::Refused(refusal) => Err(JoinError::Refused(refusal)),
        JoinAnswer::Welcome(membership) => {
            check_membership(parts, &membership)?;
            let identity = Identity::install(&parts.folder, &membership)?;
            Ok((identity, *membership))
        }
    }
}

/// The first gateway that answers and is the right one: at the token's addresses, then at those found on the LAN.
async fn reach(
    endpoint: &quinn::Endpoint,
    parts: &JoinParts,
) -> Result<(quinn::Connection, String), JoinError> {
    let token = &parts.token;
    let mut tried = Vec::new();
    if !token.addresses.is_empty() {
        match dial::first(endpoint, &token.addresses, token.fingerprint).await {
            Ok(reached) => return Ok(reached),
            Err(failures) => tried = failures,
        }
    }
    if parts.mdns {
        let limit = Duration::from_millis(BROWSE_MS);
        let found = discovery::browse(&token.fingerprint, parts.bind, limit).await;
        let addresses = found.into_iter().flat_map(|gateway| gateway.lan);
        let fresh: Vec<String> = addresses.filter(|address| !token.addresses.contains(address)).collect();
        match dial::first(endpoint, &fresh, token.fingerprint).await {
            Ok(reached) => return Ok(reached),
            Err(failures) => tried.extend(failures),
        }
    }
    Err(JoinError::unreached(tried, parts.mdns))
}

async fn ask(
    connection: &quinn::Connection,
    parts: &JoinParts,
    request: &SigningRequest,
) -> Result<JoinAnswer, String> {
    let exporter = proof::exporter_of(connection).ok_or("the connection has no keying material")?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let request = JoinRequest {
        protocol: LINK_PROTOCOL,
        version: parts.version.clone(),
        token: parts.token.id,
        proof: proof::make(&proof::digest_of(&parts.token.secret), &exporter).to_vec(),
        role: parts.role,
        name: parts.name.clone(),
        signing_request: request.der.clone(),
        now_unix_ms: since.as_millis() as u64,
    };
    let (mut send, mut receive) = connection.open_bi().await.map_err(|error| error.to_string())?;
    frames::write(&mut send, &request).await.map_err(|error| error.to_string())?;
    frames::read(&mut receive).await.map_err(|error| error.to_string())
}

/// The gateway is genuine; this finds out early when it and we mean different things.
fn check_membership(parts: &JoinParts, membership: &Membership) -> Result<(), JoinError> {
    let foreign = |message: String| JoinError::Membership { message };
    let authority = fingerprint_of(&CertificateDer::from(membership.authority.as_slice()))?;
    if authority != parts.token.fingerprint {
        return Err(foreign("it comes with another authority than the token's".to_owned()));
    }
    let certified = Certified::read(&CertificateDer::from(membership.certificate.as_slice()))?;
    if certified.role != parts.role {
        let (given, asked) = (certified.role.as_str(), parts.role.as_str());
        return Err(foreign(format!("it makes this machine a {given} and it asked to be a {asked}")));
    }
    Ok(())
}
