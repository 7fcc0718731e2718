//! Makes what the user wants to go wrong go wrong, at its time, and mends it. Befalls only what the user named, on this
//! machine; what reaches further is a command of the user's own.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::report::Event;

use super::chaos::{Fault, Kind, Target as Whom};
use super::processes::{self, NotHere};
use super::tally::Clock;
use super::target::Target;

/// A slow process runs so long and stands still as long: shorter than any timeout of a cluster, longer than a token.
const SLOW_EVERY: Duration = Duration::from_millis(50);
/// Longest time for a command of the user's.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// A fault that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Its target is not to be found.
    #[error(transparent)]
    NotHere(#[from] NotHere),
    /// No such process, or not the user's.
    #[error("process {pid} cannot be signalled: {reason}")]
    Process {
        /// Which.
        pid: u32,
        /// What the system says.
        reason: String,
    },
    /// A network cannot be cut without a command for it.
    #[error("cut@… needs --chaos-exec COMMAND, which is run with `cut NODE begin` and `cut NODE end`")]
    NoCommand,
    /// The gateway does not tell its members.
    #[error("the gateway does not list its nodes ({0}); an admin's key is needed")]
    NoNodes(String),
    /// The gateway is elsewhere, so its nodes' processes are unknown here.
    #[error(
        "the gateway runs on another machine, so processes of nodes are not found here; name a process id or use exec@…"
    )]
    GatewayElsewhere,
}

/// Faults whose targets were found.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Found>,
    /// Run for [`Kind::Cut`], with the kind, the target, and `begin` or `end` behind it.
    command: Option<String>,
}

#[derive(Clone, Debug)]
struct Found {
    fault: Fault,
    /// The process of a node, which stays the same over the run. Engines come and go, so they are looked for in time.
    pid: Option<u32>,
}

impl Faults {
    /// Looks for every target, before the run.
    pub async fn find(
        list: Vec<Fault>,
        command: Option<String>,
        gateway: &Target,
    ) -> Result<Self, FaultError> {
        let is_signal = |kind| matches!(kind, Kind::Kill | Kind::Stop | Kind::Slow);
        let names = |fault: &Fault| matches!(fault.target, Whom::Node(_) | Whom::Engine(_));
        let nodes = if list.iter().any(names) { nodes(gateway).await? } else { Value::Null };
        let mut found = Vec::with_capacity(list.len());
        for fault in list {
            if is_signal(fault.kind) && names(&fault) && !gateway.is_of_this_machine() {
                return Err(FaultError::GatewayElsewhere);
            }
            let pid = match (&fault.target, fault.kind) {
                (_, Kind::Cut) if command.is_none() => return Err(FaultError::NoCommand),
                (Whom::Node(name), Kind::Cut | Kind::Drain) => {
                    processes::member(&nodes, name)?;
                    None
                }
                (Whom::Node(name), _) => Some(processes::node(&nodes, name)?),
                (Whom::Process(pid), _) => Some(*pid),
                (Whom::Engine(name), _) => {
                    processes::engine(&nodes, name)?;
                    None
                }
                (Whom::Command(_), _) => None,
            };
            pid.map_or(Ok(()), test)?;
            found.push(Found { fault, pid });
        }
        found.sort_by_key(|found| found.fault.at);
        Ok(Self { list: found, command })
    }

    /// Makes them happen until `over`; what lasts then is mended at once. Says what happened.
    pub(super) async fn run(self, gateway: Arc<Target>, clock: Clock, over: CancellationToken) -> Vec<Event> {
        let command = Arc::new(self.command);
        let mut under_way = JoinSet::new();
        for found in self.list {
            let due = tokio::time::sleep_until(clock.instant(found.fault.at));
            tokio::select! {
                () = due => {}
                () = over.cancelled() => break,
            }
            let (gateway, command, over) = (Arc::clone(&gateway), Arc::clone(&command), over.clone());
            under_way.spawn(async move {
                let hand = Hand { found, gateway, command };
                hand.befall(clock, over).await
            });
        }
        let mut events = under_way.join_all().await;
        events.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        events
    }
}

/// One fault in the making.
struct Hand {
    found: Found,
    gateway: Arc<Target>,
    command: Arc<Option<String>>,
}

