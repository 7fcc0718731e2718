//! Weights of a softmax with the same bits on every machine.
//!
//! A draw compares sums of exponentials with a random number. The system's `expf` differs between platforms, so
//! an answer that moves could take another turn there; this one is made of basic IEEE operations in a fixed
//! order, and compilers turn it into vector code.

/// Sums are kept in as many lanes, added up in a fixed order at the end.
const LANES: usize = 8;

/// Probabilities up to a common factor: the likeliest token weighs 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Softmax {
    /// The highest logit, finite.
    pub(super) max: f32,
    /// Above 0.
    pub(super) temperature: f32,
}

impl Softmax {
    /// Weight of a logit, which is at most `max`: 0 to 1.
    pub(super) fn weight(self, logit: f32) -> f64 {
        f64::from(exp((logit - self.max) / self.temperature))
    }

    /// Weight of all of them.
    pub(super) fn total(self, logits: &[f32]) -> f64 {
        let mut sums = [0.0; LANES];
        let (chunks, rest) = logits.as_chunks::<LANES>();
        for chunk in chunks {
            for (sum, logit) in sums.iter_mut().zip(chunk) {
                *sum += self.weight(*logit);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|logit| self.weight(*logit)).sum::<f64>()
    }

    /// A logit below which every weight is less than `weight`; some just above it may be less too.
    pub(super) fn logit_below(self, weight: f64) -> f32 {
        const SLACK: f64 = 0.01;
        (f64::from(self.max) + f64::from(self.temperature) * (weight.ln() - SLACK)) as f32
    }
}

/// e^x for `x` up to 0, to 2 units in the last place (Moshier's Cephes library, `expf`); 0 below -87, where
/// the true value is no normal number.
fn exp(x: f32) -> f32 {
    /// Added and subtracted again, it rounds to a whole number, which then stands in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;
    /// The logarithm of 2 in two parts, the first with few bits, so that its multiples are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const TERMS: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
    let rounded = x * std::f32::consts::LOG2_E + ROUNDER;
    let whole = rounded - ROUNDER;
    let rest = x - whole * LN_2[0] - whole * LN_2[1];
    let series = TERMS.iter().fold(0.0, |sum, term| sum * rest + term);
    let mantissa = series * rest * rest + rest + 1.0;
    let exponent = rounded.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(127);
    let power = f32::from_bits(exponent << 23);
    if x < -87.0 { 0.0 } else { mantissa * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_to_two_units_in_the_last_place() {
        for step in 0..=870_000 {
            let x = step as f32 * -1e-4;
            let (got, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got / expected - 1.0).abs() < 2.4e-7, "exp({x}) is {got}, not {expected}");
        }
        assert_eq!((exp(0.0), exp(-88.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn no_weight_above_a_bound_lies_below_its_logit() {
        let softmax = Softmax { max: 7.5, temperature: 0.7 };
        for weight in [1e-12, 1e-6, 0.1, 1.0] {
            let bound = softmax.logit_below(weight);
            assert!(softmax.weight(bound) < weight);
            assert!(softmax.weight(bound) > 0.95 * weight);
        }
    }
}
