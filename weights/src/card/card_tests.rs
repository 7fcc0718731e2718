//! Cards of folders as people have them.

use pomona_protocol::Modality;
use serde_json::json;

use super::*;

fn describe_config(config: &Value) -> ModelCard {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    describe(&"m".into(), folder.path()).unwrap()
}

/// A safetensors file with these tensors and no bytes worth reading.
fn safetensors(tensors: &[(&str, &str, &[u64], u64)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for (name, dtype, shape, bytes) in tensors {
        header.insert(
            (*name).to_owned(),
            json!({ "dtype": dtype, "shape": shape, "data_offsets": [at, at + bytes] }),
        );
        at += bytes;
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; at as usize]].concat()
}

#[test]
fn the_built_in_model_is_described_as_its_loader_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/sprout/model");
    let card = describe(&"sprout".into(), &folder).unwrap();
    assert_eq!(
        (card.architecture.as_str(), card.dtype.as_str(), card.context_tokens),
        ("llama", "bf16", 2048)
    );
    assert_eq!(card.kv_bytes_per_token, 6 * 2 * 2 * 64 * config::KV_NUMBER_BYTES);
    assert!(card.parameters > 4_900_000 && card.weight_bytes == 2 * card.parameters, "{card:?}");
    assert_eq!((card.quantisation.as_str(), card.modalities.as_slice()), ("", &[Modality::Text][..]));
}

#[test]
fn a_model_that_sees_keeps_its_language_under_text_config() {
    let card = describe_config(&json!({
        "model_type": "gemma3", "vision_config": {},
        "text_config": { "max_position_embeddings": 131_072, "num_hidden_layers": 2, "num_attention_heads": 8,
            "num_key_value_heads": 4, "hidden_size": 64, "head_dim": 256, "vocab_size": 262_208 }
    }));
    assert_eq!(card.modalities, [Modality::Text, Modality::Vision]);
    assert_eq!((card.context_tokens, card.vocabulary), (131_072, 262_208));
    assert_eq!(card.kv_bytes_per_token, 2 * 2 * 4 * 256 * config::KV_NUMBER_BYTES);
}

#[test]
fn packings_are_told_in_words() {
    for (config, words) in [
        (json!({ "quantization": { "bits": 4, "group_size": 64 } }), "4 bit, groups of 64"),
        (
            json!({ "quantization": { "bits": 4, "group_size": 32, "lm_head": { "bits": 8 } } }),
            "mixed, mostly 4 bit, groups of 32",
        ),
        (
            json!({ "quantization_config": { "quant_method": "gptq", "bits": 4, "group_size": 128 } }),
            "gptq, 4 bit, groups of 128",
        ),
        (json!({ "quantization_config": { "quant_method": "mxfp4" } }), "mxfp4"),
        (json!({ "quantization_config": { "quant_method": "fp8" } }), "fp8"),
        (json!({}), ""),
        (json!({ "quantization": "yes" }), ""),
    ] {
        assert_eq!(describe_config(&config).quantisation, words, "{config}");
    }
}

#[test]
fn packed_weights_count_as_what_they_stand_for_and_experts_as_far_as_they_answer() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 2,
        "quantization": { "bits": 4, "group_size": 64, "model.b": { "bits": 8 } }
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let file = safetensors(&[
        ("model.a.weight", "U32", &[4, 8], 128),
        ("model.a.scales", "BF16", &[4, 1], 8),
        ("model.a.biases", "BF16", &[4, 1], 8),
        ("model.b.weight", "U32", &[4, 8], 128),
        ("model.norm.weight", "BF16", &[10], 20),
        ("model.layers.0.mlp.switch_mlp.up_proj.weight", "U32", &[8, 2, 4], 256),
    ]);
    fs::write(folder.path().join("model.safetensors"), file).unwrap();
    let card = describe(&"m".into(), folder.path()).unwrap();
    let (a, b, norm, experts) = (4 * 8 * 8, 4 * 8 * 4, 10, 8 * 2 * 4 * 8);
    assert_eq!(card.parameters, a + b + norm + experts);
    assert_eq!(card.active_parameters, a + b + norm + experts / 4);
    assert_eq!(card.weight_bytes, 548);
}

#[test]
fn what_a_template_knows_stands_in_its_own_words() {
    for (template, tools, thinking) in [
        ("{% if tools %}x{% endif %}", true, false),
        ("{{- tools | tojson }}", true, false),
        ("use your tools wisely {{ messages }}", false, false),
        ("{% for tool in my_tools %}", false, false),
        ("{{ '<think>' }}", false, true),
        ("{% if enable_thinking is defined and tools is not none %}", true, true),
        ("<|start|>assistant<|channel|>final", false, true),
        ("{", false, false),
        ("{%", false, false),
        ("{{ é", false, false),
    ] {
        assert_eq!(
            (template::knows_tools(template), template::knows_thinking(template)),
            (tools, thinking),
            "{template}"
        );
    }
}