impl Hand {
    async fn befall(self, clock: Clock, over: CancellationToken) -> Event {
        let Fault { kind, lasts, .. } = self.found.fault;
        let ms = |at: Duration| at.as_secs_f64() * 1e3;
        let at_ms = ms(clock.now());
        let mut what = format!("{} {}", self.found.fault.target, past(kind));
        let outcome = match kind {
            Kind::Kill => self.pid().await.and_then(|pid| signal(pid, Signal::KILL)),
            Kind::Stop => self.still(lasts, lasts, &over).await,
            Kind::Slow => self.still(lasts, SLOW_EVERY, &over).await,
            Kind::Cut => self.by_command(lasts, &over).await,
            Kind::Drain => self.drain(lasts, &over).await,
            Kind::Exec => shell(&self.found.fault.target.to_string(), &[]).await,
        };
        if let Err(reason) = outcome {
            what = format!("{} could not be {}: {reason}", self.found.fault.target, past(kind));
        }
        let until_ms = kind.lasts().then(|| ms(clock.now()));
        let node = match &self.found.fault.target {
            Whom::Node(name) | Whom::Engine(name) => Some(name.clone()),
            Whom::Process(_) | Whom::Command(_) => None,
        };
        let kind = kind.as_str().to_owned();
        Event { at_ms, until_ms, kind, what, node, recovered_ms: None, resumed: None, failed: None }
    }

    /// The process that is meant, now.
    async fn pid(&self) -> Result<u32, String> {
        match (&self.found.fault.target, self.found.pid) {
            (_, Some(pid)) => Ok(pid),
            (Whom::Engine(name), None) => {
                let nodes = nodes(&self.gateway).await.map_err(|error| error.to_string())?;
                processes::engine(&nodes, name).map_err(|error| error.to_string())
            }
            (target, None) => Err(format!("{target} is no process")),
        }
    }

    /// Stands a process still for `lasts`: all of it, or every other piece of this length.
    async fn still(&self, lasts: Duration, piece: Duration, over: &CancellationToken) -> Result<(), String> {
        let pid = self.pid().await?;
        let until = tokio::time::Instant::now() + lasts;
        while tokio::time::Instant::now() < until && !over.is_cancelled() {
            signal(pid, Signal::STOP)?;
            let awake = Awake(pid);
            wait(piece, over).await;
            drop(awake);
            if piece < lasts {
                wait(piece, over).await;
            }
        }
        Ok(())
    }

    async fn by_command(&self, lasts: Duration, over: &CancellationToken) -> Result<(), String> {
        let (Some(command), Whom::Node(name)) = (self.command.as_deref(), &self.found.fault.target) else {
            return Err("there is no command for it".to_owned());
        };
        let kind = self.found.fault.kind.as_str();
        let begun = shell(command, &[kind, name, "begin"]).await;
        wait(lasts, over).await;
        begun.and(shell(command, &[kind, name, "end"]).await)
    }

    async fn drain(&self, lasts: Duration, over: &CancellationToken) -> Result<(), String> {
        let Whom::Node(name) = &self.found.fault.target else { return Err("it is no node".to_owned()) };
        let order = async |word: &str| {
            let path = format!("/admin/nodes/{name}/{word}");
            self.gateway.ask("POST", &path, "", b"{}").await.map(drop).map_err(|broken| broken.to_string())
        };
        order("drain").await?;
        wait(lasts, over).await;
        order("undrain").await
    }
}

/// Lets a process go on, however its fault ends.
struct Awake(u32);

impl Drop for Awake {
    fn drop(&mut self) {
        let _ = signal(self.0, Signal::CONT);
    }
}

fn past(kind: Kind) -> &'static str {
    match kind {
        Kind::Kill => "killed",
        Kind::Stop => "stopped",
        Kind::Slow => "slowed",
        Kind::Cut => "cut off",
        Kind::Drain => "drained",
        Kind::Exec => "run",
    }
}

async fn wait(span: Duration, over: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(span) => {}
        () = over.cancelled() => {}
    }
}

async fn shell(command: &str, arguments: &[&str]) -> Result<(), String> {
    // `$0` is a name for messages; the arguments stand behind the command as they would behind a script.
    let line = if arguments.is_empty() { command.to_owned() } else { format!("{command} \"$@\"") };
    let mut child = Command::new("sh");
    child.arg("-c").arg(line).arg("fault").args(arguments);
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(COMMAND_LIMIT, child.status()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("the command ended with {status}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the command still ran after {} s", COMMAND_LIMIT.as_secs())),
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

fn signal(number: u32, signal: Signal) -> Result<(), String> {
    let pid = pid(number).ok_or_else(|| format!("{number} is no process"))?;
    kill_process(pid, signal).map_err(|error| error.to_string())
}

fn test(number: u32) -> Result<(), FaultError> {
    let failed = |reason: String| FaultError::Process { pid: number, reason };
    let pid = pid(number).ok_or_else(|| failed("it is no process id".to_owned()))?;
    test_kill_process(pid).map_err(|error| failed(error.to_string()))
}

async fn nodes(gateway: &Target) -> Result<Value, FaultError> {
    let failed = |reason: String| FaultError::NoNodes(reason);
    let answer = gateway.ask("GET", "/admin/nodes", "", b"").await;
    let answer = answer.map_err(|broken| failed(broken.to_string()))?;
    serde_json::from_slice(&answer).map_err(|error| failed(error.to_string()))
}
