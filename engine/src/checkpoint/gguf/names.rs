//! What the tensors of GGUF files are called in folders.

use super::config::Architecture;
use crate::checkpoint::tensor::RowOrder;

/// The name in folders, and the order of the rows; none for tensors that no model needs.
pub(super) fn rename(
    architecture: Architecture,
    name: &str,
    head_width: usize,
) -> Option<(String, RowOrder)> {
    let plain = |name: String| Some((name, RowOrder::Plain));
    match name {
        "token_embd.weight" => return plain("model.embed_tokens.weight".to_owned()),
        "output_norm.weight" => return plain("model.norm.weight".to_owned()),
        "output.weight" => return plain("lm_head.weight".to_owned()),
        "rope_freqs.weight" | "rope_factors_short.weight" | "rope_factors_long.weight" => {
            return plain(name.to_owned());
        }
        _ => {}
    }
    let (block, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let block: usize = block.parse().ok()?;
    let in_block = |part: &str| format!("model.layers.{block}.{part}");
    if part == "attn_sinks.weight" {
        return plain(in_block("self_attn.sinks"));
    }
    let (module, ending) = part.rsplit_once('.')?;
    // Files of Llama have the two numbers that rotate together as neighbours.
    let is_paired = architecture == Architecture::Llama && matches!(module, "attn_q" | "attn_k");
    let order = if is_paired { RowOrder::RotaryPairs { head_width } } else { RowOrder::Plain };
    let renamed = in_block(rename_module(architecture, module)?);
    Some((format!("{renamed}.{ending}"), order))
}

fn rename_module(architecture: Architecture, module: &str) -> Option<&'static str> {
    let has_norms_after = matches!(architecture, Architecture::Gemma2 | Architecture::Gemma3);
    let is_stacked = architecture == Architecture::GptOss;
    Some(match module {
        "attn_norm" => "input_layernorm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_qkv" => "self_attn.qkv_proj",
        "attn_output" => "self_attn.o_proj",
        "attn_q_norm" => "self_attn.q_norm",
        "attn_k_norm" => "self_attn.k_norm",
        "post_attention_norm" => "post_attention_layernorm",
        "ffn_norm" if has_norms_after => "pre_feedforward_layernorm",
        "ffn_norm" => "post_attention_layernorm",
        "post_ffw_norm" => "post_feedforward_layernorm",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" if architecture == Architecture::Phi3 => "mlp.gate_up_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        "ffn_gate_inp" if is_stacked => "mlp.router",
        "ffn_gate_inp" => "mlp.gate",
        "ffn_gate_exps" if is_stacked => "mlp.experts.gate_proj",
        "ffn_up_exps" if is_stacked => "mlp.experts.up_proj",
        "ffn_down_exps" if is_stacked => "mlp.experts.down_proj",
        "ffn_gate_exps" => "mlp.switch_mlp.gate_proj",
        "ffn_up_exps" => "mlp.switch_mlp.up_proj",
        "ffn_down_exps" => "mlp.switch_mlp.down_proj",
        _ => return None,
    })
}
