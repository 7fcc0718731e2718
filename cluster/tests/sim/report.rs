//! What was seen over many runs.

use std::collections::BTreeMap;
use std::fmt;

use super::faults::FaultCounts;

/// Sums over runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) clusters: u64,
    pub(crate) events: u64,
    pub(crate) turns: u64,
    pub(crate) finished: u64,
    pub(crate) cancelled: u64,
    /// Turns whose gateway died.
    pub(crate) abandoned: u64,
    /// Turns that failed, by cause.
    pub(crate) failed: BTreeMap<&'static str, u64>,
    pub(crate) tokens: u64,
    pub(crate) attempts: u64,
    /// Retries by cause.
    pub(crate) failovers: BTreeMap<&'static str, u64>,
    /// Turns that were told to move.
    pub(crate) moves: u64,
    /// Turns that went on over another link or after a lost one.
    pub(crate) attaches: u64,
    /// Frames of streams that nobody listens to any more.
    pub(crate) stale_frames: u64,
    /// Control messages that came late, twice, or late and alone.
    pub(crate) strays: u64,
    pub(crate) suspicions: u64,
    pub(crate) dials: u64,
    pub(crate) path_uses: u64,
    pub(crate) loads: u64,
    pub(crate) unloads: u64,
    pub(crate) engine_restarts: u64,
    pub(crate) faults: FaultCounts,
}

impl Stats {
    /// Adds another run.
    pub(crate) fn add(&mut self, other: &Stats) {
        let sums = [
            (&mut self.clusters, other.clusters),
            (&mut self.events, other.events),
            (&mut self.turns, other.turns),
            (&mut self.finished, other.finished),
            (&mut self.cancelled, other.cancelled),
            (&mut self.abandoned, other.abandoned),
            (&mut self.tokens, other.tokens),
            (&mut self.attempts, other.attempts),
            (&mut self.moves, other.moves),
            (&mut self.attaches, other.attaches),
            (&mut self.stale_frames, other.stale_frames),
            (&mut self.strays, other.strays),
            (&mut self.suspicions, other.suspicions),
            (&mut self.dials, other.dials),
            (&mut self.path_uses, other.path_uses),
            (&mut self.loads, other.loads),
            (&mut self.unloads, other.unloads),
            (&mut self.engine_restarts, other.engine_restarts),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
        let maps = [
            (&mut self.failed, &other.failed),
            (&mut self.failovers, &other.failovers),
            (&mut self.faults, &other.faults),
        ];
        for (sum, more) in maps {
            for (name, count) in more {
                *sum.entry(*name).or_insert(0) += count;
            }
        }
    }
}

fn list(counts: &BTreeMap<&'static str, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.values().sum();
        let failovers: u64 = self.failovers.values().sum();
        writeln!(f, "clusters   {} ({} events)", self.clusters, self.events)?;
        writeln!(
            f,
            "turns      {} ({} finished, {} cancelled, {} lost with their gateway; failed: {})",
            self.turns,
            self.finished,
            self.cancelled,
            self.abandoned,
            list(&self.failed)
        )?;
        writeln!(f, "tokens     {}", self.tokens)?;
        writeln!(f, "faults     {faults} ({})", list(&self.faults))?;
        writeln!(f, "failovers  {failovers} ({})", list(&self.failovers))?;
        writeln!(
            f,
            "moves      {} told, {} attached, {} attempts, {} suspicions, {} stale frames dropped",
            self.moves, self.attaches, self.attempts, self.suspicions, self.stale_frames
        )?;
        write!(
            f,
            "fleet      {} dials, {} links taken into use, {} stray reports, {} loads, {} unloads, {} engine restarts",
            self.dials, self.path_uses, self.strays, self.loads, self.unloads, self.engine_restarts
        )
    }
}
