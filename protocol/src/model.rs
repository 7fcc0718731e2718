//! What is known of a model without loading it.

use serde::{Deserialize, Serialize};

use crate::ModelId;

/// The capability card of a model, shown by `/v1/models` and `pomona models ls`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// What clients call it.
    pub id: ModelId,
    /// `model_type` of its `config.json`.
    pub architecture: String,
    /// Number of weights.
    pub parameters: u64,
    /// Type of the weights in the file, `bf16` for instance.
    pub dtype: String,
    /// Tokens that prompt and answer may have together.
    pub context_tokens: u32,
    /// Size of the vocabulary.
    pub vocabulary: u32,
    /// Bytes of weights in memory.
    pub weight_bytes: u64,
    /// Bytes of KV that one token takes.
    pub kv_bytes_per_token: u64,
}
