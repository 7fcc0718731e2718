//! What is known of a model without asking it.

use serde::{Deserialize, Serialize};

use crate::ModelId;

/// What a model takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Text.
    Text,
    /// Images beside text.
    Vision,
}

impl Modality {
    /// The word that tables use.
    pub fn as_str(self) -> &'static str {
        match self {
            Modality::Text => "text",
            Modality::Vision => "vision",
        }
    }
}

/// The capability card of a model, shown by `/v1/models`, `pomona models ls` and `pomona models show`. The engine
/// writes one of what it has loaded; before that one is read off the files, where 0 and empty mean unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Weights that one token goes through, of a mixture of experts; 0 when all are.
    #[serde(default)]
    pub active_parameters: u64,
    /// How weights are packed: `4 bit, groups of 64`, or `Q4_K_M`; empty when they are not.
    #[serde(default)]
    pub quantisation: String,
    /// What it takes in; empty when that is not known.
    #[serde(default)]
    pub modalities: Vec<Modality>,
    /// Its template knows tools.
    #[serde(default)]
    pub tools: bool,
    /// Its template knows thinking before an answer.
    #[serde(default)]
    pub thinking: bool,
    /// It makes vectors of texts rather than answers.
    #[serde(default)]
    pub embeddings: bool,
    /// Some replica of it is loaded; otherwise the first question loads it.
    #[serde(default)]
    pub loaded: bool,
}

impl ModelCard {
    /// This card, with what it does not know taken from one that was read off the same model's files.
    pub fn completed_by(self, files: ModelCard) -> ModelCard {
        let text = |own: String, other: String| if own.is_empty() { other } else { own };
        let number = |own: u64, other: u64| if own == 0 { other } else { own };
        let small = |own: u32, other: u32| if own == 0 { other } else { own };
        ModelCard {
            id: self.id,
            architecture: text(self.architecture, files.architecture),
            parameters: number(self.parameters, files.parameters),
            dtype: text(self.dtype, files.dtype),
            context_tokens: small(self.context_tokens, files.context_tokens),
            vocabulary: small(self.vocabulary, files.vocabulary),
            weight_bytes: number(self.weight_bytes, files.weight_bytes),
            kv_bytes_per_token: number(self.kv_bytes_per_token, files.kv_bytes_per_token),
            active_parameters: number(self.active_parameters, files.active_parameters),
            quantisation: text(self.quantisation, files.quantisation),
            modalities: if self.modalities.is_empty() { files.modalities } else { self.modalities },
            tools: self.tools || files.tools,
            thinking: self.thinking || files.thinking,
            embeddings: self.embeddings || files.embeddings,
            loaded: self.loaded || files.loaded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_an_older_version_is_read_with_what_it_has() {
        let old = serde_json::json!({
            "id": "a", "architecture": "llama", "parameters": 1, "dtype": "bf16", "context_tokens": 2,
            "vocabulary": 3, "weight_bytes": 4, "kv_bytes_per_token": 5
        });
        let card: ModelCard = serde_json::from_value(old).unwrap();
        assert_eq!((card.kv_bytes_per_token, card.tools, card.modalities.len()), (5, false, 0));
        let sent = rmp_serde::to_vec_named(&card).unwrap();
        assert_eq!(rmp_serde::from_slice::<ModelCard>(&sent).unwrap(), card);
    }

    #[test]
    fn what_the_engine_knows_stands_and_the_rest_comes_from_the_files() {
        let engine = ModelCard { id: "a".into(), parameters: 7, loaded: true, ..ModelCard::default() };
        let files = ModelCard {
            id: "b".into(),
            parameters: 9,
            quantisation: "Q8_0".to_owned(),
            tools: true,
            modalities: vec![Modality::Text],
            ..ModelCard::default()
        };
        let card = engine.completed_by(files);
        assert_eq!((card.id.0.as_str(), card.parameters, card.quantisation.as_str()), ("a", 7, "Q8_0"));
        assert!(card.tools && card.loaded && !card.thinking);
        assert_eq!(card.modalities, [Modality::Text]);
    }
}
