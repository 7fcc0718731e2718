//! Whole clusters as processes: gateways, nodes that join by token, and every way to disturb them. Dropping a cluster
//! kills each of its processes by id.
//!
//! On loopback by default; [`Builder::lan`] puts each machine on a host of its own.

mod builder;
mod machine;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pomona_protocol::{CreatedToken, JoinToken, NewToken, PeerRole, ReplicaState};
pub use pomona_protocol::{NodeState, NodeStatus};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::netns::Lan;
use crate::relay::Relay;
use crate::system::{self, Signal};
use crate::{Api, Launch, Pomona};

pub use builder::{Builder, PORT, member_address};
pub use machine::Machine;

/// Longest time that a change of the cluster may take before a test gives up.
pub const CHANGE_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at a gateway.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Gateways and nodes that run.
pub struct Cluster {
    /// The first one holds the authority.
    pub gateways: Vec<Pomona>,
    /// In the order in which they joined, named `n1`, `n2`, …
    pub nodes: Vec<Machine>,
    /// Between the nodes and the first gateway, where one was asked for.
    pub relay: Option<Relay>,
    /// The hosts that they run on, where namespaces were asked for.
    pub lan: Option<Arc<Lan>>,
    builder: Builder,
    /// How each gateway is started again, and its home.
    launches: Vec<(Launch, Arc<TempDir>)>,
}

impl Cluster {
    /// One gateway and no node, with the real engine and the built-in model.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The API of the first gateway.
    pub fn api(&self) -> &Api {
        &self.gateways[0].api
    }

    /// Position of the node with this name.
    pub fn position(&self, name: &str) -> Result<usize> {
        self.nodes.iter().position(|node| node.name == name).with_context(|| format!("no node {name}"))
    }

    /// All members, as the first gateway sees them.
    pub async fn members(&self) -> Result<Vec<NodeStatus>> {
        members(self.api()).await
    }

    /// A member by name or id, as the first gateway sees it.
    pub async fn member(&self, name: &str) -> Result<NodeStatus> {
        let (code, text) = self.api().get(&format!("/admin/nodes/{name}")).await?;
        ensure!(code == 200, "/admin/nodes/{name} answered {code}: {text}");
        serde_json::from_str(&text).with_context(|| format!("/admin/nodes/{name} answered {text}"))
    }

