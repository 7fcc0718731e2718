//! Reading rotary settings out of `config.json`.
//!
//! Older folders keep them in `rope_theta`, `partial_rotary_factor` and `rope_scaling`, newer ones in
//! `rope_parameters`; both are read.

use super::{RotaryConfig, RotaryScaling};
use crate::checkpoint::LoadError;
use crate::checkpoint::json::Object;

const ORIGINAL: &str = "original_max_position_embeddings";

impl RotaryConfig {
    /// The positions of a model whose heads have so many numbers and whose longest sequence has so many tokens.
    pub(in crate::checkpoint) fn from_json(
        config: &Object,
        head_width: usize,
        context_tokens: usize,
    ) -> Result<RotaryConfig, LoadError> {
        let settings = match config.object("rope_parameters")? {
            Some(parameters) => Some(parameters),
            None => config.object("rope_scaling")?,
        };
        let settings = settings.as_ref();
        let either = |key: &str, range: std::ops::RangeInclusive<f64>| {
            let own = settings.map_or(Ok(None), |settings| settings.number(key, range.clone()))?;
            own.map_or_else(|| config.number(key, range), |number| Ok(Some(number)))
        };
        let part = either("partial_rotary_factor", 1e-3..=1.0)?.unwrap_or(1.0);
        let width = (head_width as f64 * part) as usize;
        if width < 2 || !width.is_multiple_of(2) {
            let expected = format!("a part of {head_width} that is an even number");
            return Err(config.bad("partial_rotary_factor", part, expected));
        }
        let mut rotary = RotaryConfig {
            theta: either("rope_theta", 1.0..=1e12)?.unwrap_or(10_000.0),
            width,
            scaling: RotaryScaling::None,
            amplitude: 1.0,
        };
        if let Some(settings) = settings {
            // The file's own key wins over that of the settings.
            let original = match config.count(ORIGINAL, 1..=1 << 30)? {
                Some(original) => Some(original),
                None => settings.count(ORIGINAL, 1..=1 << 30)?,
            };
            Settings { json: settings, original, context_tokens }.apply(&mut rotary)?;
        }
        Ok(rotary)
    }
}

/// One object of settings.
struct Settings<'a> {
    json: &'a Object,
    /// Context that the model was first trained for, if it is named.
    original: Option<usize>,
    context_tokens: usize,
}

impl Settings<'_> {
    fn apply(&self, rotary: &mut RotaryConfig) -> Result<(), LoadError> {
        let kind = match self.json.text("rope_type")? {
            Some(kind) => Some(kind),
            None => self.json.text("type")?,
        };
        match kind {
            None | Some("default") => {}
            Some("linear") => rotary.scaling = RotaryScaling::Linear { factor: self.factor()? },
            Some("llama3") => rotary.scaling = self.llama3()?,
            Some("yarn") => self.yarn(rotary)?,
            Some("longrope" | "su") => self.long(rotary)?,
            Some(other) => {
                return Err(self.json.bad("rope_type", other, "default, linear, llama3, yarn or longrope"));
            }
        }
        Ok(())
    }

    fn number(&self, key: &str) -> Result<Option<f64>, LoadError> {
        self.json.number(key, 1e-3..=1e6)
    }

    fn needed(&self, key: &str) -> Result<f64, LoadError> {
        self.number(key)?.ok_or_else(|| self.json.missing(key))
    }

    fn factor(&self) -> Result<f64, LoadError> {
        self.json.number("factor", 1.0..=1e6)?.ok_or_else(|| self.json.missing("factor"))
    }

    fn llama3(&self) -> Result<RotaryScaling, LoadError> {
        let low_frequency_factor = self.needed("low_freq_factor")?;
        let high_frequency_factor = self.needed("high_freq_factor")?;
        if high_frequency_factor <= low_frequency_factor {
            let expected = format!("more than low_freq_factor ({low_frequency_factor})");
            return Err(self.json.bad("high_freq_factor", high_frequency_factor, expected));
        }
        Ok(RotaryScaling::Llama3 {
            factor: self.factor()?,
            low_frequency_factor,
            high_frequency_factor,
            original_context_tokens: self.original.ok_or_else(|| self.json.missing(ORIGINAL))?,
        })
    }

    fn yarn(&self, rotary: &mut RotaryConfig) -> Result<(), LoadError> {
        let original_context_tokens = self.original.unwrap_or(self.context_tokens);
        let factor = match self.json.number("factor", 1.0..=1e6)? {
            Some(factor) => factor,
            None => (self.context_tokens as f64 / original_context_tokens as f64).max(1.0),
        };
        let fast_turns = self.number("beta_fast")?.unwrap_or(32.0);
        let slow_turns = self.number("beta_slow")?.unwrap_or(1.0);
        if fast_turns < slow_turns {
            return Err(self.json.bad("beta_fast", fast_turns, format!("at least beta_slow ({slow_turns})")));
        }
        if rotary.theta <= 1.0 {
            return Err(self.json.bad("rope_theta", rotary.theta, "more than 1 with yarn"));
        }
        let by_factor = |scale: f64| 0.1 * scale * libm::log(factor) + 1.0;
        let scale =
            |key: &str| self.json.number(key, 0.0..=1e3).map(|scale| scale.filter(|&scale| scale > 0.0));
        rotary.amplitude =
            match (self.number("attention_factor")?, scale("mscale")?, scale("mscale_all_dim")?) {
                (Some(amplitude), ..) => amplitude,
                (None, Some(scale), Some(all)) => by_factor(scale) / by_factor(all),
                _ => by_factor(1.0),
            } as f32;
        rotary.scaling = RotaryScaling::Yarn {
            factor,
            fast_turns,
            slow_turns,
            original_context_tokens,
            truncate: self.json.flag("truncate")?.unwrap_or(true),
        };
        Ok(())
    }

    fn long(&self, rotary: &mut RotaryConfig) -> Result<(), LoadError> {
        let original_context_tokens = self.original.unwrap_or(self.context_tokens);
        let factors = |key: &str| -> Result<Vec<f32>, LoadError> {
            let factors = self.json.numbers(key, rotary.width / 2, 1e-3..=1e6)?;
            let factors = factors.ok_or_else(|| self.json.missing(key))?;
            Ok(factors.into_iter().map(|factor| factor as f32).collect())
        };
        let (short_factors, long_factors) = (factors("short_factor")?, factors("long_factor")?);
        let factor = match self.number("factor")? {
            Some(factor) => factor,
            None => self.context_tokens as f64 / original_context_tokens as f64,
        };
        rotary.amplitude = match self.number("attention_factor")? {
            Some(amplitude) => amplitude,
            None if factor <= 1.0 || original_context_tokens == 1 => 1.0,
            None => (1.0 + libm::log(factor) / libm::log(original_context_tokens as f64)).sqrt(),
        } as f32;
        rotary.scaling = RotaryScaling::Long { short_factors, long_factors, original_context_tokens };
        Ok(())
    }
}
