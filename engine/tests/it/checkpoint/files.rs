//! Weight files that lie: each is refused with its name, never with a panic.

use pomona_engine::checkpoint::{Dtype, LoadError};
use proptest::prelude::*;
use safetensors::tensor::Dtype as FileDtype;
use serde_json::json;

use super::folder::{Folder, file, tensors, weights};

fn refusal_of_weights(bytes: &[u8]) -> String {
    let folder = Folder::new();
    folder.write("model.safetensors", bytes);
    folder.refusal()
}

fn check(bytes: &[u8], parts: &[&str]) {
    let message = refusal_of_weights(bytes);
    for part in parts {
        assert!(message.contains(part), "{message:?} should mention {part:?}");
    }
}

#[test]
fn a_good_folder_opens() {
    let checkpoint = Folder::new().open().unwrap();
    let tensor = checkpoint.tensor("model.embed_tokens.weight").unwrap();
    assert_eq!((tensor.dtype, tensor.shape, tensor.bytes.len()), (Dtype::F32, [10, 8].as_slice(), 320));
    assert_eq!(checkpoint.parameters(), 80 + 3 * 8 + 2 * 64 + 2 * 32 + 3 * 96);
}

#[test]
fn a_file_cut_short_is_refused_with_both_lengths() {
    let whole = weights(&tensors());
    let cut = &whole[..whole.len() - 1];
    check(cut, &["model.safetensors", &whole.len().to_string(), &cut.len().to_string()]);
    check(&[whole, vec![0]].concat(), &["expected"]);
    check(&[], &["0 bytes"]);
    check(&[1, 2, 3], &["3 bytes"]);
}

#[test]
fn a_header_longer_than_the_file_is_refused() {
    for length in [1u64 << 60, u64::MAX, 9] {
        let bytes = [length.to_le_bytes().as_slice(), b"{}"].concat();
        check(&bytes, &["header", &length.to_string(), "at most 2"]);
    }
}

#[test]
fn a_header_that_is_no_list_of_tensors_is_refused() {
    for header in ["", "{", "[]", "\u{7f}", r#"{"a": 1}"#, r#"{"a": {"dtype": "F32"}}"#] {
        check(&file(header, 0), &["model.safetensors", "not the expected JSON"]);
    }
    let negative = r#"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}"#;
    check(&file(negative, 4), &["`a`"]);
}

#[test]
fn tensors_that_overlap_or_leave_holes_are_refused() {
    for second in ["[0, 4]", "[2, 6]", "[5, 9]"] {
        let header = format!(
            r#"{{"a": {{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
                 "b": {{"dtype": "F32", "shape": [1], "data_offsets": {second}}}}}"#
        );
        check(&file(&header, 9), &["tensor `b`", "a start at 4"]);
    }
}

#[test]
fn a_tensor_whose_size_does_not_match_its_shape_is_refused() {
    let header = |shape: &str, end: &str| {
        format!(r#"{{"a": {{"dtype": "BF16", "shape": {shape}, "data_offsets": [0, {end}]}}}}"#)
    };
    check(&file(&header("[3]", "4"), 4), &["tensor `a`", "6 bytes", "BF16"]);
    check(&file(&header("[4294967296, 4294967296, 16]", "4"), 4), &["more than 2^64"]);
    check(&file(&header("[9223372036854775807]", "18446744073709551614"), 4), &["expected"]);
    check(&file(&header("[1,1,1,1,1,1,1,1,2]", "4"), 4), &["9 dimensions"]);
}

#[test]
fn a_missing_tensor_is_named() {
    for name in tensors().keys() {
        let mut tensors = tensors();
        tensors.remove(name);
        check(&weights(&tensors), &[name, "missing"]);
    }
}

#[test]
fn a_wrong_shape_is_named_with_the_right_one() {
    let mut tensors = tensors();
    tensors.insert("model.layers.0.mlp.up_proj.weight".to_owned(), (FileDtype::F32, vec![8, 12]));
    check(&weights(&tensors), &["mlp.up_proj", "[8, 12]", "expected [12, 8]"]);
}

#[test]
fn a_type_that_cannot_be_used_is_named() {
    for (dtype, name) in [(FileDtype::I32, "I32"), (FileDtype::F64, "F64"), (FileDtype::F8_E4M3, "F8_E4M3")] {
        let mut tensors = tensors();
        tensors.insert("model.norm.weight".to_owned(), (dtype, vec![8]));
        check(&weights(&tensors), &["model.norm.weight", name, "F32, F16 or BF16"]);
    }
    let mut tensors = tensors();
    tensors.insert("unused".to_owned(), (FileDtype::I64, vec![3]));
    let folder = Folder::new();
    folder.write("model.safetensors", &weights(&tensors));
    assert!(folder.open().is_ok(), "a tensor that nobody needs may have any type");
}

#[test]
fn a_missing_file_is_named() {
    let folder = Folder::new();
    std::fs::remove_file(folder.path("model.safetensors")).unwrap();
    assert!(folder.refusal().contains("model.safetensors"));
    let empty = tempfile::tempdir().unwrap();
    let error = pomona_engine::checkpoint::Checkpoint::open(empty.path()).unwrap_err();
    assert!(error.to_string().contains("config.json"), "{error}");
}

/// The folder's weights in a file of any name, and an index that says so.
fn sharded(shard: &str, index: &str) -> Folder {
    let folder = Folder::new();
    std::fs::rename(folder.path("model.safetensors"), folder.path(shard)).unwrap();
    folder.write("model.safetensors.index.json", index.as_bytes());
    folder
}

fn index(file: &str) -> String {
    let names: serde_json::Map<_, _> = tensors().into_keys().map(|name| (name, json!(file))).collect();
    json!({"weight_map": names}).to_string()
}

#[test]
fn an_index_finds_tensors_in_its_files() {
    assert!(sharded("one.safetensors", &index("one.safetensors")).open().is_ok());
    let missing = sharded("one.safetensors", &index("two.safetensors")).refusal();
    assert!(missing.contains("two.safetensors"), "{missing}");
    let wrong = sharded("one.safetensors", &json!({"weight_map": {"b": "one.safetensors"}}).to_string());
    assert!(wrong.refusal().contains("model.embed_tokens.weight` is missing"));
}

#[test]
fn an_index_may_not_point_out_of_the_folder() {
    for outside in ["../one.safetensors", "/etc/passwd", "a/one.safetensors", "..", ".", "", "a\\b"] {
        let error = sharded("one.safetensors", &index(outside)).open().unwrap_err();
        assert!(matches!(&error, LoadError::OutsideFolder { found, .. } if found == outside), "{error}");
    }
}

#[test]
fn an_index_that_is_no_index_is_refused() {
    for text in ["{}", "[]", "nonsense", r#"{"weight_map": 3}"#, r#"{"weight_map": {"a": 3}}"#] {
        let message = sharded("one.safetensors", text).refusal();
        assert!(message.contains("model.safetensors.index.json"), "{message}");
    }
}

proptest! {
    #[test]
    fn no_damage_to_a_file_makes_us_panic(
        places in proptest::collection::vec((0usize..1400, any::<u8>()), 1..4),
        length in 0usize..3000,
    ) {
        let mut bytes = weights(&tensors());
        for (place, byte) in places {
            let last = bytes.len() - 1;
            bytes[place.min(last)] = byte;
        }
        bytes.truncate(bytes.len().min(length + 800));
        let folder = Folder::new();
        folder.write("model.safetensors", &bytes);
        let _ = folder.open();
    }
}
