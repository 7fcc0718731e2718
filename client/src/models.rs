//! What `/v1/models` tells of a model. Gateways of other makers tell the name only.

use serde::{Deserialize, Serialize};

/// A model that can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// What to ask for.
    pub id: String,
    /// Its family, `llama` for instance.
    #[serde(default)]
    pub architecture: Option<String>,
    /// Number of weights.
    #[serde(default)]
    pub parameters: Option<u64>,
    /// Type of the weights, `bf16` for instance.
    #[serde(default)]
    pub dtype: Option<String>,
    /// Tokens that prompt and answer may have together.
    #[serde(default)]
    pub context_tokens: Option<u32>,
    /// Bytes of weights in memory.
    #[serde(default)]
    pub weight_bytes: Option<u64>,
}

/// The answer of `/v1/models`.
#[derive(Deserialize)]
pub(crate) struct ModelList {
    pub(crate) data: Vec<ModelInfo>,
}
