//! Mistral 7B and its kin: the plain decoder, with a window in all layers if one is named.

use super::{Family, FamilyEntry, common};
use crate::checkpoint::LoadError;
use crate::checkpoint::config::DecoderConfig;
use crate::checkpoint::inventory::naming;
use crate::checkpoint::json::Object;

pub(super) const ENTRY: FamilyEntry =
    FamilyEntry { family: Family::Mistral, model_types: &["mistral"], read };

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let mut config = common::decoder(json, Family::Mistral, &naming::PLAIN)?;
    let sliding = vec![true; config.layers.len()];
    common::set_windows(&mut config, &sliding, common::window(json)?);
    Ok(config)
}
