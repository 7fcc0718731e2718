//! Machines as a person reads them: one line each, or everything about one.

use pomona_protocol::{ModelOffer, NodeState, NodeStatus, PathStatus, ReplicaStatus};

use crate::clock;
use crate::command::status::{self, bytes, duration};
use crate::output::{self, BOLD, Cell, DIM, GOOD, WARNING, harmless};

/// One line for each machine.
pub(super) fn table(nodes: &[NodeStatus]) -> String {
    let head = ["NAME", "ID", "ROLE", "STATE", "PATH", "MEMORY", "REPLICAS", "TURNS", "VERSION", "SEEN"];
    let rows: Vec<Vec<Cell>> = nodes.iter().map(row).collect();
    output::styled_table(&head, &rows)
}

fn row(node: &NodeStatus) -> Vec<Cell> {
    vec![
        node.name.clone().into(),
        Cell::styled(&node.node.0, DIM),
        role(node).into(),
        state(node.state),
        path(node).into(),
        memory(node).into(),
        node.replicas.len().to_string().into(),
        node.turns.to_string().into(),
        node.version.clone().unwrap_or_else(dash).into(),
        seen(node).into(),
    ]
}

/// Everything about one machine.
pub(super) fn page(node: &NodeStatus) -> String {
    let state = state(node.state);
    let style = state.style;
    let mut page = format!(
        "{BOLD}{}{BOLD:#} · {} · {} · {style}{}{style:#}",
        harmless(&node.name),
        harmless(&node.node.0),
        role(node),
        state.text,
    );
    let lines = [
        ("path", node.path.as_ref().map_or_else(|| path(node), long_path)),
        ("seen", seen(node)),
        ("version", node.version.clone().unwrap_or_else(dash)),
        ("joined", joined(node.joined_unix_ms)),
        ("memory", memory(node)),
        ("turns", node.turns.to_string()),
        ("models", models(node)),
    ];
    for (name, text) in lines {
        page.push_str(&format!("\n  {name:<10} {}", harmless(&text)));
    }
    if !node.replicas.is_empty() {
        page.push_str("\n\n");
        page.push_str(&replicas(&node.replicas));
        page.push_str(&status::errors(&node.replicas));
    }
    page
}

