//! `pomona status`: the gateway, its turns and its replicas, for people and for programs.

use std::process::ExitCode;

use pomona_protocol::{NodeStatus, ReplicaStatus, Status};

use crate::cli::Global;
use crate::command::{nodes, notices};
use crate::exit::Exit;
use crate::output::{self, BOLD, harmless};

/// Open notices that the status counts.
const NOTICES_SHOWN: u32 = 1000;

/// Heads of [`cells`].
pub(super) const REPLICA_HEAD: [&str; 6] = ["STATE", "PID", "RESTARTS", "TURNS", "KV", "MEMORY"];

/// Asks the gateway and prints what it says.
pub(super) fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let client = super::connect(global)?;
    let runtime = super::small_runtime()?;
    let status = runtime.block_on(client.status())?;
    if global.json {
        output::json(&status)?;
    } else {
        let url = client.url().as_str().trim_end_matches('/');
        // Names and paths make the page nicer; a gateway that tells none has a page all the same.
        let nodes = runtime.block_on(client.nodes()).unwrap_or_default();
        let notices = runtime.block_on(client.notices(NOTICES_SHOWN, true)).unwrap_or_default();
        output::line(&page(&status, &nodes, url))?;
        if let Some(line) = notices::line(&notices) {
            output::line(&line)?;
        }
    }
    Ok(Exit::Ok.into())
}

fn page(status: &Status, nodes: &[NodeStatus], url: &str) -> String {
    let draining = if status.draining { " · ending" } else { "" };
    let name = if status.name.is_empty() { &status.node.0 } else { &status.name };
    let head = format!(
        "{BOLD}pomona {}{BOLD:#} · cluster \"{}\" · node {} · up {}{draining}",
        harmless(&status.version),
        harmless(&status.cluster),
        harmless(name),
        duration(status.uptime_ms),
    );
    let turns = format!(
        "  turns      {} running, {} waiting\n  clients    {}",
        status.turns_active, status.turns_queued, status.clients
    );
    let mut page = format!("{head}\n  gateway    {url}\n{turns}\n\n");
    if status.replicas.is_empty() {
        page.push_str("no replica");
        return page;
    }
    page.push_str(&table(status, nodes));
    page.push_str(&errors(&status.replicas));
    page
}

/// One line for each replica; the way to it where one runs on another machine.
fn table(status: &Status, nodes: &[NodeStatus]) -> String {
    let node_of = |replica: &ReplicaStatus| nodes.iter().find(|node| node.node == replica.node);
    let has_remote = status.replicas.iter().any(|replica| replica.node != status.node);
    let row = |replica: &ReplicaStatus| {
        let is_here = replica.node == status.node;
        let name = match node_of(replica) {
            Some(node) => &node.name,
            None if is_here && !status.name.is_empty() => &status.name,
            None => &replica.node.0,
        };
        let path = match node_of(replica) {
            _ if is_here => "here".to_owned(),
            Some(node) => nodes::path(node),
            None => "-".to_owned(),
        };
        let path = has_remote.then_some(path);
        [replica.model.clone(), name.clone()].into_iter().chain(path).chain(cells(replica)).collect()
    };
    let rows: Vec<Vec<String>> = status.replicas.iter().map(row).collect();
    let path = has_remote.then_some("PATH");
    let head: Vec<&str> = ["MODEL", "NODE"].into_iter().chain(path).chain(REPLICA_HEAD).collect();
    output::table(&head, &rows)
}

/// What a replica is doing, in the columns of [`REPLICA_HEAD`].
pub(super) fn cells(replica: &ReplicaStatus) -> [String; 6] {
    let kv = match replica.kv_blocks_total {
        0 => "-".to_owned(),
        total => format!("{}/{total} blocks", replica.kv_blocks_used),
    };
    [
        replica.state.as_str().to_owned(),
        replica.engine_pid.map_or("-".to_owned(), |pid| pid.to_string()),
        replica.restarts.to_string(),
        replica.turns.to_string(),
        kv,
        replica.card.as_ref().map_or("-".to_owned(), |card| bytes(card.weight_bytes)),
    ]
}

