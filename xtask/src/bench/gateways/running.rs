//! Gateways while they run, each on its core. Dropping one kills all of its processes.

use std::any::Any;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pomona_tests::{Api, Cluster, Launch, system};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::peer::{KEY, Peer, Place};
use super::rig::{GATEWAY_CORE, Goal, LOAD_CORE, Rig, pinned};
use crate::workspace;

/// Our gateway, and whether its engine is behind a node's link or a process of its own.
pub(super) const OURS: [(&str, bool); 2] = [("pomona", true), ("pomona-one-machine", false)];
/// From start to the first answer. The slowest loads Python modules for half a minute.
const READY_LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Bytes of its log that are told of a gateway that does not start.
const TOLD_BYTES: usize = 600;
/// Turns that our gateway takes at once: more than are tried.
const TURNS_MAX: u32 = 4096;
const SCRIPT: &str = "tokens=1000000";

/// A gateway that can be measured.
pub(super) enum Subject {
    Ours { name: &'static str, linked: bool },
    Peer { peer: Peer, program: PathBuf },
}

impl Subject {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Subject::Ours { name, .. } => name,
            Subject::Peer { peer, .. } => peer.name,
        }
    }
}

/// A gateway that answers.
pub(super) struct Running {
    pub(super) goal: Goal,
    /// Held for its drop, which ends them.
    _processes: Box<dyn Any>,
}

/// Starts a gateway and waits until a request comes back from the upstream behind it.
pub(super) async fn start(subject: &Subject, rig: &Rig) -> Result<Running> {
    match subject {
        Subject::Ours { linked: true, .. } => linked(rig).await,
        Subject::Ours { linked: false, .. } => one_machine(rig).await,
        Subject::Peer { peer, program } => of_others(peer, program.clone(), rig).await,
    }
}

/// The gateway alone on its core; node and engine where the others have their upstream.
async fn linked(rig: &Rig) -> Result<Running> {
    let taskset = |core: usize| {
        let [flag, core] = pinned(core);
        ["taskset".to_owned(), flag, core]
    };
    let [gateways, nodes] = [taskset(GATEWAY_CORE), taskset(LOAD_CORE)];
    let cluster = Cluster::builder()
        .program(&rig.pomona)
        .engine(&rig.test_engine, SCRIPT)
        .through(&gateways.each_ref().map(String::as_str), &nodes.each_ref().map(String::as_str))
        .set("routing.replica_turns_max", TURNS_MAX)
        .nodes(1)
        .start()
        .await?;
    let goal = our_goal(cluster.api(), cluster.gateways[0].pid())?;
    Ok(Running { goal, _processes: Box::new(cluster) })
}

/// The gateway with an engine of its own, which is put on the other core.
async fn one_machine(rig: &Rig) -> Result<Running> {
    let [flag, core] = pinned(LOAD_CORE);
    let engine = format!("{flag} {core} {} {SCRIPT}", rig.test_engine.display());
    let [flag, core] = pinned(GATEWAY_CORE);
    let pomona = Launch::default()
        .program(&rig.pomona)
        .through(&["taskset", &flag, &core])
        .engine(&which("taskset")?, &engine)
        .set("routing.replica_turns_max", TURNS_MAX)
        .start()
        .await?;
    let goal = our_goal(&pomona.api, pomona.pid())?;
    Ok(Running { goal, _processes: Box::new(pomona) })
}

/// Only the gateway's process counts, as only the gateways of others do.
fn our_goal(api: &Api, pid: u32) -> Result<Goal> {
    let address = api.url.strip_prefix("http://").context("our gateway speaks TLS on loopback")?;
    let address = address.parse().with_context(|| format!("{address} is no address"))?;
    Ok(Goal { address, key: api.key.clone(), pids: vec![pid] })
}

async fn of_others(peer: &Peer, program: PathBuf, rig: &Rig) -> Result<Running> {
    let folder = workspace::scratch().join("gateways").join("run").join(peer.name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let [port, other_port] = free_ports()?;
    let place = Place { program, folder, port, other_port, upstream: rig.upstream };
    let mut group = Group::start(&(peer.start)(&place)?, &place)?;
    let address = place.address();
    wait_until_ready(&mut group, address, &place).await?;
    let goal = Goal { address, key: KEY.to_owned(), pids: system::tree(group.child.id())? };
    Ok(Running { goal, _processes: Box::new(group) })
}

async fn wait_until_ready(group: &mut Group, address: SocketAddr, place: &Place) -> Result<()> {
    let api = Api::new(&format!("http://{address}"), KEY)?;
    let ask = json!({"model": "sprout", "max_tokens": 1, "messages": [{"role": "user", "content": "go"}]});
    let started = Instant::now();
    let mut last = String::new();
    loop {
        match tokio::time::timeout(READY_LIMIT, api.chat(&ask)).await {
            Ok(Ok((200, _))) => return Ok(()),
            Ok(Ok((status, answer))) => last = format!("status {status} {answer}"),
            Ok(Err(error)) => last = format!("{error:#}"),
            Err(_) => {}
        }
        if let Some(status) = group.child.try_wait()? {
            bail!("it ended with {status}: {}", group.told(place));
        }
        if started.elapsed() > READY_LIMIT {
            bail!("not ready after {READY_LIMIT:?}: {last}: {}", group.told(place));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A process and what it starts, which live and die together.
struct Group {
    child: Child,
}

impl Group {
    fn start(wanted: &Command, place: &Place) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(pinned(GATEWAY_CORE)).arg(wanted.get_program()).args(wanted.get_args());
        for (name, value) in wanted.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let log = File::create(place.folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.current_dir(&place.folder).process_group(0).spawn();
        Ok(Self { child: child.context("taskset cannot be started")? })
    }

    /// The end of what it has printed.
    fn told(&self, place: &Place) -> String {
        let text = std::fs::read(place.folder.join("log")).unwrap_or_default();
        let text = &text[text.len().saturating_sub(TOLD_BYTES)..];
        format!("process {} printed … {}", self.child.id(), String::from_utf8_lossy(text).trim())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The child leads the group, which may outlive it.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn free_ports() -> Result<[u16; 2]> {
    // Held together, so that they differ.
    let [one, other] = [0, 0].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    Ok([one?.local_addr()?.port(), other?.local_addr()?.port()])
}

fn which(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.with_context(|| format!("{program} is not installed"))
}
