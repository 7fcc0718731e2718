//! What `/v1/models` tells of a model. Our gateways add the capability card; those of other makers tell the name.

use pomona_protocol::ModelCard;
use serde::{Deserialize, Serialize};

/// A model that can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// What to ask for.
    pub id: String,
    /// Family, size, context and memory, when the gateway tells them.
    #[serde(default, rename(deserialize = "pomona"))]
    pub card: Option<ModelCard>,
}

/// The answer of `/v1/models`.
#[derive(Deserialize)]
pub(crate) struct ModelList {
    pub(crate) data: Vec<ModelInfo>,
}
