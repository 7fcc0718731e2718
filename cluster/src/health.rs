//! When an engine counts as stuck: it has work and completes no step within its budget, or says nothing at
//! all. Health is steps, not sockets. Asked by the Model actor on every report and at every tick.
//!
//! Long before that it is suspect: a step takes several times what its kind of step takes, or its reports stay
//! away, with work or without: what comes to an engine that stands would wait as well. A suspect engine goes on
//! working, but turns move away from it; a false alarm costs work, never correctness.

use std::time::{Duration, Instant};

use pomona_protocol::{Cause, EngineLoad, ReplicaLoad, StepSample};

/// No step and no silence is suspect before this: an engine reports at least each 250 ms, and one may be late.
pub const SUSPECT_AFTER_MIN: Duration = Duration::from_millis(500);
/// Times a typical step that make one suspect. Steps grow with their batch, and a batch doubles now and then.
pub const SUSPECT_STEPS: u32 = 8;
/// Share of a new sample in the smoothed values; about the last ten steps count.
const SMOOTHING: f32 = 0.2;

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
    /// Milliseconds of a step without prefill, smoothed; 0 before the first one.
    step_ms: f32,
    /// Prompt tokens per second in steps with prefill, smoothed; 0 before the first one.
    prefill_tokens_per_s: f32,
}

impl Health {
    /// An engine that became ready at `now`.
    pub fn new(budget: StepBudget, now: Instant) -> Self {
        Self {
            budget,
            load: EngineLoad::default(),
            heard_at: now,
            moved_at: now,
            step_ms: 0.0,
            prefill_tokens_per_s: 0.0,
        }
    }

    /// Takes in a report.
    pub fn on_report(&mut self, load: &EngineLoad, now: Instant) {
        self.heard_at = now;
        let was_idle = self.load.running == 0;
        if load.steps != self.load.steps || load.running == 0 || was_idle {
            self.moved_at = now;
        }
        for sample in &load.samples {
            self.measure(sample);
        }
        self.load = EngineLoad {
            steps: load.steps,
            step_prefill_tokens: load.step_prefill_tokens,
            running: load.running,
            waiting: load.waiting,
            kv_blocks_used: load.kv_blocks_used,
            kv_blocks_total: load.kv_blocks_total,
            prompt_tokens: load.prompt_tokens,
            cached_tokens: load.cached_tokens,
            generated_tokens: load.generated_tokens,
            guessed_tokens: load.guessed_tokens,
            accepted_tokens: load.accepted_tokens,
            restored_tokens: load.restored_tokens,
            prefix_disk_bytes: load.prefix_disk_bytes,
            broken_prefix_files: load.broken_prefix_files,
            kv_blocks_held: load.kv_blocks_held,
            evicted_blocks: load.evicted_blocks,
            evicted_prefix_files: load.evicted_prefix_files,
            samples: Vec::new(),
        };
    }

    /// Who asks stood still itself until `now`: what it did not hear meanwhile may be waiting to be heard.
    pub fn on_gap(&mut self, now: Instant) {
        (self.heard_at, self.moved_at) = (now, now);
    }

    fn measure(&mut self, sample: &StepSample) {
        let ms = sample.micros as f32 / 1e3;
        let prefilled = sample.tokens.saturating_sub(sample.sequences);
        if prefilled == 0 {
            smooth(&mut self.step_ms, ms);
            return;
        }
        // What the step would have taken without prefill is not prefill's.
        let prefill_ms = (ms - self.step_ms).max(ms * 0.1).max(1e-3);
        smooth(&mut self.prefill_tokens_per_s, prefilled as f32 * 1e3 / prefill_ms);
    }

    /// Whether turns should move away: it is silent, or its step takes longer than its kind of step does.
    pub fn is_suspect(&self, now: Instant) -> bool {
        let is_silent = now.saturating_duration_since(self.heard_at) > SUSPECT_AFTER_MIN;
        let is_still = now.saturating_duration_since(self.moved_at) > self.suspect_after();
        is_silent || (self.load.running > 0 && is_still)
    }

    /// How long the step that runs now may take.
    fn suspect_after(&self) -> Duration {
        let typical = Duration::from_secs_f32(self.step_ms.clamp(0.0, 1e6) / 1e3) * SUSPECT_STEPS;
        let tokens = self.load.step_prefill_tokens;
        let prefill = if self.prefill_tokens_per_s > 0.0 {
            let seconds = tokens as f32 / self.prefill_tokens_per_s.max(1e-3);
            Duration::from_secs_f32(seconds.min(1e6)) * 2
        } else {
            self.budget.per_prefill_token * tokens
        };
        SUSPECT_AFTER_MIN.max(typical) + prefill
    }

