//! A soak: which faults befall whom, and whether the gateway came back to where it began. Pure; the command runs it and puts
//! what is found here into the report, as objectives like any others.
//!
//! Memory is judged by a line through what was seen from a third of the load on, when caches are warm: its slope must be
//! within noise, or too small to matter. Everything else that can leak is counted, and must be back when the gateway has
//! come to rest: what it is at the end may not be above what it was at the beginning by more than a few.

use std::time::Duration;

use crate::random::{Purpose, Random};
use crate::report::{Objective, Report};
use crate::run::chaos::{Fault, Kind, Target};
use crate::statistics::Line;

/// Share of the load at whose end the gateway is warm.
const WARM_SHARE: f64 = 1.0 / 3.0;
/// Growth over an hour that is none, as a share of the mean: less than what an allocator keeps for later.
const GROWTH_PER_HOUR_MAX: f64 = 0.05;
/// Chance of a slope without growth that is small enough to speak of one.
const P_MAX: f64 = 0.05;
/// Milliseconds that a line needs: within less, nobody can tell growth over an hour from a cache that fills.
const SPAN_MS_MIN: f64 = 300e3;

/// Memory of the gateways' processes.
const MEMORY: &str = "pomona_process_resident_bytes";
/// What must come back, in words, and how many more there may be: the connection over which this is asked, tasks that end a little
/// later, sessions of others.
const RETURNING: &[(&str, &str, f64)] = &[
    ("pomona_process_open_fds", "open files", 16.0),
    ("pomona_client_connections", "client connections", 4.0),
    ("pomona_permits_in_use{permit=\"requests\"}", "permits of requests", 4.0),
    ("pomona_permits_in_use{permit=\"turns\"}", "permits of turns", 0.0),
    ("pomona_turns_active", "turns", 0.0),
    ("pomona_turns_queued", "waiting turns", 0.0),
    ("pomona_sessions_active", "sessions in memory", 4.0),
    ("pomona_runtime_tasks", "tasks of the gateway", 32.0),
    ("pomona_node_tasks", "tasks of nodes", 64.0),
    ("pomona_node_actors", "actors of nodes", 16.0),
    ("pomona_node_temp_files", "temporary files of nodes", 0.0),
];

/// Faults on these nodes from `quiet` behind the start to `quiet` before the end, `every` so often, at random. All of
/// them end by themselves: nodes stay, engines are started again.
pub fn faults(nodes: &[String], length: Duration, quiet: Duration, every: Duration, seed: u64) -> Vec<Fault> {
    let mut random = Random::new(seed, Purpose::Faults);
    let mut faults = Vec::new();
    let end = length.saturating_sub(quiet);
    let mut at = quiet;
    while !nodes.is_empty() && at < end && faults.len() < crate::run::chaos::FAULTS_MAX {
        let name = nodes[random.below(nodes.len() as u64) as usize].clone();
        let seconds = |random: &mut Random, from: u64, to: u64| {
            Duration::from_millis(from * 1000 + random.below((to - from) * 1000))
        };
        let (kind, target, lasts) = match random.below(4) {
            0 => (Kind::Kill, Target::Engine(name), Duration::ZERO),
            1 => (Kind::Stop, Target::Engine(name), seconds(&mut random, 1, 5)),
            2 => (Kind::Slow, Target::Engine(name), seconds(&mut random, 2, 10)),
            _ => (Kind::Drain, Target::Node(name), seconds(&mut random, 2, 10)),
        };
        faults.push(Fault { at, kind, target, lasts });
        // Between half and one and a half of the time, so that faults keep step with nothing.
        at += every.mul_f64(0.5 + random.share()).max(Duration::from_millis(100));
    }
    faults
}

/// Adds what the series of the gateway say to the objectives of a report. `ended_ms` is when the load was over.
pub fn judge(report: &mut Report, ended_ms: f64) {
    let Some(server) = &report.server else {
        report.verdict.invalid.push("/metrics of the gateway could not be read".to_owned());
        return;
    };
    let mut found = Vec::new();
    if let Some(series) = server.series.get(MEMORY) {
        found.extend(memory(series, ended_ms));
    }
    for (name, words, more) in RETURNING {
        let Some(((_, first), (_, last))) =
            server.series.get(*name).and_then(|series| series.first().copied().zip(series.last().copied()))
        else {
            continue;
        };
        let bound = first + more;
        let name = format!("{words} at the end");
        found.push(Objective { name, bound, seen: last, unit: "count".to_owned(), is_met: last <= bound });
    }
    report.verdict.is_within &= found.iter().all(|objective| objective.is_met);
    report.verdict.objectives.extend(found);
}

/// Growth per hour, as a share of the mean.
fn memory(series: &[(f64, f64)], ended_ms: f64) -> Option<Objective> {
    let warm: Vec<(f64, f64)> =
        series.iter().filter(|(at, _)| *at >= ended_ms * WARM_SHARE && *at <= ended_ms).copied().collect();
    let span = warm.last()?.0 - warm.first()?.0;
    if span < SPAN_MS_MIN {
        return None;
    }
    let line = Line::through(&warm)?;
    let mean = warm.iter().map(|(_, bytes)| bytes).sum::<f64>() / warm.len() as f64;
    let growth = line.slope * 3.6e6 / mean.max(1.0);
    let is_met = growth <= GROWTH_PER_HOUR_MAX || line.p_rising > P_MAX;
    let name = "memory growth per hour".to_owned();
    Some(Objective { name, bound: GROWTH_PER_HOUR_MAX, seen: growth, unit: "share".to_owned(), is_met })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(bytes: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..600).map(|second| (f64::from(second) * 1e3, bytes(f64::from(second)))).collect()
    }

    #[test]
    fn memory_that_grows_is_told_from_memory_that_wavers() {
        let wavering = series(|second| 4e7 + 1e5 * (second * 1.7).sin());
        assert!(memory(&wavering, 6e5).unwrap().is_met);
        let filling = series(|second| 4e7 + 1e5 * second.min(150.0));
        assert!(memory(&filling, 6e5).unwrap().is_met);
        let growing = series(|second| 4e7 + 2e4 * second + 1e5 * (second * 1.7).sin());
        let growing = memory(&growing, 6e5).unwrap();
        assert!(!growing.is_met && growing.seen > 1.0, "{growing:?}");
        assert_eq!(memory(&wavering[..10], 1e4), None);
    }

    #[test]
    fn faults_befall_the_nodes_that_are_named_within_the_run() {
        let (length, quiet) = (Duration::from_secs(600), Duration::from_secs(20));
        let nodes = ["n1".to_owned(), "n2".to_owned()];
        let drawn = faults(&nodes, length, quiet, Duration::from_secs(30), 7);
        assert!((12..30).contains(&drawn.len()), "{}", drawn.len());
        for fault in &drawn {
            let (Target::Engine(name) | Target::Node(name)) = &fault.target else { panic!("{fault:?}") };
            assert!(nodes.contains(name) && fault.at >= quiet && fault.at <= length - quiet, "{fault:?}");
        }
        assert_eq!(drawn, faults(&nodes, length, quiet, Duration::from_secs(30), 7));
        assert_eq!(faults(&[], length, quiet, Duration::from_secs(30), 7), []);
    }
}
