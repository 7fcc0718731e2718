//! What a cluster is to be like, and how its processes are started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use pomona_protocol::{JoinToken, PeerRole};
use tempfile::TempDir;

use super::{Cluster, Machine, new_token, token};
use crate::netns::Lan;
use crate::relay::{Relay, Weather};
use crate::{Api, Launch};

/// The one port of every machine that has a host of its own.
pub const PORT: u16 = 9999;
/// Port of the relay in front of such a gateway.
const RELAY_PORT: u16 = 9998;
/// Seed of the relay unless another one is given.
const RELAY_SEED: u64 = 1;

/// A cluster that is being put together.
#[derive(Clone)]
pub struct Builder {
    gateways: usize,
    nodes: usize,
    gateway_hosts: bool,
    program: Option<PathBuf>,
    engine: Option<(PathBuf, String)>,
    mdns: bool,
    everywhere: Vec<(String, String)>,
    at_gateways: Vec<(String, String)>,
    at_nodes: Vec<(String, String)>,
    weather: Option<(Weather, u64)>,
    on_hosts: bool,
    gateways_through: Vec<String>,
    nodes_through: Vec<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            gateways: 1,
            nodes: 0,
            gateway_hosts: false,
            program: None,
            engine: None,
            mdns: false,
            everywhere: Vec::new(),
            at_gateways: Vec::new(),
            at_nodes: Vec::new(),
            weather: None,
            on_hosts: false,
            gateways_through: Vec::new(),
            nodes_through: Vec::new(),
        }
        // These tests are about what happens between restarts, and nobody may answer from outside.
        .set("restart.max_attempts", 1000)
        .set("restart.base_ms", 10)
        .set("restart.max_ms", 50)
    }
}

impl Builder {
    /// This many gateways; the others join the first one by token.
    pub fn gateways(mut self, count: usize) -> Self {
        self.gateways = count;
        self
    }

    /// This many nodes.
    pub fn nodes(mut self, count: usize) -> Self {
        self.nodes = count;
        self
    }

    /// The gateways host models themselves (`pomona up` instead of `pomona gateway`).
    pub fn hosting_gateways(mut self) -> Self {
        self.gateway_hosts = true;
        self
    }

    /// Another binary than the one of the tests' profile.
    pub fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// A scripted engine instead of the real one.
    pub fn engine(mut self, engine: &Path, script: &str) -> Self {
        self.engine = Some((engine.to_owned(), script.to_owned()));
        self
    }

