//! The files of well-known models, as their makers write them, and what is read out of them.

use serde_json::{Value, json};

use super::super::inventory::{Inventory, Names, Norm, Projection, Role};
use super::super::{
    Activation, DecoderConfig, Encoding, ExpertWeighting, FeedForward, LoadError, RotaryScaling, json::Object,
};

fn read(value: Value) -> Result<DecoderConfig, LoadError> {
    DecoderConfig::from_json(&Object::of_config(value))
}

fn windows(config: &DecoderConfig) -> Vec<Option<usize>> {
    config.layers.iter().map(|layer| layer.window).collect()
}

/// What a model needs if its files have a tensor of this name.
fn places(config: &DecoderConfig, name: &str, roles: &[Role]) -> Vec<(String, Vec<usize>, usize)> {
    let inventory = Inventory::new(config, Names::pick(config, |other| other == name));
    let place = |&role: &Role| {
        let place = inventory.need(role).unwrap().place;
        (place.name, place.shape, place.first_row)
    };
    roles.iter().map(place).collect()
}

fn gemma2() -> Value {
    json!({
        "model_type": "gemma2", "attention_bias": false, "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304, "intermediate_size": 9216,
        "max_position_embeddings": 8192, "num_attention_heads": 8, "num_hidden_layers": 26,
        "num_key_value_heads": 4, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
        "sliding_window": 4096, "vocab_size": 256000,
    })
}

fn gpt_oss() -> Value {
    json!({
        "model_type": "gpt_oss", "attention_bias": true, "experts_per_token": 4, "head_dim": 64,
        "hidden_act": "silu", "hidden_size": 2880, "initial_context_length": 4096, "intermediate_size": 2880,
        "layer_types": ["sliding_attention", "full_attention"], "max_position_embeddings": 131072,
        "num_attention_heads": 64, "num_experts_per_tok": 4, "num_hidden_layers": 2, "num_key_value_heads": 8,
        "num_local_experts": 32, "rms_norm_eps": 1e-05, "rope_scaling": {
            "beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "original_max_position_embeddings": 4096,
            "rope_type": "yarn", "truncate": false,
        },
        "rope_theta": 150000, "sliding_window": 128, "swiglu_limit": 7.0, "tie_word_embeddings": false,
        "vocab_size": 201088,
    })
}

#[test]
fn an_unknown_model_type_is_answered_with_all_that_are_known() {
    let message = read(json!({"model_type": "mamba"})).unwrap_err().to_string();
    let known = "llama, mistral, qwen2, qwen3, qwen3_moe, gemma2, gemma3_text, gemma3, phi3, gpt_oss";
    assert!(message.contains("`mamba`") && message.ends_with(known), "{message}");
}

#[test]
fn gemma2_has_windows_in_turn_caps_and_four_norms() {
    let config = read(gemma2()).unwrap();
    assert_eq!(windows(&config)[..3], [Some(4096), None, Some(4096)]);
    assert_eq!((config.attention_cap, config.logit_cap), (Some(50.0), Some(30.0)));
    assert_eq!((config.embedding_scale, config.attention_scale), (48.0, 1.0 / 16.0));
    assert_eq!((config.norm_offset, config.norms_after, config.tied_head), (1.0, true, true));
    assert_eq!(config.activation, Activation::GeluTanh);
    let norm = |norm| Role::Norm { layer: 1, norm };
    let roles = [norm(Norm::AfterAttention), norm(Norm::BeforeFeedForward)];
    let names: Vec<String> = places(&config, "", &roles).into_iter().map(|place| place.0).collect();
    assert_eq!(
        names,
        ["model.layers.1.post_attention_layernorm.weight", "model.layers.1.pre_feedforward_layernorm.weight"]
    );
}

