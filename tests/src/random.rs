//! Numbers from a seed that can be printed: xorshift64*, enough for faults and far from cryptography.

/// A sequence that its seed repeats.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds would begin alike without this, and 0 would stay 0.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end.max(1)
    }

    /// From 0 to below 1.
    pub fn share(&mut self) -> f64 {
        (self.any() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// This many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.any() as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_sequence_and_neighbours_differ() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.any(), random.any(), random.below(1000)]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(0), draw(1));
    }

    #[test]
    fn shares_fill_their_range_evenly() {
        let mut random = Random::new(3);
        let below_a_tenth = (0..100_000).filter(|_| random.share() < 0.1).count();
        assert!((9_500..10_500).contains(&below_a_tenth), "{below_a_tenth}");
    }
}
