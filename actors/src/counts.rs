//! What this process counts for its reports, besides what observers hear: written where it happens, read by the
//! Reporter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use pomona_protocol::{ApiPort, EngineLoad, MachineFigures, NodeFigures, ReplicaFigures};

/// Counters of one process.
#[derive(Default)]
pub(crate) struct Counts {
    /// Turns that were begun at engines of this process.
    pub(crate) turns: AtomicU64,
    /// Tokens that they made.
    pub(crate) tokens: AtomicU64,
    /// Restarts of engines.
    pub(crate) restarts: AtomicU64,
    /// Engines that became ready.
    pub(crate) model_loads: AtomicU64,
    /// Models that left the memory.
    pub(crate) model_unloads: AtomicU64,
    /// Actors that live.
    pub(crate) actors: Arc<AtomicU64>,
    /// The worst lateness of a timer within the last seconds.
    pub(crate) lag_micros: Arc<AtomicU64>,
    /// What the system says; whoever starts the process keeps it up to date.
    pub(crate) machine: ArcSwap<MachineFigures>,
    /// Where the API is served, on a gateway.
    pub(crate) api: ArcSwap<Option<ApiPort>>,
}

impl Counts {
    pub(crate) fn figures(&self) -> NodeFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let tasks = tokio::runtime::Handle::try_current().map(|runtime| runtime.metrics().num_alive_tasks());
        NodeFigures {
            machine: MachineFigures::clone(&self.machine.load()),
            api: **self.api.load(),
            turns: read(&self.turns),
            tokens: read(&self.tokens),
            restarts: read(&self.restarts),
            model_loads: read(&self.model_loads),
            model_unloads: read(&self.model_unloads),
            tasks: tasks.unwrap_or(0) as u64,
            actors: read(&self.actors),
            lag_micros: read(&self.lag_micros),
            ..NodeFigures::default()
        }
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The figures of a replica over all its engines: each of them counts from 0.
#[derive(Default)]
pub(crate) struct ReplicaTotals {
    /// Of the engines before, and of all steps.
    past: ReplicaFigures,
    /// Of the engine that runs, as it said last.
    engine: EngineLoad,
}

impl ReplicaTotals {
    /// Takes what an engine says, and gives the tokens that are new in it.
    pub(crate) fn on_load(&mut self, load: &EngineLoad) -> u64 {
        for sample in &load.samples {
            self.past.count_step(sample.micros, sample.sequences);
        }
        let new = load.generated_tokens.saturating_sub(self.engine.generated_tokens);
        self.engine = EngineLoad { samples: Vec::new(), ..load.clone() };
        new
    }

    /// The engine is gone; the next one counts from 0.
    pub(crate) fn on_end(&mut self) {
        self.past = self.figures();
        self.engine = EngineLoad::default();
    }

    pub(crate) fn figures(&self) -> ReplicaFigures {
        let (past, engine) = (&self.past, &self.engine);
        ReplicaFigures {
            prompt_tokens: past.prompt_tokens + engine.prompt_tokens,
            cached_tokens: past.cached_tokens + engine.cached_tokens,
            generated_tokens: past.generated_tokens + engine.generated_tokens,
            guessed_tokens: past.guessed_tokens + engine.guessed_tokens,
            accepted_tokens: past.accepted_tokens + engine.accepted_tokens,
            restored_tokens: past.restored_tokens + engine.restored_tokens,
            prefix_disk_bytes: engine.prefix_disk_bytes,
            kv_blocks_held: u64::from(engine.kv_blocks_held),
            evicted_blocks: past.evicted_blocks + engine.evicted_blocks,
            evicted_files: past.evicted_files + engine.evicted_prefix_files,
            broken_files: past.broken_files + engine.broken_prefix_files,
            ..past.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::StepSample;

    use super::*;

    #[test]
    fn figures_of_a_replica_never_fall_when_its_engine_is_started_again() {
        let mut totals = ReplicaTotals::default();
        let step = StepSample { micros: 300, sequences: 2, tokens: 2 };
        let load = |generated_tokens| EngineLoad {
            generated_tokens,
            prompt_tokens: 5,
            prefix_disk_bytes: 9,
            samples: vec![step],
            ..EngineLoad::default()
        };
        assert_eq!((totals.on_load(&load(4)), totals.on_load(&load(7))), (4, 3));
        totals.on_end();
        assert_eq!(totals.figures().prefix_disk_bytes, 0);
        assert_eq!(totals.on_load(&load(2)), 2);
        let figures = totals.figures();
        assert_eq!((figures.generated_tokens, figures.prompt_tokens, figures.prefix_disk_bytes), (9, 10, 9));
        assert_eq!((figures.step_counts[1], figures.step_micros, figures.step_sequences), (3, 900, 6));
    }
}
