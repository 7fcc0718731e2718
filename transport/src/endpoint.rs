//! One UDP socket for everything: member links in both directions, first contacts, and HTTP/3 of clients, told apart by
//! ALPN. Bound once per process by its composition root; whoever accepts reads [`Endpoint::accept`] in a loop.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use pomona_config::LinkConfig;
use pomona_protocol::{LinkPurpose, LinkRefusal, NodeId};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connecting};
use rustls::server::ResolvesServerCert;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::time::timeout;

use crate::certificate::server_name;
use crate::error::IdentityError;
use crate::greeting::{AttemptError, Greeter};
use crate::http3::Http3Connection;
use crate::identity::Identity;
use crate::link::{Link, LinkError, Table};
use crate::net::{NetRuntime, NetThread};
use crate::race::{Candidate, race};
use crate::reception::Reception;
use crate::revocation::RevocationList;
use crate::speaker::Speaker;
use crate::streams::{CloseCode, Connection};
use crate::tls::Certificates;
use crate::{socket, tls, tuning};

/// Connections that were greeted and wait for [`Endpoint::accept`]; more wait in the doorway.
const ACCEPTED_MAX: usize = 64;
/// How long closing waits for the other sides to hear of it.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// Hears whom this endpoint refused: the member that the certificate names, where it came from, and why. Called on the
/// network thread, so it must not wait.
pub type OnRefused = Arc<dyn Fn(Option<&NodeId>, SocketAddr, &LinkRefusal) + Send + Sync>;

/// What an endpoint is made of.
pub struct EndpointParts {
    /// Address and port of the socket; port 0 takes any free one.
    pub bind: SocketAddr,
    /// Who this machine is.
    pub identity: Identity,
    /// What it says of itself.
    pub speaker: Speaker,
    /// Timeouts and sizes.
    pub link: LinkConfig,
    /// Links of one purpose that others may have open to this endpoint.
    pub members_max: u32,
    /// Members that were removed.
    pub revoked: RevocationList,
    /// Hears of every link that others asked for and did not get; [`LinkRefusal::ShuttingDown`] is none of these.
    pub on_refused: Option<OnRefused>,
}

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken or not this machine's.
    #[error("cannot take UDP {address}: {source}")]
    Socket {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The identity is of no use for TLS.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No thread, or no runtime on it.
    #[error("cannot start the network thread: {0}")]
    Thread(io::Error),
}

/// Whom to dial, and where it may be.
#[derive(Clone, Debug)]
pub struct DialTarget {
    /// Who has to answer; `None` takes any member of the cluster.
    pub node: Option<NodeId>,
    /// Where; LAN candidates are tried first.
    pub candidates: Vec<Candidate>,
    /// What the link is for.
    pub purpose: LinkPurpose,
}

/// Why nobody was reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// There is no address to dial.
    #[error("no address is known")]
    NoCandidates,
    /// The target is this machine.
    #[error("`{0}` is this machine itself")]
    Own(NodeId),
    /// The peer was reached and does not want to talk, or this side does not.
    #[error("{refusal} ({address})")]
    Refused {
        /// Its reason.
        refusal: LinkRefusal,
        /// Where it was reached.
        address: SocketAddr,
    },
    /// Every address failed.
    #[error("{}", listed(.0))]
    Failed(Vec<(Candidate, AttemptError)>),
}

/// What arrives at an endpoint.
#[derive(Debug)]
pub enum Incoming {
    /// A member; the greeting is done.
    Link(Link),
    /// A machine that wants to be a member. Nothing was read.
    Join(Connection),
    /// A client that speaks HTTP/3. Nothing was read.
    Http3(Http3Connection),
}

/// One UDP socket. Clones are the same endpoint; the last one dropped closes every connection.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