#[test]
fn templates_are_found_wherever_they_are_kept() {
    let file = |name: &str, text: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), "{}").unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        describe(&"m".into(), folder.path()).unwrap().tools
    };
    assert!(file("chat_template.jinja", "{{ tools }}"));
    assert!(file("chat_template.json", r#"{"chat_template":"{{ tools }}"}"#));
    assert!(file("tokenizer_config.json", r#"{"chat_template":"{{ tools }}"}"#));
    assert!(file(
        "tokenizer_config.json",
        r#"{"chat_template":[{"name":"tool_use","template":"{{ tools }}"}]}"#
    ));
    assert!(!file("tokenizer_config.json", r#"{"chat_template":[1,{"template":2}]}"#));
}

#[test]
fn embedding_models_are_known_by_family_or_by_their_pooling() {
    assert!(describe_config(&json!({ "model_type": "bert" })).embeddings);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), r#"{"model_type":"qwen3"}"#).unwrap();
    assert!(!describe(&"m".into(), folder.path()).unwrap().embeddings);
    fs::write(folder.path().join("modules.json"), "[]").unwrap();
    assert!(describe(&"m".into(), folder.path()).unwrap().embeddings);
}

#[test]
fn a_gguf_is_known_by_its_name() {
    for (name, words) in [
        ("Qwen2.5-0.5B-Instruct-Q4_K_M.gguf", Some("Q4_K_M")),
        ("m.q8_0.gguf", Some("Q8_0")),
        ("m-BF16-00001-of-00002.gguf", Some("BF16")),
        ("m-IQ4_XS.gguf", Some("IQ4_XS")),
        ("m.gguf", None),
    ] {
        assert_eq!(gguf::quantisation(Path::new(name)).as_deref(), words, "{name}");
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A GGUF file with these numbers, texts and tensors, and a list of four tokens.
fn gguf(numbers: &[(&str, u32)], texts: &[(&str, &str)], tensors: &[(&str, &[u64])]) -> Vec<u8> {
    let count = (numbers.len() + texts.len() + 1) as u64;
    let mut file = [&b"GGUF"[..], &3u32.to_le_bytes()].concat();
    file.extend((tensors.len() as u64).to_le_bytes().into_iter().chain(count.to_le_bytes()));
    for (key, number) in numbers {
        file.extend([text(key), 4u32.to_le_bytes().to_vec(), number.to_le_bytes().to_vec()].concat());
    }
    for (key, said) in texts {
        file.extend([text(key), 8u32.to_le_bytes().to_vec(), text(said)].concat());
    }
    let tokens: Vec<u8> = ["a", "b", "c", "d"].into_iter().flat_map(text).collect();
    let list = [9u32.to_le_bytes(), 8u32.to_le_bytes()].concat();
    file.extend([text("tokenizer.ggml.tokens"), list, 4u64.to_le_bytes().to_vec(), tokens].concat());
    for (name, sides) in tensors {
        let sides_count = (sides.len() as u32).to_le_bytes().to_vec();
        let sides = sides.iter().flat_map(|side| side.to_le_bytes()).collect();
        file.extend([text(name), sides_count, sides, vec![0; 12]].concat());
    }
    file
}

#[test]
fn a_gguf_that_was_never_loaded_is_described_by_its_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let file = gguf(
        &[
            ("qwen3moe.context_length", 40_960),
            ("qwen3moe.block_count", 3),
            ("qwen3moe.embedding_length", 64),
            ("qwen3moe.attention.head_count", 4),
            ("qwen3moe.attention.head_count_kv", 2),
            ("qwen3moe.attention.key_length", 32),
            ("qwen3moe.expert_count", 8),
            ("qwen3moe.expert_used_count", 2),
            ("general.file_type", 15),
        ],
        &[("general.architecture", "qwen3moe"), ("tokenizer.chat_template", "{{ tools }}<think>")],
        &[("token_embd.weight", &[64, 4]), ("blk.0.ffn_up_exps.weight", &[64, 16, 8])],
    );
    fs::write(folder.path().join("model.gguf"), &file).unwrap();
    let card = describe(&"m".into(), folder.path()).unwrap();
    assert_eq!((card.architecture.as_str(), card.quantisation.as_str()), ("qwen3_moe", "Q4_K_M"));
    assert_eq!((card.context_tokens, card.vocabulary), (40_960, 4));
    assert_eq!(card.kv_bytes_per_token, 3 * 2 * 2 * 32 * config::KV_NUMBER_BYTES);
    assert_eq!((card.parameters, card.active_parameters), (256 + 8192, 256 + 2048));
    assert!(card.tools && card.thinking);
    assert_eq!(card.weight_bytes, file.len() as u64);
    for length in 0..file.len() {
        fs::write(folder.path().join("model.gguf"), &file[..length]).unwrap();
        let card = describe(&"m".into(), folder.path()).unwrap();
        assert_eq!((card.parameters, card.context_tokens), (0, 0), "cut at {length}");
    }
    for at in 0..file.len() {
        let mut wrong = file.clone();
        wrong[at] = 0xff;
        fs::write(folder.path().join("model.gguf"), &wrong).unwrap();
        let _ = describe(&"m".into(), folder.path());
    }
}

#[test]
fn garbage_is_described_as_unknown() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(describe(&"m".into(), folder.path()), None);
    for config in [
        "",
        "[]",
        "{\"num_hidden_layers\":-1}",
        "{\"hidden_size\":18446744073709551615,\"num_attention_heads\":0,\"num_hidden_layers\":9}",
    ] {
        fs::write(folder.path().join("config.json"), config).unwrap();
        for weights in
            [&b""[..], &[255; 16], &16u64.to_le_bytes(), &safetensors(&[("a", "F32", &[u64::MAX, 9], 4)])]
        {
            fs::write(folder.path().join("model.safetensors"), weights).unwrap();
            if let Some(card) = describe(&"m".into(), folder.path()) {
                assert_eq!((card.parameters, card.kv_bytes_per_token), (0, 0), "{config}");
            }
        }
    }
}
