//! Where the engine's thread shows what it does and watchers read it.
//!
//! A lock held for a few copies, taken three times per step; no watcher can hold up a step for longer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pomona_protocol::limits::STEP_SAMPLES_MAX;
use pomona_protocol::{EngineLoad, StepSample};

/// The current load and the latest steps.
#[derive(Debug, Default)]
pub struct LoadBoard {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    load: EngineLoad,
    /// Of the last steps; the newest is number `load.steps`.
    samples: VecDeque<StepSample>,
}

impl LoadBoard {
    /// The load now, with samples of the steps after number `steps_seen`.
    pub fn snapshot(&self, steps_seen: u64) -> EngineLoad {
        let state = self.lock();
        let unseen = usize::try_from(state.load.steps.saturating_sub(steps_seen)).unwrap_or(usize::MAX);
        let skipped = state.samples.len().saturating_sub(unseen);
        EngineLoad { samples: state.samples.iter().skip(skipped).copied().collect(), ..state.load.clone() }
    }

    /// Changes what is shown.
    pub(crate) fn update(&self, change: impl FnOnce(&mut EngineLoad)) {
        change(&mut self.lock().load);
    }

    /// Counts a completed step.
    pub(crate) fn record(&self, sample: StepSample, generated_tokens: u64) {
        let mut state = self.lock();
        state.load.steps += 1;
        state.load.generated_tokens += generated_tokens;
        if state.samples.len() == STEP_SAMPLES_MAX {
            state.samples.pop_front();
        }
        state.samples.push_back(sample);
    }

    /// Plain counters stay usable whatever happened to the thread that wrote them.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
