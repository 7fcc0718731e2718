//! GGUF files as models: tokenizer and template out of their metadata, cards, and what is wrong with a file.

use std::path::{Path, PathBuf};

use pomona_engine::checkpoint::{Checkpoint, LoadError};
use pomona_engine::template::{ChatTemplate, Conversation};
use pomona_engine::tokenizer::Tokenizer;
use pomona_protocol::{Message, Part, Role};
use serde_json::Value;

const FILES: [&str; 3] = ["gguf-llama", "gguf-32", "gguf-256"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn token_ids_are_those_of_llama_cpp() {
    for name in FILES {
        let tokenizer = Tokenizer::open(&folder(name), 320).unwrap();
        let expected = std::fs::read_to_string(folder(name).join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        for case in expected["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            assert_eq!(tokenizer.encode_rendered(text).unwrap(), ids(&case["ids"]), "{name}, {text:?}");
            assert_eq!(tokenizer.encode_text(text).unwrap(), ids(&case["with_start"]), "{name}, {text:?}");
        }
    }
}

#[test]
fn the_file_itself_is_as_good_as_its_folder() {
    for name in FILES {
        for path in [folder(name), folder(name).join("model.gguf")] {
            let checkpoint = Checkpoint::open(&path).unwrap();
            assert_eq!(checkpoint.eos_token_ids, [2]);
            let template = ChatTemplate::open(&path);
            let message = Message { role: Role::User, parts: vec![Part::Text("hi".to_owned())] };
            assert_eq!(template.render(&Conversation::new(&[message])).unwrap(), "<s>hi");
        }
    }
    let card = Checkpoint::open(&folder("gguf-256")).unwrap().card("tiny".into());
    assert_eq!((card.architecture.as_str(), card.dtype.as_str()), ("qwen2", "q6_k"));
}

#[test]
fn a_file_that_is_cut_is_refused_with_its_name() {
    let whole = std::fs::read(folder("gguf-32").join("model.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    for length in [0, 3, 20, 500, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Checkpoint::open(folder.path()).unwrap_err();
        assert!(matches!(error, LoadError::Gguf { .. }), "{length}: {error}");
        assert!(error.to_string().contains("cut.gguf"), "{error}");
        assert!(Tokenizer::open(&path, 320).is_err() || length > 500, "{length}");
    }
}
