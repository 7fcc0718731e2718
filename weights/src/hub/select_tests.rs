//! Which files of real repositories' layouts are taken.

use super::*;
use crate::hub::FileHash;

fn select_names(names: &[&str], pattern: Option<&str>) -> Result<Vec<String>, SelectError> {
    let file = |name: &&str| HubFile {
        path: (*name).to_owned(),
        bytes: 1,
        hash: FileHash::Sha256(crate::Digest::of(name.as_bytes())),
    };
    let files: Vec<HubFile> = names.iter().map(file).collect();
    Ok(select(&files, pattern)?.files.into_iter().map(|file| file.path).collect())
}

#[test]
fn what_serving_needs_is_taken_and_nothing_else() {
    let taken = select_names(
        &[
            "README.md",
            "LICENSE",
            "config.json",
            "generation_config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "pytorch_model.bin",
            "original/consolidated.00.pth",
            "onnx/model.onnx",
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
            "flax_model.msgpack",
            "images/cat.png",
        ],
        None,
    );
    assert_eq!(
        taken.unwrap(),
        [
            "LICENSE",
            "chat_template.jinja",
            "config.json",
            "generation_config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ]
    );
}

#[test]
fn the_same_weights_are_not_taken_twice() {
    let taken = select_names(
        &[
            "adapter_model.safetensors",
            "config.json",
            "consolidated.safetensors",
            "consolidated.safetensors.index.json",
            "model.safetensors",
            "model.Q4_K_M.gguf",
        ],
        None,
    );
    assert_eq!(taken.unwrap(), ["config.json", "model.safetensors"]);
    assert_eq!(select_names(&["consolidated.safetensors"], None).unwrap(), ["consolidated.safetensors"]);
}

#[test]
fn heads_of_embedding_models_and_processors_come_along() {
    let names = [
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "2_Dense/pytorch_model.bin",
        "config.json",
        "model.safetensors",
        "modules.json",
        "preprocessor_config.json",
    ];
    let taken = select_names(&names, None).unwrap();
    assert_eq!(taken.len(), names.len() - 1, "{taken:?}");
}

#[test]
fn one_gguf_is_taken_and_of_several_the_usual_one() {
    assert_eq!(select_names(&["a.gguf", "README.md"], None).unwrap(), ["a.gguf"]);
    let several = ["m-Q8_0.gguf", "m-q4_k_m.gguf", "m-Q2_K.gguf", "mmproj-m-f16.gguf", "config.json"];
    assert_eq!(select_names(&several, None).unwrap(), ["config.json", "m-q4_k_m.gguf"]);
    assert_eq!(select_names(&several, Some("*q8_0*")).unwrap(), ["config.json", "m-Q8_0.gguf"]);
    let error = select_names(&["m-Q8_0.gguf", "m-Q2_K.gguf"], None).unwrap_err();
    assert!(matches!(error, SelectError::Several { .. }) && error.to_string().contains("--file"), "{error}");
    let error = select_names(&several, Some("*Q9*")).unwrap_err();
    assert!(matches!(&error, SelectError::NoMatch { has, .. } if has.contains("m-Q2_K.gguf")), "{error}");
}

#[test]
fn a_gguf_in_parts_is_taken_whole() {
    let parts = ["Q4_K_M/m-Q4_K_M-00001-of-00002.gguf", "Q4_K_M/m-Q4_K_M-00002-of-00002.gguf", "m-Q8_0.gguf"];
    assert_eq!(select_names(&parts, None).unwrap(), parts[..2]);
    assert_eq!(
        select_names(&parts[1..], None),
        Err(SelectError::Parts { name: "Q4_K_M/m-Q4_K_M".to_owned(), has: 1, of: 2 })
    );
}

#[test]
fn a_repository_without_weights_says_what_it_has() {
    let error = select_names(&["pytorch_model.bin", "config.json"], None).unwrap_err();
    assert_eq!(error, SelectError::NoWeights { has: ".bin, .json".to_owned() });
    assert!(matches!(select_names(&[], None), Err(SelectError::NoWeights { .. })));
}

#[test]
fn a_pattern_is_stars_and_question_marks() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("", "a", false),
        ("a*c", "abbc", true),
        ("a*c", "abcb", false),
        ("*q4*", "x-Q4_K.gguf", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("**a**b", "xaxb", true),
        ("é*", "ÉTÉ", true),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
}
