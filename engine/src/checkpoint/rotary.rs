//! Rotary positions: base, scaling, and the frequencies that follow from them.
//!
//! Parsed by `rotary/settings.rs` for the families' files, turned into tables by the backends. The formulas are those
//! of the papers on Llama 3, YaRN and LongRoPE, rounded to f32 at the same places as the reference implementation
//! does, so that angles agree far out.

mod settings;

use std::f64::consts::PI;

/// How positions turn into angles: pair `i` of the first [`width`](Self::width) numbers of a head, which are the
/// numbers `i` and `i + width / 2`, is turned by the position times the frequency of `i`.
#[derive(Clone, Debug, PartialEq)]
pub struct RotaryConfig {
    /// Base of the frequencies, 1 to 1e12.
    pub theta: f64,
    /// Numbers at the start of each head that are turned, even, 2 to the head's width; the others stay as they are.
    pub width: usize,
    /// Stretching for longer contexts.
    pub scaling: RotaryScaling,
    /// Multiplies cosines and sines; mostly 1.
    pub amplitude: f32,
}

/// How frequencies are stretched.
#[derive(Clone, Debug, PartialEq)]
pub enum RotaryScaling {
    /// Not at all.
    None,
    /// All divided by the factor.
    Linear {
        /// At least 1.
        factor: f64,
    },
    /// Low frequencies divided, high ones kept, those between blended by wavelength.
    Llama3 {
        /// At least 1.
        factor: f64,
        /// Wavelengths above `original_context_tokens` by this are divided.
        low_frequency_factor: f64,
        /// Wavelengths below `original_context_tokens` by this are kept; above `low_frequency_factor`.
        high_frequency_factor: f64,
        /// Context that the model was first trained for.
        original_context_tokens: usize,
    },
    /// Low frequencies divided, high ones kept, those between blended by their number.
    Yarn {
        /// At least 1.
        factor: f64,
        /// Frequencies that turn more often than this within `original_context_tokens` are kept.
        fast_turns: f64,
        /// Frequencies that turn less often than this are divided.
        slow_turns: f64,
        /// Context that the model was first trained for.
        original_context_tokens: usize,
        /// Whether the bounds of the blend are widened to whole numbers.
        truncate: bool,
    },
    /// Each divided by a factor of its own.
    ///
    /// Models come with two lists: one for sequences up to `original_context_tokens`, one for longer ones. A sequence
    /// that grows past that length would need new keys for all its tokens, so one list is used for all: the second, if
    /// the model is served with a longer context.
    Long {
        /// `width / 2` numbers for contexts up to `original_context_tokens`.
        short_factors: Vec<f32>,
        /// As many for longer contexts.
        long_factors: Vec<f32>,
        /// Context that the model was first trained for.
        original_context_tokens: usize,
    },
}

impl RotaryConfig {
    /// Radians per position for each pair: `width / 2` numbers. `context_tokens` is the longest sequence served.
    pub fn frequencies(&self, context_tokens: usize) -> Vec<f32> {
        let bases: Vec<f32> = (0..self.width / 2)
            .map(|pair| {
                let exponent = (2 * pair) as f32 / self.width as f32;
                libm::pow(self.theta, f64::from(exponent)) as f32
            })
            .collect();
        let plain = bases.iter().map(|base| 1.0 / base);
        match &self.scaling {
            RotaryScaling::None => plain.collect(),
            RotaryScaling::Linear { factor } => plain.map(|frequency| frequency / *factor as f32).collect(),
            RotaryScaling::Llama3 { .. } => {
                plain.map(|frequency| self.scaling.by_wavelength(frequency)).collect()
            }
            RotaryScaling::Yarn { factor, .. } => {
                let blend = |(pair, base): (usize, &f32)| {
                    let kept = 1.0 - self.divided_share(pair);
                    1.0 / (*factor as f32 * base) * (1.0 - kept) + 1.0 / base * kept
                };
                bases.iter().enumerate().map(blend).collect()
            }
            RotaryScaling::Long { short_factors, long_factors, original_context_tokens } => {
                let is_long = context_tokens > *original_context_tokens;
                let factors = if is_long { long_factors } else { short_factors };
                bases.iter().zip(factors).map(|(base, factor)| 1.0 / (factor * base)).collect()
            }
        }
    }

    /// How much of a pair's frequency is divided under YaRN, 0 to 1.
    fn divided_share(&self, pair: usize) -> f32 {
        let RotaryScaling::Yarn { fast_turns, slow_turns, original_context_tokens, truncate, .. } =
            self.scaling
        else {
            return 0.0;
        };
        // The number of the pair, as a fraction, that turns so often within the original context.
        let pair_of = |turns: f64| {
            let wave_length = original_context_tokens as f64 / (turns * 2.0 * PI);
            self.width as f64 * libm::log(wave_length) / (2.0 * libm::log(self.theta))
        };
        let (low, high) = (pair_of(fast_turns), pair_of(slow_turns));
        let (low, high) = if truncate { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, high) = (low.max(0.0), high.min((self.width - 1) as f64));
        let high = if low == high { high + 0.001 } else { high };
        ((pair as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0)
    }
}

impl RotaryScaling {
    /// The rule of Llama 3.
    fn by_wavelength(&self, frequency: f32) -> f32 {
        let RotaryScaling::Llama3 {
            factor,
            low_frequency_factor: low,
            high_frequency_factor: high,
            original_context_tokens,
        } = *self
        else {
            return frequency;
        };
        let context = original_context_tokens as f64;
        let wave_length = 2.0 * PI / f64::from(frequency);
        if wave_length > context / low {
            (f64::from(frequency) / factor) as f32
        } else if wave_length < context / high {
            frequency
        } else {
            let blend = (context / wave_length - low) / (high - low);
            ((1.0 - blend) * f64::from(frequency) / factor + blend * f64::from(frequency)) as f32
        }
    }
}