struct Shared {
    quinn: quinn::Endpoint,
    thread: Mutex<NetThread>,
    greeter: Arc<Greeter>,
    certificates: Arc<Certificates>,
    client: Arc<QuicClientConfig>,
    link: LinkConfig,
    arrived: AsyncMutex<mpsc::Receiver<Incoming>>,
}

impl Endpoint {
    /// Takes the socket and starts the thread that serves it.
    pub async fn bind(parts: EndpointParts) -> Result<Self, BindError> {
        let EndpointParts { bind, identity, speaker, link, members_max, revoked, on_refused } = parts;
        let certificates = Arc::new(Certificates { identity: identity.clone(), http: OnceLock::new() });
        let client = tls::client(&certificates)?;
        let server = tls::server(&certificates)?;
        let greeter = Arc::new(Greeter {
            speaker: ArcSwap::from_pointee(speaker.fitted()),
            revoked,
            table: Table::default(),
            on_refused,
            members_max,
            streams_max: link.streams_max,
            draining: AtomicBool::new(false),
            identity: identity.clone(),
        });
        let (sender, arrived) = mpsc::channel(ACCEPTED_MAX);
        let reception = Reception::new(server, &link, Arc::clone(&greeter), sender);
        let udp = socket::open(bind).map_err(|source| BindError::Socket { address: bind, source })?;
        let config = socket::endpoint_config(&identity);
        let default_server = reception.default_config();
        let build =
            move |handle| quinn::Endpoint::new(config, Some(default_server), udp, NetRuntime::shared(handle));
        let work = |quinn: quinn::Endpoint, stopping| async move {
            tokio::select! {
                () = reception.receive(&quinn) => {}
                _ = stopping => {}
            }
            quinn.close(CloseCode::Shutdown.code(), b"this process goes down");
            // Who has not heard of it by then notices by itself.
            drop(timeout(CLOSE_WAIT, quinn.wait_idle()).await);
        };
        let (thread, quinn) = NetThread::start(build, work).await.map_err(BindError::Thread)?;
        let (thread, arrived) = (Mutex::new(thread), AsyncMutex::new(arrived));
        let shared = Shared { quinn, thread, greeter, certificates, client, link, arrived };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Address and port of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.quinn.local_addr()
    }

    /// What comes next, or `None` when the endpoint was closed.
    pub async fn accept(&self) -> Option<Incoming> {
        self.shared.arrived.lock().await.recv().await
    }

    /// Connects to a member and greets it. Dropping the future gives up every try.
    pub async fn dial(&self, target: DialTarget) -> Result<Link, DialError> {
        if target.candidates.is_empty() {
            return Err(DialError::NoCandidates);
        }
        if let Some(node) = target.node.as_ref().filter(|node| *node == self.shared.greeter.identity.node()) {
            return Err(DialError::Own(node.clone()));
        }
        let head_start = Duration::from_millis(self.shared.link.wan_head_start_ms);
        let turn = AsyncMutex::new(());
        let attempt = |candidate| Box::pin(self.attempt(&target, candidate, &turn));
        // A refusal by the right node is its word, whichever way it came.
        let ends = |error: &AttemptError| {
            target.node.is_some() && matches!(error, AttemptError::Refused(_) | AttemptError::Unwelcome(_))
        };
        let failed = match race(&target.candidates, head_start, attempt, ends).await {
            Ok(link) => return Ok(link),
            Err(failed) => failed,
        };
        let refused = failed.iter().find_map(|(candidate, error)| match error {
            AttemptError::Refused(refusal) | AttemptError::Unwelcome(refusal) => {
                Some(DialError::Refused { refusal: refusal.clone(), address: candidate.address })
            }
            _ => None,
        });
        Err(refused.unwrap_or(DialError::Failed(failed)))
    }

    /// Says something else in greetings from now on; its addresses changed, for instance.
    pub fn set_speaker(&self, speaker: Speaker) {
        self.shared.greeter.speaker.store(Arc::new(speaker.fitted()));
    }

