//! `/v1/embeddings`: vectors for texts.

use pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::{Client, ClientError};

/// Bytes of an answer: two thousand vectors of four thousand numbers, as text.
const EMBEDDINGS_BYTES_MAX: usize = 8 * REQUEST_FRAME_BYTES_MAX;

/// What to embed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EmbedRequest {
    /// Which model.
    pub model: String,
    /// The texts.
    pub input: Vec<String>,
    /// Numbers wanted per vector; all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
}

/// The vectors.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Embeddings {
    /// One per text, in their order.
    pub data: Vec<Embedding>,
    /// Tokens used.
    pub usage: EmbeddingUsage,
}

/// The vector of one text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Embedding {
    /// Its numbers.
    pub embedding: Vec<f32>,
}

/// Tokens used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUsage {
    /// Of all texts together.
    pub prompt_tokens: u32,
}

impl Client {
    /// Embeds texts. Takes as long as it takes; dropping it ends the work.
    pub async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, ClientError> {
        let path = ["v1", "embeddings"];
        let response = self.send(Method::POST, &path, |builder| builder.json(request)).await?;
        let embeddings: Embeddings = self.decode(response, EMBEDDINGS_BYTES_MAX).await?;
        if embeddings.data.len() != request.input.len() {
            let (got, wanted) = (embeddings.data.len(), request.input.len());
            return Err(self.broken(format!("{got} vectors for {wanted} texts")));
        }
        Ok(embeddings)
    }
}
