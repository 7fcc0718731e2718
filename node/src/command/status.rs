//! `pomona status`: the gateway, its turns and its replicas, for people and for programs.

use std::process::ExitCode;

use pomona_protocol::{ReplicaStatus, Status};

use crate::cli::Global;
use crate::exit::Exit;
use crate::output::{self, BOLD, harmless};

/// Asks the gateway and prints what it says.
pub(super) fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let client = super::connect(global)?;
    let status = super::small_runtime()?.block_on(client.status())?;
    if global.json {
        output::json(&status)?;
    } else {
        output::line(&page(&status, client.url().as_str().trim_end_matches('/')))?;
    }
    Ok(Exit::Ok.into())
}

fn page(status: &Status, url: &str) -> String {
    let draining = if status.draining { " · ending" } else { "" };
    let head = format!(
        "{BOLD}pomona {}{BOLD:#} · cluster \"{}\" · node {} · up {}{draining}",
        harmless(&status.version),
        harmless(&status.cluster),
        harmless(&status.node.0),
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
    let rows: Vec<Vec<String>> = status.replicas.iter().map(row).collect();
    page.push_str(&output::table(
        &["MODEL", "NODE", "STATE", "PID", "RESTARTS", "TURNS", "KV", "MEMORY"],
        &rows,
    ));
    for replica in &status.replicas {
        if let Some(error) = &replica.error {
            page.push_str(&format!("\n{}: {}", harmless(&replica.model), harmless(error)));
        }
    }
    page
}

fn row(replica: &ReplicaStatus) -> Vec<String> {
    let kv = match replica.kv_blocks_total {
        0 => "-".to_owned(),
        total => format!("{}/{total} blocks", replica.kv_blocks_used),
    };
    vec![
        replica.model.clone(),
        replica.node.0.clone(),
        replica.state.as_str().to_owned(),
        replica.engine_pid.map_or("-".to_owned(), |pid| pid.to_string()),
        replica.restarts.to_string(),
        replica.turns.to_string(),
        kv,
        replica.card.as_ref().map_or("-".to_owned(), |card| bytes(card.weight_bytes)),
    ]
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
fn duration(ms: u64) -> String {
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

    #[test]
    fn the_page_names_every_replica_and_why_it_failed() {
        let replica = ReplicaStatus {
            node: NodeId::from("mac"),
            model: "sprout".to_owned(),
            state: ReplicaState::Failed,
            incarnation: 3,
            restarts: 2,
            engine_pid: Some(42),
            card: None,
            turns: 1,
            kv_blocks_used: 5,
            kv_blocks_total: 10,
            error: Some("out of \x1b[31mmemory".to_owned()),
        };
        let status = Status {
            version: "0.1.0".to_owned(),
            cluster: "orchard".to_owned(),
            node: NodeId::from("mac"),
            uptime_ms: 61_000,
            draining: true,
            turns_active: 1,
            turns_queued: 2,
            clients: 3,
            replicas: vec![replica],
        };
        let page = anstream::adapter::strip_str(&page(&status, "http://127.0.0.1:9999")).to_string();
        let expected = "\
pomona 0.1.0 · cluster \"orchard\" · node mac · up 1 min 1 s · ending
  gateway    http://127.0.0.1:9999
  turns      1 running, 2 waiting
  clients    3

MODEL   NODE  STATE   PID  RESTARTS  TURNS  KV           MEMORY
sprout  mac   failed  42   2         1      5/10 blocks  -
sprout: out of [31mmemory";
        assert_eq!(page, expected);
    }
}
