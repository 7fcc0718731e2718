//! The first words on a connection: `Hello` and its answer, checked against the certificates of the handshake. Called
//! by `endpoint` for both sides; the link that comes out is authenticated and has a purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pomona_protocol::link::LINK_PROTOCOL;
use pomona_protocol::{Hello, HelloAnswer, LinkPurpose, LinkRefusal, NodeId, PathKind, PeerRole};
use quinn::VarInt;
use serde::Deserialize;

use crate::certificate::Certified;
use crate::endpoint::OnRefused;
use crate::error::IdentityError;
use crate::frames::{decode, read_body, read_frame, write_frame};
use crate::identity::Identity;
use crate::link::{Link, LinkError, Peer, Table, canonical};
use crate::revocation::RevocationList;
use crate::speaker::{Speaker, check_texts};
use crate::streams::{CloseCode, PRIORITY_CONTROL, RecvStream, SendStream};
use crate::{tls, tuning};

/// How long a refusal may take to arrive before the connection is closed over it.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);
/// Why one try did not become a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// The address is of no use.
    #[error("{message}")]
    Address {
        /// Why.
        message: String,
    },
    /// No greeting within the deadline.
    #[error("no answer within {limit_ms} ms")]
    TooLate {
        /// The deadline, in milliseconds.
        limit_ms: u64,
    },
    /// The connection ended on the way.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Somebody else lives at this address.
    #[error("`{found}` answers there, not `{expected}`")]
    WrongNode {
        /// Who was called.
        expected: NodeId,
        /// Who answered.
        found: NodeId,
    },
    /// The address is this process's own.
    #[error("this machine itself answers there")]
    Own,
    /// The other side does not want to talk.
    #[error("refused: {0}")]
    Refused(LinkRefusal),
    /// This side does not want to talk.
    #[error("this side refuses: {0}")]
    Unwelcome(LinkRefusal),
    /// A member link without a certificate.
    #[error("a member link needs a certificate of this cluster, and none was shown")]
    NoCertificate,
    /// The greeting was none.
    #[error("no greeting: {message}")]
    Malformed {
        /// What came instead.
        message: String,
    },
}

/// What both sides of a greeting need to know.
pub(crate) struct Greeter {
    pub(crate) identity: Identity,
    pub(crate) speaker: ArcSwap<Speaker>,
    pub(crate) revoked: RevocationList,
    pub(crate) table: Table,
    pub(crate) on_refused: Option<OnRefused>,
    pub(crate) members_max: u32,
    pub(crate) streams_max: u32,
    pub(crate) draining: AtomicBool,
}

/// What every version of a greeting has.
#[derive(Deserialize)]
struct AnyHello {
    protocol: u32,
}

impl Greeter {
    /// The dialling side of a greeting. Whether the right node answers was checked before.
    pub(crate) async fn greet(
        &self,
        connection: quinn::Connection,
        purpose: LinkPurpose,
        path: PathKind,
    ) -> Result<Link, AttemptError> {
        let certified = self.certified(&connection)?;
        let hello = self.hello(purpose, path)?;
        let our_key = hello.control_key;
        let (mut send, mut recv) = connection.open_bi().await.map_err(LinkError::from)?;
        write_frame(&mut send, &hello).await?;
        let theirs = match read_frame::<HelloAnswer>(&mut recv).await? {
            HelloAnswer::Welcome(theirs) => theirs,
            HelloAnswer::Refused(refusal) => return Err(AttemptError::Refused(refusal)),
        };
        if let Err(error) = check_texts(&theirs).and_then(|()| self.check(&theirs, &certified)) {
            let code = close_code(&error);
            connection.close(code.code(), error.to_string().as_bytes());
            return Err(error);
        }
        self.table.bury(&theirs.node, theirs.boot);
        let peer = peer_of(theirs, &connection, purpose, path);
        let link = Link::new(connection, peer, our_key, true);
        self.register(&link)?;
        self.settle(&link, send, recv);
        Ok(link)
    }