#[test]
fn gemma3_is_found_under_text_config_with_its_usual_values() {
    let config = read(json!({
        "model_type": "gemma3", "vision_config": {}, "eos_token_id": [1, 106],
        "text_config": {
            "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
            "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 1024,
        },
    }))
    .unwrap();
    assert_eq!((config.vocabulary, config.heads, config.kv_heads, config.head_width), (262_208, 8, 4, 256));
    assert_eq!(windows(&config)[4..7], [Some(1024), None, Some(1024)]);
    assert_eq!(config.layers[..6].iter().map(|layer| layer.rotary).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 0]);
    let [global, local] = &config.rotary[..] else { panic!("two kinds of positions") };
    assert_eq!((global.theta, &global.scaling), (1e6, &RotaryScaling::Linear { factor: 8.0 }));
    assert_eq!((local.theta, &local.scaling), (1e4, &RotaryScaling::None));
    assert!(config.query_key_norm && config.tied_head && config.attention_cap.is_none());
    for prefix in ["language_model.model.", "model.language_model.", "model."] {
        let name = format!("{prefix}embed_tokens.weight");
        assert_eq!(places(&config, &name, &[Role::Embedding])[0].0, name);
    }
}

#[test]
fn gemma3_settings_by_kind_of_layer_are_read() {
    let config = read(json!({
        "model_type": "gemma3_text", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2,
        "layer_types": ["full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_theta": 5e5, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 777.0, "rope_type": "linear", "factor": 2.0},
        },
    }))
    .unwrap();
    assert_eq!((config.layers[0].rotary, config.layers[1].rotary), (0, 1));
    assert_eq!(config.rotary.iter().map(|rotary| rotary.theta).collect::<Vec<_>>(), [5e5, 777.0]);
    assert_eq!(config.rotary[1].scaling, RotaryScaling::Linear { factor: 2.0 });
}

#[test]
fn phi4_mini_turns_a_part_of_each_head_by_long_factors() {
    let config = read(json!({
        "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_attention_heads": 24,
        "num_key_value_heads": 8, "num_hidden_layers": 2, "vocab_size": 200064, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "sliding_window": 262144,
        "partial_rotary_factor": 0.75, "tie_word_embeddings": true, "attention_bias": false, "hidden_act": "silu",
        "rope_theta": 10000.0,
        "rope_scaling": {"type": "longrope", "short_factor": vec![1.0; 48], "long_factor": vec![2.0; 48]},
    }))
    .unwrap();
    let rotary = &config.rotary[0];
    assert_eq!((rotary.width, config.head_width), (96, 128));
    assert!((f64::from(rotary.amplitude) - (1.0 + 32f64.ln() / 4096f64.ln()).sqrt()).abs() < 1e-6);
    assert_eq!(rotary.frequencies(4096)[0], 1.0);
    assert_eq!(rotary.frequencies(4097)[0], 0.5);
    let weight = |projection| Role::Weight { layer: 0, projection };
    let roles = [Projection::Query, Projection::Key, Projection::Value, Projection::Up].map(weight);
    let qkv = ("model.layers.0.self_attn.qkv_proj.weight".to_owned(), vec![5120, 3072]);
    let gate_up = ("model.layers.0.mlp.gate_up_proj.weight".to_owned(), vec![16384, 3072]);
    let expected = [(&qkv, 0), (&qkv, 3072), (&qkv, 4096), (&gate_up, 8192)];
    let expected = expected.map(|((name, shape), row)| (name.clone(), shape.clone(), row));
    assert_eq!(places(&config, "", &roles), expected);
}

#[test]
fn qwen3_moe_has_experts_under_any_of_their_names() {
    let config = read(json!({
        "model_type": "qwen3_moe", "attention_bias": false, "decoder_sparse_step": 1, "head_dim": 128,
        "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 6144, "max_position_embeddings": 40960,
        "max_window_layers": 48, "mlp_only_layers": [1], "moe_intermediate_size": 768, "norm_topk_prob": true,
        "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 3,
        "num_key_value_heads": 4, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000.0,
        "sliding_window": null, "tie_word_embeddings": false, "use_sliding_window": false, "vocab_size": 151936,
    }))
    .unwrap();
    let FeedForward::Experts(experts) = config.layers[0].feed_forward else { panic!("experts") };
    assert_eq!((experts.experts, experts.chosen, experts.intermediate), (128, 8, 768));
    assert_eq!(experts.weighting, ExpertWeighting::SoftmaxOfChosen);
    assert!(matches!(config.layers[1].feed_forward, FeedForward::Dense(dense) if dense.intermediate == 6144));
    let up = [Role::Weight { layer: 2, projection: Projection::ExpertUp(7) }];
    let cases = [
        ("mlp.experts.0.down_proj.weight", "mlp.experts.7.up_proj.weight", vec![768, 2048], 0),
        ("mlp.switch_mlp.down_proj.weight", "mlp.switch_mlp.up_proj.weight", vec![128, 768, 2048], 0),
        ("mlp.experts.down_proj", "mlp.experts.gate_up_proj", vec![128, 1536, 2048], 768),
    ];
    for (there, name, shape, row) in cases {
        let expected = (format!("model.layers.2.{name}"), shape, row);
        assert_eq!(places(&config, &format!("model.layers.0.{there}"), &up), [expected]);
    }
}