    /// What the node's report says of this engine.
    pub fn replica_load(&self, turns_max: u32, now: Instant) -> ReplicaLoad {
        ReplicaLoad {
            turns_max,
            running: self.load.running,
            waiting: self.load.waiting,
            step_ms: self.step_ms,
            prefill_tokens_per_s: self.prefill_tokens_per_s,
            kv_blocks_used: self.load.kv_blocks_used,
            kv_blocks_total: self.load.kv_blocks_total,
            is_suspect: self.is_suspect(now),
        }
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

fn smooth(value: &mut f32, sample: f32) {
    *value = if *value > 0.0 { *value + SMOOTHING * (sample - *value) } else { sample };
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

    /// Feeds ten steps of so many milliseconds and one prefill, then stands still with work and says so; returns
    /// after how many milliseconds it became suspect.
    fn suspect_after(step_ms: u32, prefill_ms: u32, step_prefill_tokens: u32) -> Option<u64> {
        let start = Instant::now();
        let mut health = Health::new(BUDGET, start);
        let decode = StepSample { micros: step_ms * 1000, sequences: 4, tokens: 4 };
        let prefill = StepSample { micros: (step_ms + prefill_ms) * 1000, sequences: 4, tokens: 1004 };
        let mut samples = vec![decode; 10];
        samples.extend((prefill_ms > 0).then_some(prefill));
        health.on_report(&EngineLoad { samples, ..load(7, 4, step_prefill_tokens) }, start);
        (0..20_000).step_by(50).find(|ms| {
            let now = start + Duration::from_millis(*ms);
            health.on_report(&load(7, 4, step_prefill_tokens), now);
            health.is_suspect(now)
        })
    }

    #[test]
    fn a_step_that_takes_far_longer_than_its_kind_is_suspect() {
        assert_eq!(suspect_after(10, 0, 0), Some(550));
        assert_eq!(suspect_after(100, 0, 0), Some(850));
    }

    #[test]
    fn a_step_with_prefill_gets_the_time_that_prefill_was_measured_to_take() {
        // 1,000 tokens took 400 ms; 500 get twice their 200 ms, and what a step may take anyway.
        assert_eq!(suspect_after(10, 400, 500), Some(950));
        // Without a measure, the budget's rate counts.
        assert_eq!(suspect_after(10, 0, 100), Some(1550));
    }

    #[test]
    fn an_engine_that_reports_without_work_or_with_steps_is_never_suspect() {
        let start = Instant::now();
        let mut health = Health::new(BUDGET, start);
        for n in 0..100 {
            let now = start + Duration::from_millis(250 * n);
            health.on_report(&load(7, 0, 0), now);
            assert!(!health.is_suspect(now + Duration::from_millis(499)));
        }
        for n in 0..100 {
            let now = start + Duration::from_millis(400 * n);
            health.on_report(&load(8 + n, 2, 0), now);
            assert!(!health.is_suspect(now + Duration::from_millis(399)));
        }
    }

    #[test]
    fn a_silent_engine_is_suspect_even_when_it_was_idle_and_until_it_speaks() {
        let start = Instant::now();
        let mut health = Health::new(BUDGET, start);
        health.on_report(&load(7, 0, 0), start);
        let later = start + Duration::from_millis(501);
        assert!(health.is_suspect(later));
        health.on_report(&load(7, 0, 0), later);
        assert!(!health.is_suspect(later));
    }

    #[test]
    fn an_engine_is_not_blamed_for_a_node_that_stood_still() {
        let start = Instant::now();
        let mut health = Health::new(BUDGET, start);
        health.on_report(&load(7, 2, 0), start);
        let later = start + Duration::from_secs(60);
        health.on_gap(later);
        assert!(!health.is_suspect(later) && health.verdict(later).is_none());
        assert!(health.is_suspect(later + Duration::from_millis(501)));
        assert!(health.verdict(later + Duration::from_millis(1001)).is_some());
    }

    #[test]
    fn suspicion_ends_with_the_next_step() {
        let start = Instant::now();
        let mut health = Health::new(BUDGET, start);
        health.on_report(&load(7, 2, 0), start);
        let later = start + Duration::from_millis(600);
        health.on_report(&load(7, 2, 0), later);
        assert!(health.replica_load(8, later).is_suspect);
        health.on_report(&load(8, 2, 0), later);
        assert!(!health.replica_load(8, later).is_suspect);
    }

    #[test]
    fn a_report_carries_what_was_measured() {
        let start = Instant::now();
        let mut health = Health::new(BUDGET, start);
        let samples = vec![
            StepSample { micros: 20_000, sequences: 3, tokens: 3 },
            StepSample { micros: 120_000, sequences: 3, tokens: 203 },
        ];
        health.on_report(&EngineLoad { samples, ..load(7, 3, 0) }, start);
        let load = health.replica_load(8, start);
        assert_eq!((load.turns_max, load.running, load.step_ms), (8, 3, 20.0));
        assert!((load.prefill_tokens_per_s - 2000.0).abs() < 1.0);
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
