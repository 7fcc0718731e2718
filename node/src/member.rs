//! What this machine is in its cluster: the founder of one, a member that joins with a token, or one that comes back.
//! Everything of it lies in `<data>/cluster`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use pomona_actors::{AuthorityParts, OnGateways};
use pomona_config::ClusterConfig;
use pomona_protocol::join::GatewayAddresses;
use pomona_protocol::{JoinToken, NodeId, PeerRole};
use pomona_transport::join::{JoinParts, join};
use pomona_transport::registry::{Registry, RegistryParts};
use pomona_transport::{Authority, Identity};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::paths::make_private;

/// Gateways that this member dials, and the token that it joined with.
const MEMBERSHIP_FILE: &str = "membership.json";
const SECONDS_PER_HOUR: u64 = 3600;

/// This machine in its cluster.
pub(crate) struct Member {
    pub(crate) folder: PathBuf,
    pub(crate) identity: Identity,
    /// What people call it.
    pub(crate) name: String,
    /// Where this machine holds the authority.
    pub(crate) authority: Option<Arc<AuthorityParts>>,
    /// Gateways to dial.
    pub(crate) gateways: Vec<GatewayAddresses>,
}

/// What is remembered of a join.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Remembered {
    /// Id of the token, so that the same command can be run again.
    token: u64,
    name: String,
    gateways: Vec<GatewayAddresses>,
}

impl Member {
    /// Joins, comes back, or (a gateway alone) founds a cluster.
    pub(crate) async fn enter(
        config: &ClusterConfig,
        data_dir: &Path,
        role: PeerRole,
        token: Option<&JoinToken>,
    ) -> anyhow::Result<Self> {
        let folder = data_dir.join("cluster");
        make_private(&folder)?;
        let is_founder =
            Authority::load(&folder).map_err(|error| Exit::Unavailable.because(error))?.is_some();
        if is_founder && role == PeerRole::Gateway && token.is_none() {
            return Self::found(config, folder);
        }
        let remembered = Remembered::read(&folder)?;
        let known =
            token.is_none_or(|token| remembered.as_ref().is_some_and(|known| known.token == token.id));
        match token {
            Some(token) if !known => Self::join(config, folder, role, token).await,
            _ => match remembered {
                Some(remembered) => Self::come_back(folder, role, remembered),
                None if role == PeerRole::Gateway => Self::found(config, folder),
                None => Err(Exit::Unavailable.because(anyhow!(
                    "this machine is no member of a cluster yet; run `pomona token create` on the gateway and then \
                     `pomona node --join <token>` here"
                ))),
            },
        }
    }

    async fn join(
        config: &ClusterConfig,
        folder: PathBuf,
        role: PeerRole,
        token: &JoinToken,
    ) -> anyhow::Result<Self> {
        let parts = JoinParts {
            token: token.clone(),
            role,
            name: name(config),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bind: config.bind,
            folder: folder.clone(),
            mdns: config.mdns,
        };
        let (identity, membership) = join(&parts).await.map_err(|error| Exit::Unavailable.because(error))?;
        let remembered = Remembered { token: token.id, name: membership.name, gateways: membership.gateways };
        remembered.write(&folder)?;
        tracing::info!(node = %identity.node(), cluster = identity.cluster(), "joined");
        Ok(Self::of(folder, identity, None, remembered))
    }

    fn come_back(folder: PathBuf, role: PeerRole, remembered: Remembered) -> anyhow::Result<Self> {
        let identity = Identity::load(&folder).map_err(|error| Exit::Unavailable.because(error))?;
        let identity = identity.ok_or_else(|| {
            Exit::Unavailable
                .because(anyhow!("{} holds no certificate; join again with a new token", folder.display()))
        })?;
        if identity.role() != role {
            return Err(Exit::Unavailable.because(anyhow!(
                "this machine joined as a {}, not as a {}; join again with `pomona token create --role {}`",
                identity.role().as_str(),
                role.as_str(),
                role.as_str()
            )));
        }
        if identity.expires_at() < SystemTime::now() {
            return Err(Exit::Unavailable.because(anyhow!(
                "this machine's certificate has expired while it was off (or its clock is wrong); join again with a new token"
            )));
        }
        Ok(Self::of(folder, identity, None, remembered))
    }

    /// The first gateway of a cluster is its authority.
    fn found(config: &ClusterConfig, folder: PathBuf) -> anyhow::Result<Self> {
        let unavailable = |error: pomona_transport::IdentityError| Exit::Unavailable.because(error);
        let authority = Authority::load_or_create(&folder, &config.name).map_err(unavailable)?;
        let lifetime = Duration::from_secs(u64::from(config.certificate_hours) * SECONDS_PER_HOUR);
        let now = SystemTime::now();
        let kept = Identity::load(&folder).map_err(unavailable)?;
        let identity = match kept.filter(|identity| now < identity.renew_at()) {
            Some(identity) => identity,
            None => Identity::self_signed_by(&authority, &folder, PeerRole::Gateway, lifetime, now)
                .map_err(unavailable)?,
        };
        let registry = Registry::open(RegistryParts {
            folder: folder.clone(),
            members_max: config.members_max,
            certificate_lifetime: lifetime,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
        .map_err(|error| Exit::Unavailable.because(error))?;
        let name = match registry.member(&identity.node().0) {
            Some(known) => known.name,
            None => {
                let request = identity.renewal_request().map_err(unavailable)?;
                let signed =
                    authority.sign(&request.der, PeerRole::Gateway, lifetime, now).map_err(unavailable)?;
                registry
                    .enroll(&signed, PeerRole::Gateway, &name(config), now)
                    .map_err(|error| Exit::Unavailable.because(error))?
            }
        };
        let authority = Arc::new(AuthorityParts { authority, registry });
        Ok(Self { folder, identity, name, authority: Some(authority), gateways: Vec::new() })
    }

    fn of(
        folder: PathBuf,
        identity: Identity,
        authority: Option<Arc<AuthorityParts>>,
        remembered: Remembered,
    ) -> Self {
        Self { folder, identity, name: remembered.name, authority, gateways: remembered.gateways }
    }

    /// Its id.
    pub(crate) fn node(&self) -> NodeId {
        self.identity.node().clone()
    }

    /// Writes down where gateways are, whenever that changes, so that the next start finds them. The founder dials
    /// nobody and has nothing to remember.
    pub(crate) fn remembers(&self) -> OnGateways {
        let (folder, is_founder) = (self.folder.clone(), self.authority.is_some());
        Arc::new(move |gateways| {
            if is_founder {
                return;
            }
            let remembered = Remembered::read(&folder).ok().flatten().unwrap_or_default();
            let written = Remembered { gateways: gateways.to_vec(), ..remembered }.write(&folder);
            if let Err(error) = written {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "where the gateways are could not be written down"
                );
            }
        })
    }
}

impl Remembered {
    fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(MEMBERSHIP_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let read = serde_json::from_slice(&text);
        let read =
            read.with_context(|| format!("{} is damaged; remove it and join again", path.display()))?;
        Ok(Some(read))
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(MEMBERSHIP_FILE);
        let mut file = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| format!("cannot write into {}", folder.display()))?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.as_file().sync_all()?;
        file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }
}

/// What people are to call this machine: the configured name, else its host name without its domain.
fn name(config: &ClusterConfig) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host = host.split('.').next().unwrap_or_default().to_owned();
    config.node_name.clone().unwrap_or(if host.is_empty() { "node".to_owned() } else { host })
}