fn replicas(replicas: &[ReplicaStatus]) -> String {
    let row = |replica: &ReplicaStatus| {
        [replica.model.clone()].into_iter().chain(status::cells(replica)).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = replicas.iter().map(row).collect();
    let head: Vec<&str> = ["MODEL"].into_iter().chain(status::REPLICA_HEAD).collect();
    output::table(&head, &rows)
}

/// The way to a machine and its round trip; `here` for the gateway's own.
pub(in crate::command) fn path(node: &NodeStatus) -> String {
    match &node.path {
        _ if node.is_here => "here".to_owned(),
        Some(path) => format!("{} {}", path.kind.as_str().to_uppercase(), round_trip(path.rtt_ms)),
        None => dash(),
    }
}

fn long_path(path: &PathStatus) -> String {
    let changes = match path.switches {
        0 => "never changed".to_owned(),
        1 => "changed once".to_owned(),
        times => format!("changed {times} times"),
    };
    format!(
        "{} by {}, {} round trip, for {}, {changes}",
        path.kind.as_str().to_uppercase(),
        path.address,
        round_trip(path.rtt_ms),
        duration(path.since_ms),
    )
}

/// Two digits are enough to tell a cable from radio and that from a continent.
fn round_trip(rtt_ms: f64) -> String {
    if rtt_ms < 9.95 { format!("{rtt_ms:.1} ms") } else { format!("{rtt_ms:.0} ms") }
}

fn state(state: NodeState) -> Cell {
    let style = match state {
        NodeState::Alive => GOOD,
        NodeState::Suspect | NodeState::Draining => WARNING,
        NodeState::Offline => output::RED,
    };
    Cell::styled(state.as_str(), style)
}

/// What its certificate says; a machine whose policy forbids hosting says that too.
fn role(node: &NodeStatus) -> String {
    let client = if node.hosts { "" } else { " (client)" };
    format!("{}{client}", node.role.as_str())
}

fn memory(node: &NodeStatus) -> String {
    match node.memory_bytes {
        0 => dash(),
        total => format!("{} / {}", bytes(node.memory_bytes_used), bytes(total)),
    }
}

fn seen(node: &NodeStatus) -> String {
    match node.seen_ms_ago {
        _ if node.is_here => "now".to_owned(),
        None => "never".to_owned(),
        Some(0..1000) => "now".to_owned(),
        Some(ms) => format!("{} ago", duration(ms)),
    }
}

fn joined(unix_ms: u64) -> String {
    match unix_ms {
        0 => dash(),
        ms => clock::utc(ms / 1000),
    }
}

fn models(node: &NodeStatus) -> String {
    let one = |offer: &ModelOffer| format!("{} ({})", offer.model.0, bytes(offer.memory_bytes));
    match node.models.as_slice() {
        [] => dash(),
        models => models.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use pomona_protocol::{NodeId, PathKind, PeerRole, ReplicaState};

    use super::*;

    /// A machine on the LAN with one replica.
    pub(in crate::command) fn mini() -> NodeStatus {
        let replica = ReplicaStatus {
            node: NodeId::from("n-1f00"),
            model: "sprout".to_owned(),
            state: ReplicaState::Ready,
            incarnation: 1,
            restarts: 0,
            engine_pid: Some(42),
            card: None,
            turns: 2,
            is_pinned: false,
            idle_ms: 0,
            kv_blocks_used: 5,
            kv_blocks_total: 10,
            running: 0,
            waiting: 0,
            figures: Default::default(),
            error: None,
        };
        NodeStatus {
            node: NodeId::from("n-1f00"),
            name: "mini".to_owned(),
            role: PeerRole::Node,
            state: NodeState::Alive,
            path: Some(PathStatus {
                kind: PathKind::Lan,
                address: "192.168.1.7:9999".to_owned(),
                rtt_ms: 0.42,
                since_ms: 61_000,
                switches: 1,
            }),
            version: Some("0.1.0".to_owned()),
            hosts: true,
            is_here: false,
            seen_ms_ago: Some(240),
            joined_unix_ms: 1_700_000_000_000,
            memory_bytes: 16 << 30,
            memory_bytes_used: 1 << 29,
            turns: 2,
            models: vec![ModelOffer {
                model: pomona_protocol::ModelId::from("sprout"),
                memory_bytes: 1 << 29,
                digest: String::new(),
                card: None,
            }],
            replicas: vec![replica],
            figures: Default::default(),
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn each_machine_has_one_line() {
        let studio = NodeStatus {
            name: "st\x1b[31mudio".to_owned(),
            node: NodeId::from("n-2a00"),
            role: PeerRole::Gateway,
            is_here: true,
            hosts: false,
            memory_bytes: 0,
            replicas: Vec::new(),
            turns: 0,
            ..mini()
        };
        let path = PathStatus { kind: PathKind::Wan, rtt_ms: 81.4, ..mini().path.unwrap() };
        let away = NodeStatus {
            name: "air".to_owned(),
            state: NodeState::Suspect,
            path: Some(path),
            seen_ms_ago: Some(3_100),
            ..mini()
        };
        let gone = NodeStatus {
            name: "old".to_owned(),
            state: NodeState::Offline,
            path: None,
            version: None,
            seen_ms_ago: None,
            ..mini()
        };
        let expected = "\
NAME        ID      ROLE              STATE    PATH        MEMORY              REPLICAS  TURNS  VERSION  SEEN
mini        n-1f00  node              alive    LAN 0.4 ms  512 MiB / 16.0 GiB  1         2      0.1.0    now
st[31mudio  n-2a00  gateway (client)  alive    here        -                   0         0      0.1.0    now
air         n-1f00  node              suspect  WAN 81 ms   512 MiB / 16.0 GiB  1         2      0.1.0    3 s ago
old         n-1f00  node              offline  -           512 MiB / 16.0 GiB  1         2      -        never";
        assert_eq!(plain(&table(&[mini(), studio, away, gone])), expected);
    }

    #[test]
    fn states_have_colours_and_nothing_else_of_others_has() {
        let text = table(&[mini()]);
        assert!(text.contains(&format!("{GOOD}alive{GOOD:#}")), "{text:?}");
    }

    #[test]
    fn the_page_tells_everything() {
        let expected = "\
mini · n-1f00 · node · alive
  path       LAN by 192.168.1.7:9999, 0.4 ms round trip, for 1 min 1 s, changed once
  seen       now
  version    0.1.0
  joined     2023-11-14T22:13:20Z
  memory     512 MiB / 16.0 GiB
  turns      2
  models     sprout (512 MiB)

MODEL   STATE  PID  RESTARTS  TURNS  KV           MEMORY
sprout  ready  42   0         2      5/10 blocks  -";
        assert_eq!(plain(&page(&mini())), expected);
    }
}
