//! How the weights of a folder in MLX's form are quantised: what `config.json` says under `quantization`.
//!
//! `mlx-lm` writes bits and group size for all modules, and beside them, under a module's path, other settings for
//! that module, or `false` where it stays as it is. Used by `weights.rs`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::LoadError;
use super::json::Object;
use super::tensor::Dtype;

/// More exceptions than any model has modules.
const MODULES_MAX: usize = 100_000;

/// The settings of a folder.
#[derive(Debug, Default)]
pub(super) struct Quantisation {
    /// None if the folder is not quantised in this form.
    default: Option<Dtype>,
    modules: BTreeMap<String, Option<Dtype>>,
}

impl Quantisation {
    pub(super) fn from_json(config: &Object) -> Result<Quantisation, LoadError> {
        let settings = match config.object("quantization")? {
            Some(settings) => settings,
            // The same under another name; other tools use the name too, and are recognised by what they add.
            None => match config.object("quantization_config")? {
                Some(settings) if settings.value("quant_method").is_none() => settings,
                _ => return Ok(Quantisation::default()),
            },
        };
        let default = dtype(&settings, "")?;
        let mut modules = BTreeMap::new();
        for (key, value) in &settings.map {
            let setting = match value {
                Value::Object(_) => {
                    let own = settings.object(key)?.ok_or_else(|| settings.missing(key))?;
                    Some(dtype(&own, key)?)
                }
                Value::Bool(false) => None,
                Value::Bool(true) => Some(default),
                _ => continue,
            };
            if modules.len() == MODULES_MAX {
                return Err(settings.bad("quantization", "more", format!("at most {MODULES_MAX} modules")));
            }
            modules.insert(key.clone(), setting);
        }
        Ok(Quantisation { default: Some(default), modules })
    }

    /// The type of a module's weight; none if it is not quantised.
    pub(super) fn of(&self, module: &str) -> Option<Dtype> {
        self.modules.get(module).copied().unwrap_or(self.default)
    }
}

fn dtype(settings: &Object, module: &str) -> Result<Dtype, LoadError> {
    let named = |key: &str| if module.is_empty() { key.to_owned() } else { format!("{module}.{key}") };
    let count = |key: &str| settings.count(key, 1..=1024)?.ok_or_else(|| settings.missing(&named(key)));
    let (bits, group) = (count("bits")?, count("group_size")?);
    match settings.text("mode")?.unwrap_or("affine") {
        "affine" => {
            if !matches!(bits, 2 | 3 | 4 | 5 | 6 | 8) {
                return Err(settings.bad(&named("bits"), bits, "2, 3, 4, 5, 6 or 8"));
            }
            if !matches!(group, 32 | 64 | 128) {
                return Err(settings.bad(&named("group_size"), group, "32, 64 or 128"));
            }
            Ok(Dtype::Affine { bits: bits as u8, group: group as u8 })
        }
        "mxfp4" if (bits, group) == (4, 32) => Ok(Dtype::Mxfp4),
        "mxfp4" => Err(settings.bad(&named("group_size"), group, "32, with 4 bits, in mode mxfp4")),
        other => Err(settings.bad(&named("mode"), other, "affine or mxfp4")),
    }
}