    /// The accepting side of a greeting. A refusal is told; whatever is no greeting closes the connection.
    pub(crate) async fn answer(&self, connection: quinn::Connection) -> Result<Link, AttemptError> {
        let outcome = self.answer_or_fail(&connection).await;
        if let Err(error) = &outcome {
            let code = close_code(error);
            connection.close(code.code(), error.to_string().as_bytes());
        }
        outcome
    }

    async fn answer_or_fail(&self, connection: &quinn::Connection) -> Result<Link, AttemptError> {
        // Before anything is read: without a certificate nobody gets this far.
        let certified = self.certified(connection)?;
        let (mut send, mut recv) = connection.accept_bi().await.map_err(LinkError::from)?;
        let body = read_body(&mut recv).await?;
        let admitted = match decode::<AnyHello>(&body)?.protocol {
            LINK_PROTOCOL => {
                let hello = decode::<Hello>(&body)?;
                check_texts(&hello)?;
                self.admit(connection, hello, &certified)
            }
            theirs => Err(AttemptError::Unwelcome(self.other_protocol(theirs))),
        };
        match admitted {
            Ok((link, hello)) => {
                write_frame(&mut send, &HelloAnswer::Welcome(hello)).await?;
                self.settle(&link, send, recv);
                Ok(link)
            }
            Err(AttemptError::Unwelcome(refusal)) => {
                // Before the refusal goes out: the deadline of the greeting may cut that short.
                self.report(&certified.node, connection, &refusal);
                tell(&mut send, &refusal).await;
                Err(AttemptError::Unwelcome(refusal))
            }
            Err(error) => Err(error),
        }
    }

    /// Passes a refusal on to whoever keeps account of them.
    fn report(&self, node: &NodeId, connection: &quinn::Connection, refusal: &LinkRefusal) {
        // Going down is nobody's fault.
        if matches!(refusal, LinkRefusal::ShuttingDown) {
            return;
        }
        if let Some(on_refused) = &self.on_refused {
            on_refused(Some(node), canonical(connection.remote_address()), refusal);
        }
    }

    fn admit(
        &self,
        connection: &quinn::Connection,
        hello: Hello,
        certified: &Certified,
    ) -> Result<(Link, Hello), AttemptError> {
        self.check(&hello, certified)?;
        let ours = self.identity.role();
        let may = match hello.purpose {
            LinkPurpose::Bulk => true,
            LinkPurpose::Member => ours == PeerRole::Gateway,
        };
        if !may {
            return Err(AttemptError::Unwelcome(LinkRefusal::Purpose {
                ours: ours.as_str().to_owned(),
                theirs: hello.role.as_str().to_owned(),
                purpose: "member".to_owned(),
            }));
        }
        if self.draining.load(Ordering::Relaxed) {
            return Err(AttemptError::Unwelcome(LinkRefusal::ShuttingDown));
        }
        let (purpose, path) = (hello.purpose, hello.path);
        self.table.bury(&hello.node, hello.boot);
        // Greetings are answered by one thread, and this function does not wait: nobody comes in between.
        let (open, limit) = (self.table.count(purpose), self.members_max);
        if open >= limit {
            return Err(AttemptError::Unwelcome(LinkRefusal::Full { open, limit }));
        }
        let answer = self.hello(purpose, path)?;
        let peer = peer_of(hello, connection, purpose, path);
        let streams = match (purpose, peer.role) {
            (LinkPurpose::Bulk, _) => tuning::BULK_STREAMS,
            (LinkPurpose::Member, PeerRole::Node) => tuning::NODE_STREAMS,
            (LinkPurpose::Member, PeerRole::Gateway) => self.streams_max,
        };
        let link = Link::new(connection.clone(), peer, answer.control_key, false);
        self.register(&link)?;
        connection.set_max_concurrent_bi_streams(VarInt::from_u32(streams));
        connection.set_receive_window(VarInt::from_u32(tuning::window(path)));
        if purpose == LinkPurpose::Bulk {
            connection.set_send_window(tuning::BULK_SEND_WINDOW);
        }
        Ok((link, answer))
    }

