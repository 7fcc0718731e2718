//! Which tensors a model must have, and of which shape: the inventory that follows from its configuration.
//!
//! [`Checkpoint::open`](super::Checkpoint::open) checks the files against it; sizes are counted over it.

use super::DecoderConfig;

/// A tensor that the model needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorNeed {
    /// Its name in the files.
    pub name: String,
    /// One length for a vector; rows (outputs) and columns (inputs) for a matrix.
    pub shape: Vec<usize>,
}

impl TensorNeed {
    fn new(name: impl Into<String>, shape: &[usize]) -> TensorNeed {
        TensorNeed { name: name.into(), shape: shape.to_vec() }
    }

    /// Numbers in it. The limits of the configuration keep the product far below 2^64.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|&length| length as u64).product()
    }

    /// Whether it is a matrix and not a norm or a bias.
    pub fn is_matrix(&self) -> bool {
        self.shape.len() == 2
    }
}

/// All tensors of the model: embedding, blocks in order, last norm, and the head if it has its own.
pub fn tensors_needed(config: &DecoderConfig) -> impl Iterator<Item = TensorNeed> + '_ {
    let table = [config.vocabulary, config.hidden];
    let first = [TensorNeed::new("model.embed_tokens.weight", &table)];
    let blocks = (0..config.layers()).flat_map(|layer| block(config, layer));
    let last = [TensorNeed::new("model.norm.weight", &[config.hidden])];
    let head = (!config.tied_head).then(|| TensorNeed::new("lm_head.weight", &table));
    first.into_iter().chain(blocks).chain(last).chain(head)
}

fn block(config: &DecoderConfig, layer: usize) -> Vec<TensorNeed> {
    let prefix = format!("model.layers.{layer}");
    let mut needs = Vec::new();
    for norm in ["input_layernorm", "post_attention_layernorm"] {
        needs.push(TensorNeed::new(format!("{prefix}.{norm}.weight"), &[config.hidden]));
    }
    if config.query_key_norm {
        for norm in ["q_norm", "k_norm"] {
            needs.push(TensorNeed::new(format!("{prefix}.self_attn.{norm}.weight"), &[config.head_width]));
        }
    }
    let (hidden, query, kv) = (config.hidden, config.query_width(), config.kv_width());
    let (intermediate, input_bias) = (config.intermediate, config.query_key_value_bias);
    let matrices = [
        ("self_attn.q_proj", query, hidden, input_bias),
        ("self_attn.k_proj", kv, hidden, input_bias),
        ("self_attn.v_proj", kv, hidden, input_bias),
        ("self_attn.o_proj", hidden, query, config.attention_output_bias),
        ("mlp.gate_proj", intermediate, hidden, config.feed_forward_bias),
        ("mlp.up_proj", intermediate, hidden, config.feed_forward_bias),
        ("mlp.down_proj", hidden, intermediate, config.feed_forward_bias),
    ];
    for (name, rows, columns, has_bias) in matrices {
        needs.push(TensorNeed::new(format!("{prefix}.{name}.weight"), &[rows, columns]));
        if has_bias {
            needs.push(TensorNeed::new(format!("{prefix}.{name}.bias"), &[rows]));
        }
    }
    needs
}
