//! Brings refused links into the audit. `machine` starts it where the authority lives; the network thread only hands over
//! and never waits for the disk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use pomona_actors::AuthorityParts;
use pomona_protocol::{LinkRefusal, NodeId};
use pomona_transport::OnRefused;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Refusals that wait to be written; the audit takes few per address anyway, and the log names every one.
const WAITING_MAX: usize = 256;

/// One refused link.
struct Refused {
    node: Option<NodeId>,
    remote: SocketAddr,
    refusal: LinkRefusal,
    at: SystemTime,
}

/// Writes until it is dropped.
pub(crate) struct RefusalLog {
    sender: mpsc::Sender<Refused>,
    _writer: AbortOnDropHandle<()>,
}

impl RefusalLog {
    /// Starts writing to the audit of this authority.
    #[expect(clippy::disallowed_methods, reason = "the handle is the owner")]
    pub(crate) fn start(authority: &Arc<AuthorityParts>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let writer = AbortOnDropHandle::new(tokio::spawn(write(receiver, Arc::clone(authority))));
        Self { sender, _writer: writer }
    }

    /// What the endpoint calls.
    pub(crate) fn listener(&self) -> OnRefused {
        let sender = self.sender.clone();
        Arc::new(move |node, remote, refusal| {
            let refused =
                Refused { node: node.cloned(), remote, refusal: refusal.clone(), at: SystemTime::now() };
            if sender.try_send(refused).is_err() {
                tracing::warn!(%remote, code = refusal.code(), "a refused link is missing in the audit: too many at once");
            }
        })
    }
}

async fn write(mut refusals: mpsc::Receiver<Refused>, authority: Arc<AuthorityParts>) {
    while let Some(Refused { node, remote, refusal, at }) = refusals.recv().await {
        let authority = Arc::clone(&authority);
        let line = move || authority.registry.link_refused(node.as_ref(), remote, &refusal, at);
        if let Err(error) = tokio::task::spawn_blocking(line).await {
            tracing::error!(%error, "the audit of refused links ended by a defect");
        }
    }
}
