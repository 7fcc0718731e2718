//! When an engine counts as stuck: it has work and completes no step within its budget, or says nothing at
//! all. Health is steps, not sockets. Asked by the Model actor on every report and at every tick.

use std::time::{Duration, Instant};

use pomona_protocol::{Cause, EngineLoad};

/// How long an engine may stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepBudget {
    /// For any step.
    pub base: Duration,
    /// More for each prompt token in the step.
    pub per_prefill_token: Duration,
}

impl StepBudget {
    fn of(&self, load: &EngineLoad) -> Duration {
        self.base + self.per_prefill_token * load.step_prefill_tokens
    }
}

/// What is known of one engine process.
#[derive(Clone, Debug)]
pub struct Health {
    budget: StepBudget,
    load: EngineLoad,
    heard_at: Instant,
    moved_at: Instant,
}

impl Health {
    /// An engine that became ready at `now`.
    pub fn new(budget: StepBudget, now: Instant) -> Self {
        Self { budget, load: EngineLoad::default(), heard_at: now, moved_at: now }
    }

    /// Takes in a report.
    pub fn on_report(&mut self, load: &EngineLoad, now: Instant) {
        self.heard_at = now;
        let was_idle = self.load.running == 0;
        if load.steps != self.load.steps || load.running == 0 || was_idle {
            self.moved_at = now;
        }
        self.load = EngineLoad { samples: Vec::new(), ..load.clone() };
    }

    /// The last report, without its samples.
    pub fn load(&self) -> &EngineLoad {
        &self.load
    }

    /// Why the engine must be replaced, if it must.
    pub fn verdict(&self, now: Instant) -> Option<Cause> {
        let limit = self.budget.of(&self.load);
        let silent = now.saturating_duration_since(self.heard_at);
        let still = if self.load.running > 0 { now.saturating_duration_since(self.moved_at) } else { silent };
        let waited = still.max(silent);
        (waited > limit).then_some(Cause::EngineStalled {
            waited_ms: waited.as_millis() as u64,
            limit_ms: limit.as_millis() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: StepBudget =
        StepBudget { base: Duration::from_millis(1000), per_prefill_token: Duration::from_millis(10) };

    fn load(steps: u64, running: u32, step_prefill_tokens: u32) -> EngineLoad {
        EngineLoad { steps, running, step_prefill_tokens, ..EngineLoad::default() }
    }

    /// Feeds a report each 250 ms and returns after how many milliseconds the engine counted as stuck.
    fn stuck_after(load_at: impl Fn(u64) -> Option<EngineLoad>) -> Option<u64> {
        let start = Instant::now();
        let mut health = Health::new(BUDGET, start);
        (0..20_000).step_by(250).find(|ms| {
            let now = start + Duration::from_millis(*ms);
            if let Some(load) = load_at(*ms) {
                health.on_report(&load, now);
            }
            health.verdict(now).is_some()
        })
    }

    #[test]
    fn an_idle_engine_is_healthy_for_ever() {
        assert_eq!(stuck_after(|_| Some(load(7, 0, 0))), None);
    }

    #[test]
    fn a_stepping_engine_is_healthy_for_ever() {
        assert_eq!(stuck_after(|ms| Some(load(ms / 500, 3, 0))), None);
    }

    #[test]
    fn a_busy_engine_without_steps_is_stuck() {
        assert_eq!(stuck_after(|ms| Some(load(7, u32::from(ms >= 2000), 0))), Some(3250));
    }

    #[test]
    fn a_long_prefill_gets_more_time() {
        assert_eq!(stuck_after(|_| Some(load(7, 1, 300))), Some(4250));
    }

    #[test]
    fn a_silent_engine_is_stuck_even_when_it_was_idle() {
        assert_eq!(stuck_after(|ms| (ms <= 500).then(|| load(7, 0, 0))), Some(1750));
    }
}
