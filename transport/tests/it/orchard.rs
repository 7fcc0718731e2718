//! A small cluster for tests: an authority, and members on loopback.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use pomona_config::LinkConfig;
use pomona_protocol::{LinkPurpose, NodeId, PathKind, PeerRole};
use pomona_transport::{
    Authority, Candidate, DialError, DialTarget, Endpoint, EndpointParts, Identity, Incoming, Link,
    OnRefused, RevocationList, Speaker,
};
use tempfile::TempDir;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Somebody who can sign.
pub(crate) struct Orchard {
    _folder: TempDir,
    pub(crate) authority: Authority,
}

/// A machine: its identity and its open endpoint.
pub(crate) struct Member {
    pub(crate) folder: TempDir,
    pub(crate) identity: Identity,
    pub(crate) endpoint: Endpoint,
}

pub(crate) struct Options {
    pub(crate) link: LinkConfig,
    pub(crate) members_max: u32,
    pub(crate) signed_at: SystemTime,
    pub(crate) on_refused: Option<OnRefused>,
}

impl Default for Options {
    fn default() -> Self {
        let (link, signed_at) = (LinkConfig::default(), SystemTime::now());
        Self { link, members_max: 16, signed_at, on_refused: None }
    }
}

impl Orchard {
    pub(crate) fn plant() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path(), "orchard").unwrap();
        Self { _folder: folder, authority }
    }

    pub(crate) async fn gateway(&self) -> Member {
        self.member(PeerRole::Gateway, Options::default()).await
    }

    pub(crate) async fn node(&self) -> Member {
        self.member(PeerRole::Node, Options::default()).await
    }

    pub(crate) async fn member(&self, role: PeerRole, options: Options) -> Member {
        let folder = tempfile::tempdir().unwrap();
        let identity =
            Identity::self_signed_by(&self.authority, folder.path(), role, 30 * DAY, options.signed_at);
        let identity = identity.unwrap();
        let endpoint = open(&identity, 1, options).await;
        Member { folder, identity, endpoint }
    }
}

/// A process of this identity.
pub(crate) async fn open(identity: &Identity, boot: u64, options: Options) -> Endpoint {
    let speaker = Speaker {
        name: "pear".to_owned(),
        version: "0.1.0".to_owned(),
        boot,
        addresses: vec!["10.0.0.1:9999".to_owned()],
    };
    let parts = EndpointParts {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        identity: identity.clone(),
        speaker,
        link: options.link,
        members_max: options.members_max,
        revoked: RevocationList::default(),
        on_refused: options.on_refused,
    };
    Endpoint::bind(parts).await.unwrap()
}

impl Member {
    pub(crate) fn id(&self) -> NodeId {
        self.identity.node().clone()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap()
    }

    pub(crate) fn target(&self) -> DialTarget {
        target(Some(self.id()), &[(self.address(), PathKind::Lan)])
    }

    pub(crate) async fn dial(&self, other: &Member) -> Result<Link, DialError> {
        self.endpoint.dial(other.target()).await
    }

    /// The next link that others open.
    pub(crate) async fn arrival(&self) -> Link {
        match self.endpoint.accept().await {
            Some(Incoming::Link(link)) => link,
            other => panic!("{other:?} instead of a link"),
        }
    }
}

pub(crate) fn target(node: Option<NodeId>, candidates: &[(SocketAddr, PathKind)]) -> DialTarget {
    let candidates = candidates.iter().map(|&(address, path)| Candidate { address, path }).collect();
    DialTarget { node, candidates, purpose: LinkPurpose::Member }
}

/// Two members and the link between them, as each of them has it.
pub(crate) async fn linked(dialler: &Member, acceptor: &Member) -> (Link, Link) {
    let (ours, theirs) = tokio::join!(dialler.dial(acceptor), acceptor.arrival());
    (ours.unwrap(), theirs)
}
