//! A model folder in a temporary place, a little of which is then broken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pomona_engine::checkpoint::{Checkpoint, LoadError};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Name, type and shape of a tensor to write; all its bytes are zero.
pub(crate) type Tensors = BTreeMap<String, (Dtype, Vec<usize>)>;

/// A folder that opens, unless it is changed.
pub(crate) struct Folder {
    folder: TempDir,
    pub(crate) config: Value,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        let config = json!({
            "model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 1, "intermediate_size": 12, "vocab_size": 10, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 64, "tie_word_embeddings": true, "eos_token_id": 2,
        });
        let folder = Folder { folder: tempfile::tempdir().unwrap(), config };
        folder.write("model.safetensors", &weights(&tensors()));
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn open(&self) -> Result<Checkpoint, LoadError> {
        self.write("config.json", self.config.to_string().as_bytes());
        Checkpoint::open(Path::new(self.folder.path()))
    }

    /// Opens it with one key of `config.json` changed.
    pub(crate) fn open_with(mut self, key: &str, value: Value) -> Result<Checkpoint, LoadError> {
        self.config[key] = value;
        self.open()
    }

    /// The error that says so much.
    pub(crate) fn refusal(&self) -> String {
        self.open().expect_err("a bad folder").to_string()
    }
}

/// All that the folder's model needs.
pub(crate) fn tensors() -> Tensors {
    let layer = "model.layers.0";
    [
        ("model.embed_tokens.weight".to_owned(), vec![10, 8]),
        ("model.norm.weight".to_owned(), vec![8]),
        (format!("{layer}.input_layernorm.weight"), vec![8]),
        (format!("{layer}.post_attention_layernorm.weight"), vec![8]),
        (format!("{layer}.self_attn.q_proj.weight"), vec![8, 8]),
        (format!("{layer}.self_attn.k_proj.weight"), vec![4, 8]),
        (format!("{layer}.self_attn.v_proj.weight"), vec![4, 8]),
        (format!("{layer}.self_attn.o_proj.weight"), vec![8, 8]),
        (format!("{layer}.mlp.gate_proj.weight"), vec![12, 8]),
        (format!("{layer}.mlp.up_proj.weight"), vec![12, 8]),
        (format!("{layer}.mlp.down_proj.weight"), vec![8, 12]),
    ]
    .into_iter()
    .map(|(name, shape)| (name, (Dtype::F32, shape)))
    .collect()
}

/// A file with these tensors, written by another implementation of the format.
pub(crate) fn weights(tensors: &Tensors) -> Vec<u8> {
    let zeros = vec![0; 4096];
    let views = tensors.iter().map(|(name, (dtype, shape))| {
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        (name, TensorView::new(*dtype, shape.clone(), &zeros[..bytes]).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// A file with any header before so many zeros.
pub(crate) fn file(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 0);
    bytes
}
