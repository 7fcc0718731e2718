//! Numbers from a seed that mean the same on every machine and for ever: one fixed generator (PCG XSL RR 128/64) and
//! functions of `libm`, whose results do not depend on the system's mathematics. Used by everything that plans or
//! resamples; nothing here asks the system for chance.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng as _;

/// What a stream of numbers is for. Each has its own, so that more cancels do not move the arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// When requests start.
    Arrivals = 1,
    /// How long prompts and answers are, and which beginnings they share.
    Lengths = 2,
    /// How many turns a chain has, and how long people think.
    Turns = 3,
    /// Who cancels or reads slowly.
    Behaviour = 4,
    /// How requests are asked.
    Transports = 5,
    /// Resampling of figures.
    Resampling = 6,
    /// What goes wrong in a soak, and whom it befalls.
    Faults = 7,
}

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(Pcg64);

impl Random {
    /// The stream of a seed for one purpose.
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        let low = mix(seed);
        let high = mix(low ^ purpose as u64);
        let stream = (u128::from(mix(high)) << 8) | purpose as u128;
        Self(Pcg64::new((u128::from(high) << 64) | u128::from(low), stream))
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Evenly from 0 up to, not including, 1, in steps of 2⁻⁵³.
    pub(crate) fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Evenly from 0 up to, not including, `end`; 0 when `end` is. The error of the multiplication is below
    /// `end` / 2⁶⁴.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.share())
    }

    /// Normal with mean 0 and deviation 1, by Box and Muller (1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(2.0 * std::f64::consts::PI * self.share())
    }

    /// Gamma with this shape, above 0, and mean 1, by Marsaglia and Tsang (2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        self.gamma_unscaled(shape) / shape
    }

    fn gamma_unscaled(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::pow(1.0 - self.share(), 1.0 / shape);
            return self.gamma_unscaled(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v <= 0.0 {
                continue;
            }
            let v = v * v * v;
            if libm::log(1.0 - self.share()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }
}

/// The finaliser of SplitMix64: spreads small seeds over all bits.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Random {
        Random::new(7, Purpose::Arrivals)
    }

    /// Mean and variance of many draws.
    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..20_000).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64;
        (mean, variance)
    }

    #[track_caller]
    fn assert_near(seen: (f64, f64), mean: f64, variance: f64) {
        assert!((seen.0 - mean).abs() < 0.03 + 0.03 * mean, "mean {} for {mean}", seen.0);
        assert!((seen.1 - variance).abs() < 0.02 + 0.12 * variance, "variance {} for {variance}", seen.1);
    }

    #[test]
    fn draws_have_the_moments_of_their_distribution() {
        let mut random = stream();
        assert_near(moments(|| random.share()), 0.5, 1.0 / 12.0);
        assert_near(moments(|| random.exponential()), 1.0, 1.0);
        assert_near(moments(|| random.normal()), 0.0, 1.0);
        for shape in [0.25, 0.5, 1.0, 4.0] {
            assert_near(moments(|| random.gamma(shape)), 1.0, 1.0 / shape);
        }
        assert_near(moments(|| random.below(10) as f64), 4.5, 8.25);
    }

    #[test]
    fn purposes_and_seeds_have_streams_of_their_own() {
        let first = |seed, purpose| Random::new(seed, purpose).number();
        let mut all = vec![
            first(0, Purpose::Arrivals),
            first(1, Purpose::Arrivals),
            first(0, Purpose::Lengths),
            first(1, Purpose::Lengths),
        ];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4);
        assert_eq!(Random::new(1, Purpose::Turns).below(0), 0);
    }
}