    /// Notes the link, unless its peer was removed since the first look and so missed being closed.
    fn register(&self, link: &Link) -> Result<(), AttemptError> {
        self.table.insert(link);
        let node = &link.peer().node;
        if !self.revoked.contains(node) {
            return Ok(());
        }
        let error = AttemptError::Unwelcome(LinkRefusal::Revoked { node: node.clone() });
        link.close(close_code(&error), &error.to_string());
        Err(error)
    }

    /// What holds for a greeting in either direction.
    fn check(&self, hello: &Hello, certified: &Certified) -> Result<(), AttemptError> {
        let refusal = if hello.protocol != LINK_PROTOCOL {
            self.other_protocol(hello.protocol)
        } else if hello.cluster != certified.cluster || hello.cluster != self.identity.cluster() {
            LinkRefusal::Cluster { ours: self.identity.cluster(), theirs: hello.cluster.clone() }
        } else if (&hello.node, hello.role) != (&certified.node, certified.role) {
            LinkRefusal::Identity {
                claimed: format!("{} {}", hello.role.as_str(), hello.node),
                certified: format!("{} {}", certified.role.as_str(), certified.node),
            }
        } else if self.revoked.contains(&certified.node) {
            LinkRefusal::Revoked { node: certified.node.clone() }
        } else {
            return Ok(());
        };
        Err(AttemptError::Unwelcome(refusal))
    }

    /// Whose certificate the handshake saw.
    pub(crate) fn certified(&self, connection: &quinn::Connection) -> Result<Certified, AttemptError> {
        let certified = tls::certified_of(connection).ok_or(AttemptError::NoCertificate)?;
        let message = |error: IdentityError| LinkError::Certificate { message: error.to_string() };
        Ok(certified.map_err(message)?)
    }

    fn hello(&self, purpose: LinkPurpose, path: PathKind) -> Result<Hello, AttemptError> {
        let speaker = Arc::clone(&self.speaker.load());
        let control_key =
            getrandom::u64().map_err(|error| LinkError::Broken { message: error.to_string() })?;
        Ok(Hello {
            protocol: LINK_PROTOCOL,
            version: speaker.version.clone(),
            cluster: self.identity.cluster(),
            node: self.identity.node().clone(),
            name: speaker.name.clone(),
            role: self.identity.role(),
            boot: speaker.boot,
            purpose,
            path,
            control_key,
            addresses: speaker.addresses.clone(),
        })
    }

    fn other_protocol(&self, theirs: u32) -> LinkRefusal {
        let version = self.speaker.load().version.clone();
        LinkRefusal::Version { ours: LINK_PROTOCOL, version, theirs }
    }

    /// The first stream goes on with control messages, or ends.
    fn settle(&self, link: &Link, mut send: SendStream, recv: RecvStream) {
        match link.peer().purpose {
            LinkPurpose::Member => {
                // Fails only when the stream is closed, which the next write says.
                drop(send.set_priority(PRIORITY_CONTROL));
                link.put_control((recv, send));
            }
            LinkPurpose::Bulk => drop(send.finish()),
        }
    }
}

fn peer_of(hello: Hello, connection: &quinn::Connection, purpose: LinkPurpose, path: PathKind) -> Peer {
    Peer {
        node: hello.node,
        name: hello.name,
        role: hello.role,
        boot: hello.boot,
        version: hello.version,
        purpose,
        path,
        address: canonical(connection.remote_address()),
        control_key: hello.control_key,
        addresses: hello.addresses,
    }
}

fn close_code(error: &AttemptError) -> CloseCode {
    match error {
        AttemptError::NoCertificate => CloseCode::NoCertificate,
        AttemptError::Unwelcome(LinkRefusal::Revoked { .. }) => CloseCode::Revoked,
        AttemptError::Unwelcome(_) => CloseCode::Refused,
        AttemptError::TooLate { .. } => CloseCode::TooLate,
        _ => CloseCode::Greeting,
    }
}

/// Sends a refusal and waits until it arrived, within reason: closing would overtake it.
async fn tell(send: &mut SendStream, refusal: &LinkRefusal) {
    if write_frame(send, &HelloAnswer::Refused(refusal.clone())).await.is_ok() && send.finish().is_ok() {
        drop(tokio::time::timeout(REFUSAL_LINGER, send.stopped()).await);
    }
}
