//! Certificates are renewed in place at two thirds of their life: by the authority itself where it is, else by asking
//! every linked gateway until one that holds it answers. Owned by Links.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use pomona_protocol::Cause;
use pomona_transport::Identity;
use tokio_util::task::AbortOnDropHandle;

use super::control::ControlMessage;
use super::peers::Peer;
use crate::owned;
use crate::shared::Shared;

/// Between two tries. A third of the certificate's life is left for them.
const TRY_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Renewal {
    tried_at: Option<Instant>,
    task: Option<AbortOnDropHandle<()>>,
}

impl Renewal {
    /// Renews when it is time.
    pub(super) fn look(&mut self, shared: &Arc<Shared>, identity: &Identity) {
        let is_due = SystemTime::now() >= identity.renew_at();
        let has_waited = self.tried_at.is_none_or(|at| at.elapsed() >= TRY_EVERY);
        if !is_due || !has_waited {
            return;
        }
        self.tried_at = Some(Instant::now());
        let (shared, identity) = (Arc::clone(shared), identity.clone());
        self.task = Some(owned::spawn(async move {
            match renew(&shared, &identity).await {
                Ok(()) => tracing::info!("this machine's certificate was renewed"),
                Err(cause) => tracing::warn!(%cause, "this machine's certificate was not renewed yet"),
            }
        }));
    }
}

async fn renew(shared: &Arc<Shared>, identity: &Identity) -> Result<(), Cause> {
    let internal = |error: &dyn std::fmt::Display| Cause::Internal { message: error.to_string() };
    let request = identity.renewal_request().map_err(|error| internal(&error))?;
    let certificate = if shared.authority.is_some() {
        let own = Peer { node: shared.node.clone(), role: identity.role(), link: 0 };
        shared.sign_again(&own, &request.der)?
    } else {
        ask(shared, request.der).await?
    };
    identity.swap(&certificate).map_err(|error| internal(&error))
}

async fn ask(shared: &Arc<Shared>, request: Vec<u8>) -> Result<Vec<u8>, Cause> {
    let mut last = Cause::LinkLost { node: "a gateway".to_owned(), message: "none is linked".to_owned() };
    for (node, _) in shared.peers.gateways() {
        let request = request.clone();
        match shared.peers.order(&node, |key, reply| ControlMessage::Renew(key, request, reply)).await {
            Ok(certificate) => return Ok(certificate),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

impl Shared {
    /// Signs a member's request again, if this process holds the authority.
    pub(crate) fn sign_again(&self, peer: &Peer, request: &[u8]) -> Result<Vec<u8>, Cause> {
        let Some(authority) = &self.authority else {
            return Err(Cause::NotTheAuthority { holder: "the gateway that was started first".to_owned() });
        };
        let signed = authority.registry.renew(&peer.node, request, &authority.authority, SystemTime::now());
        match signed {
            Ok(signed) => Ok(signed.certificate.as_ref().to_vec()),
            Err(error) => Err(Cause::InvalidRequest {
                parameter: "signing_request".to_owned(),
                message: error.to_string(),
            }),
        }
    }
}