    /// A key of the configuration of every process.
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.everywhere.push((key.to_owned(), value.to_string()));
        self
    }

    /// A key of the configuration of the gateways.
    pub fn set_at_gateways(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.at_gateways.push((key.to_owned(), value.to_string()));
        self
    }

    /// A key of the configuration of the nodes.
    pub fn set_at_nodes(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.at_nodes.push((key.to_owned(), value.to_string()));
        self
    }

    /// Gateways and nodes are started through programs that end up as their processes, `taskset` for instance. Not
    /// together with [`Builder::lan`], which has such programs of its own.
    pub fn through(mut self, gateways: &[&str], nodes: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        (self.gateways_through, self.nodes_through) = (owned(gateways), owned(nodes));
        self
    }

    /// A relay in front of the first gateway. On loopback the tokens lead to it, and what members learn later does
    /// not; on hosts it is the gateway's WAN address.
    pub fn relay(mut self, weather: Weather) -> Self {
        self.weather = Some((weather, RELAY_SEED));
        self
    }

    /// Machines find each other by mDNS as well.
    pub fn mdns(mut self) -> Self {
        self.mdns = true;
        self
    }

    /// Another seed for what the relay loses.
    pub fn relay_seed(mut self, seed: u64) -> Self {
        self.weather = self.weather.map(|(weather, _)| (weather, seed));
        self
    }

    /// Each machine on a host of its own, `gw` and `n1` and so on; see [`crate::netns::available`]. Clients reach
    /// the first gateway by its second cable, whatever happens to the LAN.
    pub fn lan(mut self) -> Self {
        self.on_hosts = true;
        self
    }

    /// Starts everything and waits until every gateway knows every node as alive with a ready replica.
    pub async fn start(self) -> Result<Cluster> {
        let cluster = self.start_gateways_and_join().await?;
        cluster.until_all_ready().await.with_context(|| cluster.printed())?;
        cluster.until_known_everywhere().await.with_context(|| cluster.printed())?;
        Ok(cluster)
    }

    /// Starts everything, and waits for the gateways alone.
    pub async fn start_gateways_and_join(self) -> Result<Cluster> {
        let nodes = self.nodes;
        let mut cluster = self.start_gateways().await?;
        for _ in 0..nodes {
            cluster.join_node().await?;
        }
        Ok(cluster)
    }

    /// Starts the gateways alone; nodes may join later.
    pub async fn start_gateways(self) -> Result<Cluster> {
        ensure!(self.gateways > 0, "a cluster needs a gateway");
        let lan = if self.on_hosts { Some(self.hosts()?) } else { None };
        let relay = self.relay_before(lan.as_deref())?;
        let relay_address = relay.as_ref().map(Relay::address);
        let mut cluster = Cluster {
            gateways: Vec::new(),
            nodes: Vec::new(),
            relay,
            lan,
            builder: self.clone(),
            launches: Vec::new(),
        };
        for index in 0..self.gateways {
            let mut launch = self.gateway(cluster.lan.as_deref(), index)?;
            if let Some(address) = relay_address.filter(|_| index == 0) {
                launch = launch.set("cluster.wan_addresses", address);
            }
            let home = Arc::new(TempDir::new().context("no temporary folder")?);
            cluster.launches.push((launch.clone().home(home.path()), Arc::clone(&home)));
            let mut first = launch.home(home.path());
            if index > 0 {
                let created = cluster.token(&new_token(PeerRole::Gateway)).await?;
                first = first.argument("--join").argument(created.token);
            }
            if cluster.lan.is_none() {
                first = first.set("gateway.port", 0);
            }
            let gateway = first.start_unready().await.with_context(|| gateway_name(index))?;
            cluster.gateways.push(gateway);
        }
        if cluster.relay.is_none() {
            cluster.relay = self.relay_behind(cluster.api()).await?;
        }
        Ok(cluster)
    }

    /// A node that was not started.
    pub(super) fn node(&self, name: &str, lan: Option<&Lan>) -> Result<Machine> {
        let mut launch = self.base(&["node"], name, &self.at_nodes);
        if let Some(lan) = lan {
            launch = launch.through_all(lan.enter(name)?).set("cluster.port", PORT);
        } else {
            launch = launch.set("cluster.bind", Ipv4Addr::LOCALHOST).through_all(self.nodes_through.clone());
        }
        let home = TempDir::new().context("no temporary folder")?;
        Ok(Machine::new(name, Arc::new(home), launch))
    }

    fn gateway(&self, lan: Option<&Lan>, index: usize) -> Result<Launch> {
        let name = gateway_name(index);
        let command = if self.gateway_hosts { "up" } else { "gateway" };
        let launch = self.base(&[command, "--no-open"], &name, &self.at_gateways);
        let Some(lan) = lan else {
            let launch = launch.set("cluster.bind", Ipv4Addr::LOCALHOST);
            return Ok(launch.through_all(self.gateways_through.clone()));
        };
        let launch = launch.through_all(lan.enter(&name)?);
        let launch = launch.set("gateway.bind", lan.wan_address(&name)?).set("gateway.port", PORT);
        Ok(launch.set("gateway.insecure", true).set("tls.mode", "off").set("cluster.port", PORT))
    }

    fn base(&self, words: &[&str], name: &str, own: &[(String, String)]) -> Launch {
        let mut launch = Launch::command(words).set("cluster.node_name", name).set("cluster.mdns", self.mdns);
        for (key, value) in self.everywhere.iter().chain(own) {
            launch = launch.set(key, value);
        }
        if let Some((engine, script)) = &self.engine {
            launch = launch.engine(engine, script);
        }
        match &self.program {
            Some(program) => launch.program(program),
            None => launch,
        }
    }

    fn hosts(&self) -> Result<Arc<Lan>> {
        let gateways = (0..self.gateways).map(gateway_name);
        // Room for machines that come later.
        let names: Vec<String> =
            gateways.chain((1..=self.nodes + 2).map(|node| format!("n{node}"))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(Arc::new(Lan::new(&names)?))
    }

    /// The relay in front of a gateway whose address is known beforehand.
    fn relay_before(&self, lan: Option<&Lan>) -> Result<Option<Relay>> {
        let (Some((weather, seed)), Some(lan)) = (self.weather, lan) else { return Ok(None) };
        let listen = SocketAddr::from((lan.internet(), RELAY_PORT));
        let target = SocketAddr::from((lan.wan_address(&gateway_name(0))?, PORT));
        Relay::start(listen, target, weather, seed).map(Some)
    }

    /// The relay in front of a gateway that runs: a token says where it takes members.
    async fn relay_behind(&self, api: &Api) -> Result<Option<Relay>> {
        let Some((weather, seed)) = self.weather else { return Ok(None) };
        let target = member_address(api).await?;
        Relay::start((Ipv4Addr::LOCALHOST, 0).into(), target, weather, seed).map(Some)
    }
}

fn gateway_name(index: usize) -> String {
    if index == 0 { "gw".to_owned() } else { format!("gw{}", index + 1) }
}

/// Where a gateway takes member links, as its tokens say.
pub async fn member_address(api: &Api) -> Result<SocketAddr> {
    let created = token(api, &new_token(PeerRole::Node)).await?;
    let token: JoinToken = created.token.parse()?;
    let address = token.addresses.first().with_context(|| format!("no address in {token:?}"))?;
    address.parse().with_context(|| format!("{address} is no address"))
}
