//! Rotary position settings: base, scaling, and the frequencies that follow from them.
//!
//! Parsed for `config.rs`, turned into tables by the backend. Older folders keep the settings in `rope_theta` and
//! `rope_scaling`, newer ones in `rope_parameters`; both are read.

use super::LoadError;
use super::json::Object;

/// How positions turn into angles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RotaryConfig {
    /// Base of the frequencies, 1 to 1e12.
    pub theta: f64,
    /// Stretching for longer contexts.
    pub scaling: RotaryScaling,
}

/// How frequencies are stretched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RotaryScaling {
    /// Not at all.
    None,
    /// All divided by the factor.
    Linear {
        /// At least 1.
        factor: f64,
    },
    /// Low frequencies divided, high ones kept, those between blended.
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
}

impl RotaryConfig {
    pub(super) fn from_json(config: &Object) -> Result<RotaryConfig, LoadError> {
        let parameters = config.object("rope_parameters")?;
        let scaling_object = match &parameters {
            Some(_) => None,
            None => config.object("rope_scaling")?,
        };
        let theta_of = |object: &Object| object.number("rope_theta", 1.0..=1e12);
        let theta = match &parameters {
            Some(object) => theta_of(object)?,
            None => None,
        };
        let theta = match theta {
            Some(theta) => theta,
            None => theta_of(config)?.unwrap_or(10_000.0),
        };
        let scaling = match parameters.or(scaling_object) {
            Some(object) => scaling(&object)?,
            None => RotaryScaling::None,
        };
        Ok(RotaryConfig { theta, scaling })
    }

    /// Radians per position, for each pair of a head: `head_width / 2` numbers.
    ///
    /// Rounded to f32 at the same places as the reference implementation does, so that angles agree far out.
    pub fn frequencies(&self, head_width: usize) -> Vec<f32> {
        let plain = (0..head_width / 2).map(|pair| {
            let exponent = (2 * pair) as f32 / head_width as f32;
            1.0 / libm::pow(self.theta, f64::from(exponent)) as f32
        });
        plain.map(|frequency| self.scaling.apply(frequency)).collect()
    }
}

impl RotaryScaling {
    fn apply(&self, frequency: f32) -> f32 {
        match *self {
            RotaryScaling::None => frequency,
            RotaryScaling::Linear { factor } => frequency / factor as f32,
            RotaryScaling::Llama3 {
                factor,
                low_frequency_factor: low,
                high_frequency_factor: high,
                original_context_tokens,
            } => {
                let context = original_context_tokens as f64;
                let wave_length = 2.0 * std::f64::consts::PI / f64::from(frequency);
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
    }
}

fn scaling(object: &Object) -> Result<RotaryScaling, LoadError> {
    if let Some(partial) = object.number("partial_rotary_factor", 0.0..=1.0)?.filter(|&part| part != 1.0) {
        return Err(object.bad("partial_rotary_factor", partial, "1"));
    }
    let kind = match object.text("rope_type")? {
        Some(kind) => Some(kind),
        None => object.text("type")?,
    };
    let number = |key: &str| object.number(key, 1e-3..=1e6)?.ok_or_else(|| object.missing(key));
    let factor = || object.number("factor", 1.0..=1e6)?.ok_or_else(|| object.missing("factor"));
    match kind {
        None | Some("default") => Ok(RotaryScaling::None),
        Some("linear") => Ok(RotaryScaling::Linear { factor: factor()? }),
        Some("llama3") => {
            let original = "original_max_position_embeddings";
            let low_frequency_factor = number("low_freq_factor")?;
            let high_frequency_factor = number("high_freq_factor")?;
            if high_frequency_factor <= low_frequency_factor {
                let expected = format!("more than low_freq_factor ({low_frequency_factor})");
                return Err(object.bad("high_freq_factor", high_frequency_factor, expected));
            }
            Ok(RotaryScaling::Llama3 {
                factor: factor()?,
                low_frequency_factor,
                high_frequency_factor,
                original_context_tokens: object
                    .count(original, 1..=1 << 30)?
                    .ok_or_else(|| object.missing(original))?,
            })
        }
        Some(other) => Err(object.bad("rope_type", other, "default, linear or llama3")),
    }
}
