//! A checkpoint of random weights in the shape of Qwen3-0.6B.

use std::fs::File;
use std::io::{BufWriter, Result, Write};

use half::bf16;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

const HIDDEN: usize = 1024;
const HEADS: usize = 16;
const KV_HEADS: usize = 8;
const HEAD_WIDTH: usize = 128;
const INTERMEDIATE: usize = 3072;
const VOCABULARY: usize = 32_000;

/// Writes it to a folder that is removed when dropped.
pub(crate) fn write(layers: usize) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let config = json!({
        "model_type": "qwen3", "hidden_size": HIDDEN, "num_hidden_layers": layers, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "head_dim": HEAD_WIDTH, "intermediate_size": INTERMEDIATE,
        "vocab_size": VOCABULARY, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
        "tie_word_embeddings": true,
    });
    std::fs::write(folder.path().join("config.json"), config.to_string())?;
    let tensors = tensors(layers);
    let mut header = Map::new();
    let mut end = 0;
    for (name, shape) in &tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        header.insert(name.clone(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}));
    }
    let header = Value::Object(header).to_string();
    let mut file = BufWriter::new(File::create(folder.path().join("model.safetensors"))?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    let mut state = 1u32;
    for (_, shape) in &tensors {
        let scale = if shape.len() == 1 { 1.0 } else { 0.05 };
        for _ in 0..shape.iter().product::<usize>() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = scale * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0);
            file.write_all(&bf16::from_f32(number).to_bits().to_le_bytes())?;
        }
    }
    file.flush()?;
    Ok(folder)
}

fn tensors(layers: usize) -> Vec<(String, Vec<usize>)> {
    let (query, kv) = (HEADS * HEAD_WIDTH, KV_HEADS * HEAD_WIDTH);
    let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN])];
    for layer in 0..layers {
        for (name, shape) in [
            ("input_layernorm", vec![HIDDEN]),
            ("post_attention_layernorm", vec![HIDDEN]),
            ("self_attn.q_norm", vec![HEAD_WIDTH]),
            ("self_attn.k_norm", vec![HEAD_WIDTH]),
            ("self_attn.q_proj", vec![query, HIDDEN]),
            ("self_attn.k_proj", vec![kv, HIDDEN]),
            ("self_attn.v_proj", vec![kv, HIDDEN]),
            ("self_attn.o_proj", vec![HIDDEN, query]),
            ("mlp.gate_proj", vec![INTERMEDIATE, HIDDEN]),
            ("mlp.up_proj", vec![INTERMEDIATE, HIDDEN]),
            ("mlp.down_proj", vec![HIDDEN, INTERMEDIATE]),
        ] {
            tensors.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    tensors.push(("model.norm.weight".to_owned(), vec![HIDDEN]));
    tensors
}
