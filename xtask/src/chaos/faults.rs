//! What happens to a node, and how it is well again afterwards. One thing happens at a time, so that whatever a
//! stream sees until the next one belongs to it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pomona_tests::Cluster;
use pomona_tests::cluster::{NodeState, NodeStatus, is_ready};
use pomona_tests::random::Random;
use pomona_tests::system::{self, Signal};

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The process of the node is killed, and its engine with it.
    KillNode,
    /// The process of its engine is killed.
    KillEngine,
    /// The process of the node stands still for a while.
    StopNode,
    /// Its cable is cut somewhere far away, for a while.
    CutCable,
    /// It gets another address.
    ChangeAddress,
    /// It is drained, which is no fault and may cost next to nothing.
    Drain,
}

/// All of them.
const KINDS: [Fault; 6] = [
    Fault::KillNode,
    Fault::KillEngine,
    Fault::StopNode,
    Fault::CutCable,
    Fault::ChangeAddress,
    Fault::Drain,
];

impl Fault {
    /// What tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Fault::KillNode => "kill -9 node",
            Fault::KillEngine => "kill -9 engine",
            Fault::StopNode => "SIGSTOP node",
            Fault::CutCable => "cable cut",
            Fault::ChangeAddress => "address change",
            Fault::Drain => "drain",
        }
    }

    fn needs_hosts(self) -> bool {
        matches!(self, Fault::CutCable | Fault::ChangeAddress)
    }

    /// Whether turns have to move because of it.
    pub(super) fn loses_a_node(self) -> bool {
        !matches!(self, Fault::ChangeAddress | Fault::Drain)
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Kill {
    /// What.
    pub(super) kind: Fault,
    /// When it began.
    pub(super) at: Instant,
    /// From then until the gateway told an admin that the node was not well.
    pub(super) noticed: Option<Duration>,
    /// When the node was well again.
    pub(super) over: Instant,
    /// Turns that the gateway had there.
    pub(super) turns: u32,
}

/// What can happen to this cluster.
pub(super) fn possible(cluster: &Cluster) -> Vec<Fault> {
    KINDS.into_iter().filter(|kind| cluster.lan.is_some() || !kind.needs_hosts()).collect()
}

/// Lets it happen to a node that is drawn, and waits until all is well again.
pub(super) async fn happen(cluster: &mut Cluster, kind: Fault, random: &mut Random) -> Result<Kill> {
    tokio::time::sleep(Duration::from_millis(200 + random.below(800))).await;
    let index = random.below(cluster.nodes.len() as u64) as usize;
    let before = cluster.until_ready(&cluster.nodes[index].name).await?;
    let hold = Duration::from_millis(random.below(2500));
    let at = Instant::now();
    let noticed = match kind {
        Fault::KillNode => kill_node(cluster, index, hold).await?,
        Fault::KillEngine => kill_engine(cluster, &before).await?,
        Fault::StopNode => stop_node(cluster, index, hold).await?,
        Fault::CutCable => cut_cable(cluster, index, hold).await?,
        Fault::ChangeAddress => {
            let lan = cluster.lan.as_ref().context("no hosts")?;
            lan.change_address(&cluster.nodes[index].name)?;
            // Long enough to be noticed if it is not survived.
            tokio::time::sleep(Duration::from_secs(4)).await;
            None
        }
        Fault::Drain => drain(cluster, index).await?,
    };
    cluster.until_ready(&before.name).await?;
    Ok(Kill { kind, at, noticed, over: Instant::now(), turns: before.turns })
}

async fn kill_node(cluster: &mut Cluster, index: usize, hold: Duration) -> Result<Option<Duration>> {
    let name = cluster.nodes[index].name.clone();
    cluster.nodes[index].kill()?;
    let noticed = until_unwell(cluster, &name).await?;
    tokio::time::sleep(hold).await;
    cluster.nodes[index].start()?;
    Ok(Some(noticed))
}

async fn kill_engine(cluster: &Cluster, before: &NodeStatus) -> Result<Option<Duration>> {
    let started = Instant::now();
    let pid = engine_pid(before).context("no engine")?;
    system::signal(pid, Signal::KILL)?;
    let other = |member: &NodeStatus| engine_pid(member) != Some(pid);
    cluster.until(&before.name, "without the killed engine", other).await?;
    Ok(Some(started.elapsed()))
}

async fn stop_node(cluster: &Cluster, index: usize, hold: Duration) -> Result<Option<Duration>> {
    let node = &cluster.nodes[index];
    node.signal(Signal::STOP)?;
    let noticed = until_unwell(cluster, &node.name).await;
    tokio::time::sleep(hold).await;
    node.signal(Signal::CONT)?;
    noticed.map(Some)
}

async fn cut_cable(cluster: &Cluster, index: usize, hold: Duration) -> Result<Option<Duration>> {
    let (name, lan) = (&cluster.nodes[index].name, cluster.lan.as_ref().context("no hosts")?);
    lan.cut(name)?;
    let noticed = until_unwell(cluster, name).await;
    tokio::time::sleep(hold).await;
    lan.heal(name)?;
    noticed.map(Some)
}

async fn drain(cluster: &Cluster, index: usize) -> Result<Option<Duration>> {
    let name = &cluster.nodes[index].name;
    cluster.drain(name, true).await?;
    cluster.until(name, "without turns", |member| member.turns == 0).await?;
    cluster.drain(name, false).await?;
    Ok(None)
}

/// Waits until the gateway says that the node is not well.
async fn until_unwell(cluster: &Cluster, name: &str) -> Result<Duration> {
    let started = Instant::now();
    let unwell = |member: &NodeStatus| matches!(member.state, NodeState::Suspect | NodeState::Offline);
    cluster.until(name, "suspect or offline", |member| unwell(member) || !is_ready(member)).await?;
    Ok(started.elapsed())
}

fn engine_pid(member: &NodeStatus) -> Option<u32> {
    member.replicas.iter().find_map(|replica| replica.engine_pid)
}
