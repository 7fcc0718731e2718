//! Qwen 3: norms on q and k, and heads that are wider than the hidden size implies.

use super::{Family, FamilyEntry, common};
use crate::checkpoint::LoadError;
use crate::checkpoint::config::DecoderConfig;
use crate::checkpoint::inventory::naming;
use crate::checkpoint::json::Object;

pub(super) const ENTRY: FamilyEntry = FamilyEntry { family: Family::Qwen3, model_types: &["qwen3"], read };

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let json = json.with_defaults([("head_dim", 128.into())]);
    let mut config = common::decoder(&json, Family::Qwen3, &naming::PLAIN)?;
    common::configured_attention_bias(&mut config, &json)?;
    config.query_key_norm = true;
    common::set_upper_windows(&mut config, &json)?;
    Ok(config)
}