    /// Offers HTTP/3 with the certificates of this resolver. Counts once.
    pub fn offer_http3(&self, certificates: Arc<dyn ResolvesServerCert>) {
        self.shared.certificates.http.get_or_init(|| certificates);
    }

    /// Replaces the list of removed members, and closes the links of those on it.
    pub fn set_revoked(&self, nodes: &[NodeId]) {
        self.shared.greeter.revoked.set_all(nodes.iter().cloned());
        self.revoke(nodes);
    }

    /// Notes members as removed and closes their links at once, with [`LinkError::Revoked`] on both sides.
    pub fn revoke(&self, nodes: &[NodeId]) {
        self.shared.greeter.revoked.add(nodes);
        for link in self.links() {
            if nodes.contains(&link.peer().node) {
                link.close(CloseCode::Revoked, "this member was removed from the cluster");
            }
        }
    }

    /// The open links, in the order in which they were greeted.
    pub fn links(&self) -> Vec<Link> {
        self.shared.greeter.table.open()
    }

    /// Answers greetings with [`LinkRefusal::ShuttingDown`] from now on; open links go on.
    pub fn drain(&self) {
        self.shared.greeter.draining.store(true, Ordering::Relaxed);
    }

    /// Moves to another port of the same address, as a change of network does to a socket; open links that this side
    /// dialled go on.
    pub fn rebind(&self) -> io::Result<()> {
        let address = SocketAddr::new(self.local_addr()?.ip(), 0);
        self.shared.quinn.rebind(socket::open(address)?)
    }

    /// Closes every connection, waits until the others heard of it (a second at most) and ends the thread.
    pub async fn close(&self) {
        self.shared.quinn.close(CloseCode::Shutdown.code(), b"this process goes down");
        let stopped = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).stop();
        if let Some(stopped) = stopped {
            // The thread drops its end as the last thing it does.
            drop(stopped.await);
        }
    }

    async fn attempt(
        &self,
        target: &DialTarget,
        candidate: Candidate,
        turn: &AsyncMutex<()>,
    ) -> Result<Link, AttemptError> {
        let limit_ms = self.shared.link.greeting_ms;
        let link = async {
            let connection = self.connect(target, candidate)?.await.map_err(LinkError::from)?;
            let certified = self.shared.greeter.certified(&connection)?;
            if let Some(expected) = target.node.as_ref().filter(|node| **node != certified.node) {
                let (expected, found) = (expected.clone(), certified.node);
                return Err(AttemptError::WrongNode { expected, found });
            }
            if &certified.node == self.shared.greeter.identity.node() {
                return Err(AttemptError::Own);
            }
            // One greeting at a time, so that the other side sees one link and not one per address; but a path that
            // falls silent now does not hold up the others.
            let patience = Duration::from_millis(self.shared.link.wan_head_start_ms);
            let _turn = timeout(patience, turn.lock()).await;
            self.shared.greeter.greet(connection, target.purpose, candidate.path).await
        };
        let limit = Duration::from_millis(limit_ms);
        timeout(limit, link).await.unwrap_or(Err(AttemptError::TooLate { limit_ms }))
    }

    fn connect(&self, target: &DialTarget, candidate: Candidate) -> Result<Connecting, AttemptError> {
        let client = Arc::clone(&self.shared.client);
        let mut config = ClientConfig::new(client);
        config.transport_config(tuning::dialled(&self.shared.link, candidate.path, target.purpose));
        let name = target.node.as_ref().map_or_else(|| "any.pomona.internal".to_owned(), server_name);
        self.shared
            .quinn
            .connect_with(config, candidate.address, &name)
            .map_err(|error| AttemptError::Address { message: error.to_string() })
    }
}

fn listed(failed: &[(Candidate, AttemptError)]) -> String {
    let all: Vec<String> = failed
        .iter()
        .map(|(candidate, error)| format!("{} ({}): {error}", candidate.address, candidate.path.as_str()))
        .collect();
    all.join("; ")
}
