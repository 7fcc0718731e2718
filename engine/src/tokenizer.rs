//! Text to token ids, and the bytes behind each id.
//!
//! Wraps `tokenizer.json` of a Hugging Face folder. Built once per engine by `serve`, which encodes prompts;
//! the [`TokenTable`] goes to the detokeniser and to log-probabilities. Turning ids back into text is the work
//! of [`crate::detokenizer`].

mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use table::TokenTable;

use crate::gguf;

/// Why a tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file is missing or not understood.
    #[error("tokenizer {}: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was seen.
        message: String,
    },
    /// The tokenizer belongs to another model: it knows ids that the model does not.
    #[error(
        "tokenizer does not match the model: token `{token}` has id {id}, the model's vocabulary has {vocabulary}"
    )]
    Vocabulary {
        /// The token with the highest id.
        token: String,
        /// Its id.
        id: u32,
        /// Rows of the model's embedding.
        vocabulary: usize,
    },
    /// A text could not be encoded.
    #[error("text could not be tokenised: {message}")]
    Encode {
        /// What the tokenizer said.
        message: String,
    },
}

/// The tokenizer of a model. Cheap to share behind an `Arc`; encoding takes `&self`.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    table: Arc<TokenTable>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a model folder and checks it against the model's `vocabulary`.
    /// A GGUF file has its tokenizer in it.
    pub fn open(model_dir: &Path, vocabulary: usize) -> Result<Self, TokenizerError> {
        if let Some(path) = gguf::find(model_dir) {
            let unreadable = |message: String| TokenizerError::Unreadable { path: path.clone(), message };
            let header = gguf::read_header(&path).map_err(unreadable)?;
            let json = gguf::tokenizer(&header).map_err(|error| unreadable(error.to_string()))?;
            return Self::from_json(json.to_string().as_bytes(), vocabulary);
        }
        let path = model_dir.join("tokenizer.json");
        let unreadable = |message: String| TokenizerError::Unreadable { path: path.clone(), message };
        let json = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
        Self::from_json(&json, vocabulary).map_err(|error| match error {
            TokenizerError::Unreadable { message, .. } => unreadable(message),
            other => other,
        })
    }

    /// Reads a tokenizer from the bytes of its JSON file.
    pub fn from_json(json: &[u8], vocabulary: usize) -> Result<Self, TokenizerError> {
        let unreadable = |message: String| TokenizerError::Unreadable { path: PathBuf::new(), message };
        let mut inner =
            tokenizers::Tokenizer::from_bytes(json).map_err(|error| unreadable(error.to_string()))?;
        // Files saved from training may cut or pad; a prompt must come through whole.
        inner.with_truncation(None).map_err(|error| unreadable(error.to_string()))?;
        inner.with_padding(None);
        let declared = serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))?;
        let vocabulary_ids = inner.get_vocab(true);
        if let Some((token, id)) = vocabulary_ids.iter().max_by_key(|(_, id)| **id)
            && *id as usize >= vocabulary
        {
            return Err(TokenizerError::Vocabulary { token: token.clone(), id: *id, vocabulary });
        }
        let table = Arc::new(TokenTable::build(&inner, &declared));
        Ok(Self { inner, table })
    }

    /// Encodes text that a client wrote: the tokenizer's own rule decides whether a beginning-of-text token
    /// comes first.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode(text, true)
    }

    /// Encodes what a chat template rendered. The template wrote all special tokens itself; none is added.
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode(text, false)
    }

    /// The bytes behind each id.
    pub fn table(&self) -> &Arc<TokenTable> {
        &self.table
    }

    /// The id of a token as it is written in the vocabulary, `<|im_end|>` for instance.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// A token as it is written in the vocabulary.
    pub fn word_of(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self
            .inner
            .encode_fast(text, add_special_tokens)
            .map_err(|error| TokenizerError::Encode { message: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }
}
