//! How fast an engine is, smoothed over its steps; part of every report, so that routing can predict.

use pomona_protocol::StepSample;

/// Weight of the newest step. A tenth forgets a burst within a second at a hundred steps per second, and does
/// not chase single slow ones.
const NEWEST: f32 = 0.1;

/// Smoothed speeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Speed {
    /// Milliseconds of a step that generates only; 0 before the first one.
    pub(crate) step_ms: f32,
    /// Prompt tokens per second of steps that prefill; 0 before the first one.
    pub(crate) prefill_tokens_per_s: f32,
}

impl Speed {
    /// Takes note of steps, in order.
    pub(crate) fn observe(&mut self, samples: &[StepSample]) {
        for sample in samples.iter().filter(|sample| sample.micros > 0) {
            let prefilled = sample.tokens.saturating_sub(sample.sequences);
            if prefilled == 0 {
                smooth(&mut self.step_ms, sample.micros as f32 / 1e3);
            } else if prefilled > sample.sequences {
                smooth(&mut self.prefill_tokens_per_s, sample.tokens as f32 * 1e6 / sample.micros as f32);
            }
        }
    }
}

fn smooth(value: &mut f32, newest: f32) {
    *value = if *value == 0.0 { newest } else { *value + NEWEST * (newest - *value) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_generate_and_steps_that_prefill_are_told_apart() {
        let mut speed = Speed::default();
        let decode = StepSample { micros: 2000, sequences: 4, tokens: 4 };
        let prefill = StepSample { micros: 100_000, sequences: 1, tokens: 500 };
        speed.observe(&[decode, prefill]);
        assert_eq!(speed, Speed { step_ms: 2.0, prefill_tokens_per_s: 5000.0 });
        for _ in 0..100 {
            speed.observe(&[StepSample { micros: 4000, ..decode }]);
        }
        assert!((3.9..=4.0).contains(&speed.step_ms), "{speed:?}");
    }
}
