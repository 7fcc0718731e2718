//! `config.json` and `generation_config.json`: what is read, and what is refused.

use pomona_engine::checkpoint::{Checkpoint, GenerationDefaults, LoadError, RotaryScaling};
use pomona_protocol::ModelId;
use serde_json::{Value, json};

use super::folder::Folder;
use crate::backend::support::folder;

#[test]
fn values_out_of_range_are_refused_with_key_and_range() {
    let cases = [
        ("hidden_size", json!(0), "1 to 131072"),
        ("hidden_size", json!(null), "missing"),
        ("hidden_size", json!("8"), "1 to 131072"),
        ("hidden_size", json!(9), "num_attention_heads"),
        ("num_attention_heads", json!(0), "1 to 4096"),
        ("num_attention_heads", json!(-2), "1 to 4096"),
        ("num_key_value_heads", json!(3), "1 to 2"),
        ("num_hidden_layers", json!(1_000_000_000_000u64), "1 to 1024"),
        ("head_dim", json!(3), "even"),
        ("head_dim", json!(0), "2 to 1024"),
        ("vocab_size", json!(u64::MAX), "1 to 16777216"),
        ("vocab_size", json!(1.5), "1 to 16777216"),
        ("max_position_embeddings", json!(0), "1 to 134217728"),
        ("intermediate_size", json!(1e30), "1 to 1048576"),
        ("rms_norm_eps", json!(-1), "rms_norm_eps"),
        ("rms_norm_eps", json!("nan"), "rms_norm_eps"),
        ("rope_theta", json!(0), "rope_theta"),
        ("hidden_act", json!("gelu"), "silu"),
        ("tie_word_embeddings", json!(1), "true or false"),
        ("eos_token_id", json!(10), "0 to 9"),
        ("eos_token_id", json!([2, "x"]), "0 to 9"),
        (
            "rope_scaling",
            json!({"rope_type": "dynamic", "factor": 2}),
            "default, linear, llama3, yarn or longrope",
        ),
        ("rope_scaling", json!({"type": "linear"}), "factor"),
        ("rope_scaling", json!({"type": "linear", "factor": 0}), "factor"),
        ("rope_scaling", json!([]), "an object"),
    ];
    for (key, value, expected) in cases {
        let message = Folder::new().open_with(key, value.clone()).expect_err(key).to_string();
        assert!(message.contains(expected), "{key} = {value}: {message:?} should mention {expected:?}");
    }
}

#[test]
fn key_value_heads_divide_the_heads() {
    let mut folder = Folder::new();
    folder.config["num_attention_heads"] = json!(4);
    let message = folder.open_with("num_key_value_heads", json!(3)).unwrap_err().to_string();
    assert!(message.contains("a divisor of num_attention_heads (4)"), "{message}");
}

#[test]
fn an_unknown_family_is_refused_with_those_that_are_known() {
    let message = Folder::new().open_with("model_type", json!("mamba")).unwrap_err().to_string();
    assert!(message.contains("mamba") && message.contains("llama, mistral, qwen2, qwen3"), "{message}");
}

#[test]
fn a_config_that_is_no_object_is_refused() {
    for text in ["", "[]", "{", "3"] {
        let folder = Folder::new();
        folder.write("config.json", text.as_bytes());
        let error = Checkpoint::open(&folder.path("")).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. }), "{error}");
    }
}

#[test]
fn rotary_settings_are_read_in_old_form_and_new() {
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
        "original_max_position_embeddings": 32, "rope_theta": 5e5,
    });
    let expected = RotaryScaling::Llama3 {
        factor: 8.0,
        low_frequency_factor: 1.0,
        high_frequency_factor: 4.0,
        original_context_tokens: 32,
    };
    let new = Folder::new().open_with("rope_parameters", llama3.clone()).unwrap().config.rotary;
    assert_eq!((new[0].theta, &new[0].scaling), (5e5, &expected));
    let mut old = Folder::new();
    old.config["rope_theta"] = json!(5e5);
    assert_eq!(old.open_with("rope_scaling", llama3).unwrap().config.rotary, new);
    let linear = Folder::new().open_with("rope_scaling", json!({"type": "linear", "factor": 2.0})).unwrap();
    assert_eq!(linear.config.rotary[0].scaling, RotaryScaling::Linear { factor: 2.0 });
    assert_eq!(Folder::new().open().unwrap().config.rotary[0].theta, 10_000.0);
}

#[test]
fn end_tokens_are_one_or_many_and_generation_config_wins() {
    let ids = |config: Value, generation: Option<Value>| {
        let folder = Folder::new();
        if let Some(generation) = generation {
            folder.write("generation_config.json", generation.to_string().as_bytes());
        }
        folder.open_with("eos_token_id", config).unwrap().eos_token_ids
    };
    assert_eq!(ids(json!(2), None), [2]);
    assert_eq!(ids(json!([2, 3]), None), [2, 3]);
    assert_eq!(ids(json!(null), None), [0u32; 0]);
    assert_eq!(ids(json!(2), Some(json!({"eos_token_id": [4, 5]}))), [4, 5]);
    assert_eq!(ids(json!(2), Some(json!({"top_k": 5}))), [2]);
}

#[test]
fn recommended_sampling_is_read_and_do_sample_ignored() {
    let generation = Checkpoint::open(&folder("llama")).unwrap().generation;
    let expected = GenerationDefaults {
        temperature: Some(0.7),
        top_p: Some(0.9),
        top_k: Some(40),
        ..GenerationDefaults::default()
    };
    assert_eq!(generation, expected);
    let plain = Folder::new();
    plain.write("generation_config.json", br#"{"do_sample": false, "temperature": null}"#);
    assert_eq!(plain.open().unwrap().generation, GenerationDefaults::default());
    for bad in [r#"{"temperature": -1}"#, r#"{"top_p": 0}"#, r#"{"top_k": 0.5}"#, r#"{"min_p": 2}"#] {
        let folder = Folder::new();
        folder.write("generation_config.json", bad.as_bytes());
        assert!(folder.refusal().starts_with("generation_config.json"), "{bad}");
    }
}

#[test]
fn windows_are_those_of_the_family() {
    let windows = |name: &str| -> Vec<Option<usize>> {
        let config = Checkpoint::open(&folder(name)).unwrap().config;
        config.layers.iter().map(|layer| layer.window).collect()
    };
    assert_eq!(windows("llama"), [None, None]);
    assert_eq!(windows("mistral"), [Some(8), Some(8)]);
    assert_eq!(windows("qwen2"), [None, Some(37), Some(37)]);
    assert_eq!(windows("qwen3"), [None, None]);
}

#[test]
fn the_card_says_what_the_folder_holds() {
    let checkpoint = Checkpoint::open(&folder("mistral")).unwrap();
    let card = checkpoint.card(ModelId::from("tiny"));
    assert_eq!((card.architecture.as_str(), card.dtype.as_str()), ("mistral", "bf16"));
    assert_eq!((card.context_tokens, card.vocabulary), (256, 192));
    assert_eq!(card.parameters, checkpoint.parameters());
    // Two layers of keys and values, two heads of 16, four bytes each.
    assert_eq!(card.kv_bytes_per_token, 2 * 2 * 2 * 16 * 4);
}
