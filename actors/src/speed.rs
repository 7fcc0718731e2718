//! How fast an engine is, smoothed over its steps; part of every report, so that routing can predict.

use std::time::Duration;

use pomona_protocol::StepSample;

/// Weight of the newest step. A tenth forgets a burst within a second at a hundred steps per second, and does
/// not chase single slow ones.
const NEWEST: f32 = 0.1;
/// Without work for this long, half of what an engine lost against its own best is forgotten: nobody would send it
/// a turn that shows it has recovered.
const RECOVERS_BY_HALF: Duration = Duration::from_secs(10);

/// Smoothed speeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Speed {
    /// Milliseconds of a step that generates only; 0 before the first one.
    pub(crate) step_ms: f32,
    /// Prompt tokens per second of steps that prefill; 0 before the first one.
    pub(crate) prefill_tokens_per_s: f32,
}

/// What an engine shows, and the best it has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpeedMeter {
    now: Speed,
    best: Speed,
}

impl SpeedMeter {
    /// Takes note of steps, in order.
    pub(crate) fn observe(&mut self, samples: &[StepSample]) {
        let Self { now, best } = self;
        for sample in samples.iter().filter(|sample| sample.micros > 0) {
            let prefilled = sample.tokens.saturating_sub(sample.sequences);
            if prefilled == 0 {
                smooth(&mut now.step_ms, sample.micros as f32 / 1e3);
                best.step_ms = if best.step_ms == 0.0 { now.step_ms } else { best.step_ms.min(now.step_ms) };
            } else if prefilled > sample.sequences {
                smooth(&mut now.prefill_tokens_per_s, sample.tokens as f32 * 1e6 / sample.micros as f32);
                best.prefill_tokens_per_s = best.prefill_tokens_per_s.max(now.prefill_tokens_per_s);
            }
        }
    }

    /// It had no work for so long.
    pub(crate) fn rest(&mut self, idle: Duration) {
        let Self { now, best } = self;
        let kept = 0.5f32.powf(idle.as_secs_f32() / RECOVERS_BY_HALF.as_secs_f32());
        let towards = |now: f32, best: f32| best + (now - best) * kept;
        now.step_ms = towards(now.step_ms, best.step_ms);
        now.prefill_tokens_per_s = towards(now.prefill_tokens_per_s, best.prefill_tokens_per_s);
    }

    /// What a turn may expect that comes now.
    pub(crate) fn now(&self) -> Speed {
        self.now
    }
}

fn smooth(value: &mut f32, newest: f32) {
    *value = if *value == 0.0 { newest } else { *value + NEWEST * (newest - *value) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECODE: StepSample = StepSample { micros: 2000, sequences: 4, tokens: 4 };
    const PREFILL: StepSample = StepSample { micros: 100_000, sequences: 1, tokens: 500 };

    #[test]
    fn steps_that_generate_and_steps_that_prefill_are_told_apart() {
        let mut meter = SpeedMeter::default();
        meter.rest(RECOVERS_BY_HALF);
        assert_eq!(meter.now(), Speed::default());
        meter.observe(&[DECODE, PREFILL]);
        assert_eq!(meter.now(), Speed { step_ms: 2.0, prefill_tokens_per_s: 5000.0 });
        for _ in 0..100 {
            meter.observe(&[StepSample { micros: 4000, ..DECODE }]);
        }
        assert!((3.9..=4.0).contains(&meter.now().step_ms), "{meter:?}");
    }

    #[test]
    fn an_engine_without_work_comes_back_to_its_own_best_and_never_past_it() {
        let mut meter = SpeedMeter::default();
        meter.observe(&[DECODE, PREFILL]);
        for _ in 0..200 {
            meter.observe(&[
                StepSample { micros: 40_000, ..DECODE },
                StepSample { micros: 1_000_000, ..PREFILL },
            ]);
        }
        let slow = meter.now();
        assert!(slow.step_ms > 39.9 && slow.prefill_tokens_per_s < 501.0, "{slow:?}");
        // However the time is told.
        (0..40).for_each(|_| meter.rest(RECOVERS_BY_HALF / 40));
        let half = meter.now();
        assert!((20.9..=21.1).contains(&half.step_ms), "{half:?}");
        assert!((2_745.0..=2_755.0).contains(&half.prefill_tokens_per_s), "{half:?}");
        meter.rest(Duration::from_secs(86_400));
        assert_eq!(meter.now(), Speed { step_ms: 2.0, prefill_tokens_per_s: 5000.0 });
    }
}