    /// Waits until the member satisfies `condition`; what it was like then.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(&NodeStatus) -> bool,
    ) -> Result<NodeStatus> {
        let started = Instant::now();
        loop {
            let seen = self.member(name).await;
            if let Some(member) = seen.as_ref().ok().filter(|member| condition(member)) {
                return Ok(member.clone());
            }
            if started.elapsed() > CHANGE_LIMIT {
                bail!("{name} is not {what} after {CHANGE_LIMIT:?}: {seen:?}\n{}", self.printed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the node is alive and has a ready replica.
    pub async fn until_ready(&self, name: &str) -> Result<NodeStatus> {
        self.until(name, "alive with a ready replica", is_ready).await
    }

    /// Waits until the member is in this state.
    pub async fn until_state(&self, name: &str, state: NodeState) -> Result<NodeStatus> {
        self.until(name, state.as_str(), |member| member.state == state).await
    }

    /// Waits until all nodes that run are alive with a ready replica.
    pub async fn until_all_ready(&self) -> Result<()> {
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            self.until_ready(&node.name).await?;
        }
        Ok(())
    }

    /// Waits until the other gateways, too, know all nodes that run as alive with a ready replica.
    pub async fn until_known_everywhere(&self) -> Result<()> {
        let started = Instant::now();
        for gateway in self.gateways.iter().skip(1) {
            loop {
                let members = members(&gateway.api).await.unwrap_or_default();
                let is_known =
                    |name: &str| members.iter().any(|member| member.name == name && is_ready(member));
                if self.nodes.iter().filter(|node| node.is_running()).all(|node| is_known(&node.name)) {
                    break;
                }
                ensure!(started.elapsed() < CHANGE_LIMIT, "a gateway does not know all nodes: {members:?}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Position of the node on which the only turn runs.
    pub async fn busy(&self) -> Result<usize> {
        let started = Instant::now();
        loop {
            let members = self.members().await?;
            if let Some(member) = members.iter().find(|member| member.turns > 0 && !member.is_here) {
                return self.position(&member.name);
            }
            ensure!(started.elapsed() < CHANGE_LIMIT, "no node is busy: {members:?}");
            tokio::time::sleep(LOOK_EVERY / 4).await;
        }
    }

    /// Makes a token at the first gateway.
    pub async fn token(&self, wish: &NewToken) -> Result<CreatedToken> {
        token(self.api(), wish).await
    }

    /// A token for one node, as text, leading through the relay where there is one.
    pub async fn node_token(&self) -> Result<String> {
        let created = self.token(&new_token(PeerRole::Node)).await?;
        self.leading_through_relay(&created.token)
    }

    /// The same token with the relay's address instead of the gateway's.
    pub fn leading_through_relay(&self, token: &str) -> Result<String> {
        let Some(relay) = self.relay.as_ref().filter(|_| self.lan.is_none()) else {
            return Ok(token.to_owned());
        };
        changed_token(token, |token| token.addresses = vec![relay.address().to_string()])
    }

    /// One more node, which is alive with a ready replica.
    pub async fn add_node(&mut self) -> Result<usize> {
        let index = self.join_node().await?;
        self.until_ready(&self.nodes[index].name.clone()).await?;
        Ok(index)
    }

    /// One more node, started with a fresh token; waits for nothing.
    pub async fn join_node(&mut self) -> Result<usize> {
        let name = format!("n{}", self.nodes.len() + 1);
        let token = self.node_token().await?;
        let mut machine = self.builder.node(&name, self.lan.as_deref())?;
        machine.join(&token)?;
        self.nodes.push(machine);
        Ok(self.nodes.len() - 1)
    }

    /// Kills the first gateway and starts it again from its home, at the same port.
    pub async fn restart_gateway(&mut self) -> Result<()> {
        self.restart_gateway_after(|_| Ok(())).await
    }

    /// As [`Cluster::restart_gateway`]; does something with its home while it is down.
    pub async fn restart_gateway_after(&mut self, meanwhile: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let (launch, home) = self.launches.first().context("no gateway")?.clone();
        let url = self.api().url.clone();
        drop(self.gateways.remove(0));
        meanwhile(home.path())?;
        let launch = if self.lan.is_some() {
            launch
        } else {
            launch.set("gateway.port", url.rsplit(':').next().unwrap_or_default())
        };
        self.gateways.insert(0, launch.start_unready().await.context("the gateway did not come back")?);
        ensure!(self.api().url == url, "it came back at {} instead of {url}", self.api().url);
        Ok(())
    }

    /// A machine that is made like the nodes of this cluster and was not started.
    pub fn stranger(&self, name: &str) -> Result<Machine> {
        self.builder.node(name, self.lan.as_deref())
    }

    /// Process id of the node's engine.
    pub async fn engine_pid(&self, index: usize) -> Result<u32> {
        let member = self.until_ready(&self.nodes[index].name).await?;
        let ready = member.replicas.iter().find(|replica| replica.state == ReplicaState::Ready);
        ready.and_then(|replica| replica.engine_pid).with_context(|| format!("no engine: {member:?}"))
    }

    /// Kills the node's engine.
    pub async fn kill_engine(&self, index: usize) -> Result<()> {
        system::signal(self.engine_pid(index).await?, Signal::KILL)
    }

    /// Starts to drain the node, or lets it take turns again.
    pub async fn drain(&self, name: &str, on: bool) -> Result<NodeStatus> {
        let word = if on { "drain" } else { "undrain" };
        let (code, body) =
            self.api().send(Method::POST, &format!("/admin/nodes/{name}/{word}"), &json!({})).await?;
        ensure!(code == 200, "{word} of {name} answered {code}: {body}");
        Ok(serde_json::from_value(body)?)
    }

    /// Removes a member for good.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let (code, body) =
            self.api().send(Method::DELETE, &format!("/admin/nodes/{name}"), &json!({})).await?;
        ensure!(code == 204, "removing {name} answered {code}: {body}");
        Ok(())
    }

    /// Everything that its processes have printed.
    pub fn printed(&self) -> String {
        let gateways = self.gateways.iter().map(|gateway| ("gateway", gateway.printed()));
        let nodes = self.nodes.iter().map(|node| (node.name.as_str(), node.printed()));
        gateways.chain(nodes).map(|(name, text)| format!("--- {name}\n{text}\n")).collect()
    }
}

/// Whether the member takes turns.
pub fn is_ready(member: &NodeStatus) -> bool {
    let ready = member.replicas.iter().any(|replica| replica.state == ReplicaState::Ready);
    member.state == NodeState::Alive && ready
}

/// What a gateway says of all members.
pub async fn members(api: &Api) -> Result<Vec<NodeStatus>> {
    let (code, text) = api.get("/admin/nodes").await?;
    ensure!(code == 200, "/admin/nodes answered {code}: {text}");
    let body: serde_json::Value = serde_json::from_str(&text)?;
    serde_json::from_value(body["nodes"].clone()).with_context(|| format!("/admin/nodes answered {text}"))
}

/// A wish for a token that one machine may use within a quarter of an hour.
pub fn new_token(role: PeerRole) -> NewToken {
    NewToken { role, ttl_s: 900, uses: 1, name: None }
}

/// Makes a token at this gateway.
pub async fn token(api: &Api, wish: &NewToken) -> Result<CreatedToken> {
    let (code, body) = api.send(Method::POST, "/admin/tokens", &serde_json::to_value(wish)?).await?;
    ensure!(code == 201, "/admin/tokens answered {code}: {body}");
    serde_json::from_value(body).context("no token in the answer of /admin/tokens")
}

/// The token with something changed, valid as a text.
pub fn changed_token(token: &str, change: impl FnOnce(&mut JoinToken)) -> Result<String> {
    let mut token: JoinToken = token.parse()?;
    change(&mut token);
    Ok(token.to_string())
}