#[test]
fn gpt_oss_has_sinks_biased_experts_and_yarn() {
    let config = read(gpt_oss()).unwrap();
    assert_eq!(windows(&config), [Some(128), None]);
    assert!(config.attention_sinks && config.query_key_value_bias && config.attention_output_bias);
    assert_eq!(config.activation, Activation::ClampedSwiglu { alpha: 1.702, limit: 7.0 });
    assert!((config.rotary[0].amplitude - 1.346_574).abs() < 1e-6);
    let bias = |projection| Role::Bias { layer: 1, projection };
    let [gate, up] = [Projection::ExpertGate(3), Projection::ExpertUp(3)]
        .map(|projection| Role::Weight { layer: 1, projection });
    let roles = [up, bias(Projection::ExpertUp(3)), bias(Projection::Router)];
    let name = |name: &str| format!("model.layers.1.mlp.{name}");
    let expected = [
        (name("experts.gate_up_proj_blocks"), vec![32, 5760, 90, 16], 1),
        (name("experts.gate_up_proj_bias"), vec![32, 5760], 1),
        (name("router.bias"), vec![32], 0),
    ];
    assert_eq!(places(&config, "model.layers.0.mlp.experts.down_proj_blocks", &roles), expected);
    let plain = places(&config, "model.layers.0.mlp.experts.down_proj", &[gate]);
    assert_eq!(plain, [(name("experts.gate_up_proj"), vec![32, 2880, 5760], 0)]);
    let inventory = Inventory::new(&config, Names::pick(&config, |name| name.ends_with("experts.down_proj")));
    assert_eq!(inventory.need(gate).unwrap().place.encoding, Encoding::Columns);
    let converted = places(&config, "model.layers.0.mlp.experts.down_proj.weight", &roles);
    assert_eq!(converted[0], (name("experts.up_proj.weight"), vec![32, 2880, 2880], 0));
    assert_eq!(converted[1], (name("experts.up_proj.bias"), vec![32, 2880], 0));
}

#[test]
fn values_out_of_range_are_refused_with_their_key() {
    let cases = [
        (gemma2(), "hidden_activation", json!("relu"), "gelu_pytorch_tanh"),
        (gemma2(), "attn_logit_softcapping", json!(0), "attn_logit_softcapping"),
        (gemma2(), "query_pre_attn_scalar", json!(-1), "query_pre_attn_scalar"),
        (gemma2(), "use_bidirectional_attention", json!(true), "expected false"),
        (gemma2(), "layer_types", json!(["full_attention"]), "26 names"),
        (gpt_oss(), "num_experts_per_tok", json!(33), "1 to 32"),
        (gpt_oss(), "num_local_experts", json!(1 << 20), "1 to 1024"),
        (gpt_oss(), "num_local_experts", json!(null), "missing"),
        (gpt_oss(), "swiglu_limit", json!("x"), "swiglu_limit"),
        (gpt_oss(), "partial_rotary_factor", json!(0.01), "partial_rotary_factor"),
        (gpt_oss(), "rope_scaling", json!({"type": "yarn", "beta_fast": 1, "beta_slow": 2}), "beta_fast"),
        (
            gpt_oss(),
            "rope_scaling",
            json!({"type": "su", "short_factor": [1], "long_factor": [1]}),
            "32 numbers",
        ),
    ];
    for (mut config, key, value, expected) in cases {
        config[key] = value.clone();
        let message = read(config).expect_err(key).to_string();
        assert!(message.contains(expected), "{key} = {value}: {message:?} should mention {expected:?}");
    }
}