/// A line for each replica that failed.
pub(super) fn errors(replicas: &[ReplicaStatus]) -> String {
    let failed = replicas.iter().filter_map(|replica| Some((&replica.model, replica.error.as_ref()?)));
    failed.map(|(model, error)| format!("\n{}: {}", harmless(model), harmless(error))).collect()
}

/// Bytes as a person reads them: three digits and a binary unit.
pub(super) fn bytes(bytes: u64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"], " ")
}

/// A large number as a person reads it: `494M` for instance.
pub(super) fn count(number: u64) -> String {
    scaled(number, 1000.0, &["", "K", "M", "B", "T"], "")
}

fn scaled(number: u64, step: f64, units: &[&str], gap: &str) -> String {
    let mut value = number as f64;
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$}{gap}{}", units[unit])
}

/// The two largest units of a span.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{NodeId, ReplicaState};

    use super::*;

    #[test]
    fn numbers_have_the_unit_that_keeps_them_short() {
        let shown: Vec<String> = [0, 1023, 1024, 1_572_864, 4 << 30].map(bytes).into();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "4.0 GiB"]);
        let shown: Vec<String> = [7, 494_000_000, 7_600_000_000].map(count).into();
        assert_eq!(shown, ["7", "494M", "7.6B"]);
        let shown: Vec<String> = [999, 61_000, 3_660_000, 90_000_000].map(duration).into();
        assert_eq!(shown, ["0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }

    fn replica(node: &str, error: Option<&str>) -> ReplicaStatus {
        ReplicaStatus {
            node: NodeId::from(node),
            model: "sprout".to_owned(),
            state: if error.is_some() { ReplicaState::Failed } else { ReplicaState::Ready },
            incarnation: 3,
            restarts: 2,
            engine_pid: Some(42),
            card: None,
            turns: 1,
            is_pinned: false,
            idle_ms: 0,
            kv_blocks_used: 5,
            kv_blocks_total: 10,
            running: 0,
            waiting: 0,
            figures: Default::default(),
            error: error.map(str::to_owned),
        }
    }

    fn status(name: &str, replicas: Vec<ReplicaStatus>) -> Status {
        Status {
            version: "0.1.0".to_owned(),
            cluster: "orchard".to_owned(),
            node: NodeId::from("n-1f"),
            name: name.to_owned(),
            uptime_ms: 61_000,
            draining: true,
            turns_active: 1,
            turns_queued: 2,
            clients: 3,
            replicas,
        }
    }

    fn shown(status: &Status, nodes: &[NodeStatus]) -> String {
        anstream::adapter::strip_str(&page(status, nodes, "http://127.0.0.1:9999")).to_string()
    }

    #[test]
    fn the_page_names_every_replica_and_why_it_failed() {
        let status = status("mac", vec![replica("n-1f", Some("out of \x1b[31mmemory"))]);
        let expected = "\
pomona 0.1.0 · cluster \"orchard\" · node mac · up 1 min 1 s · ending
  gateway    http://127.0.0.1:9999
  turns      1 running, 2 waiting
  clients    3

MODEL   NODE  STATE   PID  RESTARTS  TURNS  KV           MEMORY
sprout  mac   failed  42   2         1      5/10 blocks  -
sprout: out of [31mmemory";
        assert_eq!(shown(&status, &[]), expected);
    }

    #[test]
    fn replicas_on_other_machines_come_with_the_way_to_them() {
        let status = status("", vec![replica("n-1f", None), replica("n-1f00", None), replica("n-9", None)]);
        let page = shown(&status, &[nodes::mini()]);
        let expected = "\
MODEL   NODE  PATH        STATE  PID  RESTARTS  TURNS  KV           MEMORY
sprout  n-1f  here        ready  42   2         1      5/10 blocks  -
sprout  mini  LAN 0.4 ms  ready  42   2         1      5/10 blocks  -
sprout  n-9   -           ready  42   2         1      5/10 blocks  -";
        assert!(page.ends_with(expected), "{page}");
        assert!(page.contains("node n-1f ·"), "{page}");
    }
}
