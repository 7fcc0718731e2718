//! Qwen 2 and 2.5: biases on q, k and v, and a window in the upper layers if it is asked for.

use super::{Family, FamilyEntry, common};
use crate::checkpoint::LoadError;
use crate::checkpoint::config::DecoderConfig;
use crate::checkpoint::inventory::naming;
use crate::checkpoint::json::Object;

pub(super) const ENTRY: FamilyEntry = FamilyEntry { family: Family::Qwen2, model_types: &["qwen2"], read };

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let mut config = common::decoder(json, Family::Qwen2, &naming::PLAIN)?;
    config.query_key_value_bias = true;
    common::set_upper_windows(&mut config, json)?;
    Ok(config)
}
