//! Phi 3, 3.5 and 4: q, k and v stored as one matrix, and gate and up as well; a part of each head is turned, by
//! factors for each frequency.

use super::{Family, FamilyEntry, common};
use crate::checkpoint::LoadError;
use crate::checkpoint::config::DecoderConfig;
use crate::checkpoint::inventory::naming;
use crate::checkpoint::json::Object;

pub(super) const ENTRY: FamilyEntry = FamilyEntry { family: Family::Phi3, model_types: &["phi3"], read };

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let json = json.with_defaults([("original_max_position_embeddings", 4096.into())]);
    let mut config = common::decoder(&json, Family::Phi3, &naming::PHI3)?;
    let sliding = vec![true; config.layers.len()];
    common::set_windows(&mut config, &sliding, common::window(&json)?);
    Ok(config)
}
