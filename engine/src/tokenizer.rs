//! Text to token ids, and the bytes behind each id.
//!
//! Wraps `tokenizer.json` of a Hugging Face folder. Built once per engine by `serve`, which encodes prompts;
//! the [`TokenTable`] goes to the detokeniser and to log-probabilities. Turning ids back into text is the work
//! of [`crate::detokenizer`].

mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
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
        // First, since the library panics on some text that is no JSON, a file that was cut for instance.
        let declared = serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))?;
        let read = || -> tokenizers::Result<tokenizers::Tokenizer> {
            let mut inner = tokenizers::Tokenizer::from_bytes(json)?;
            // Files saved from training may cut or pad; a prompt must come through whole.
            inner.with_truncation(None)?;
            inner.with_padding(None);
            Ok(inner)
        };
        let inner = contained(read).map_err(unreadable)?;
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
        let encoding = contained(|| self.inner.encode_fast(text, add_special_tokens));
        let encoding = encoding.map_err(|message| TokenizerError::Encode { message })?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// Does work of the library. It takes some files for its own mistakes, which must end neither the engine nor a step: a
/// panic becomes an error. Nothing of ours is left half done by it.
fn contained<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the library `tokenizers` breaks on it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_cut_is_refused_wherever_it_was() {
        let whole = include_str!("../sprout/model/tokenizer.json");
        let decoder = whole.find("\"decoder\"").unwrap();
        for end in [0, 1, decoder, decoder + 12, decoder + 20, whole.len() - 1] {
            let refused = Tokenizer::from_json(&whole.as_bytes()[..end], 4096);
            assert!(matches!(refused, Err(TokenizerError::Unreadable { .. })), "cut at {end}");
        }
        assert!(Tokenizer::from_json(whole.as_bytes(), 4096).is_ok());
    }

    #[test]
    fn a_panic_of_the_library_is_an_error() {
        let broken: Result<(), String> = contained(|| panic!("its mistake"));
        assert_eq!(broken.unwrap_err(), "the library `tokenizers` breaks on it");
    }
}
