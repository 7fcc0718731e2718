//! A model that sees, for flows with pictures: the tiny Gemma 3 of the engine's tests with a tokenizer and a chat
//! template of its own. Its weights are random, so it answers with letters and words in no order.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

const FIXTURE: &str = "engine/fixtures/gemma3-vision";
/// What clients call it.
const NAME: &str = "seer";
/// Rows of its embedding; each is a token.
const VOCABULARY: usize = 150;
/// Where its configuration has the beginning, the end and the places of a picture.
const PICTURE_WORDS: [(usize, &str); 3] =
    [(138, "<start_of_image>"), (139, "<end_of_image>"), (140, "<image_soft_token>")];
const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}\
    {% else %}{% for part in m.content %}{% if part.type == 'image' %}<start_of_image>{% else %}{{ part.text }}\
    {% endif %}{% endfor %}{% endif %}\n{% endfor %}assistant:";
/// What is left of the vocabulary behind the letters.
const WORDS: &str = "a an the and of in on is it with red green blue yellow white black small large round apple pear plum \
    quince medlar tree leaf bough root seed bloom garden orchard sky sun rain wind hill field basket ladder bee \
    bird warm cold old young near far";

/// Writes it into `folder` and returns where it is.
pub(super) fn make(root: &Path, folder: &Path) -> Result<PathBuf> {
    let model = folder.join(NAME);
    fs::create_dir_all(&model).with_context(|| format!("{} cannot be made", model.display()))?;
    for file in ["config.json", "model.safetensors"] {
        fs::copy(root.join(FIXTURE).join(file), model.join(file))
            .with_context(|| format!("{FIXTURE}/{file}"))?;
    }
    fs::write(model.join("tokenizer.json"), tokenizer().to_string())?;
    let config = json!({"bos_token": "<bos>", "eos_token": "<eos>", "chat_template": TEMPLATE});
    fs::write(model.join("tokenizer_config.json"), config.to_string())?;
    Ok(model)
}

/// Every letter of ASCII is a token; words stand behind them, and are never made of a text.
fn tokenizer() -> Value {
    let special = |id: usize, content: &str| {
        json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false})
    };
    let specials: Vec<(usize, &str)> =
        [(0, "<pad>"), (1, "<bos>"), (2, "<eos>")].into_iter().chain(PICTURE_WORDS).collect();
    let mut vocabulary: Map<String, Value> =
        specials.iter().map(|&(id, content)| (content.to_owned(), id.into())).collect();
    // A space and a line break as the alphabet of bytes writes them.
    let letters =
        (33u8..=126).map(|byte| char::from(byte).to_string()).chain(["Ġ".to_owned(), "Ċ".to_owned()]);
    let words = WORDS.split_whitespace().map(|word| format!("Ġ{word}"));
    let free = (0..VOCABULARY).filter(|id| specials.iter().all(|(taken, _)| taken != id));
    vocabulary.extend(letters.chain(words).zip(free).map(|(token, id)| (token, id.into())));
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0",
        "added_tokens": specials.iter().map(|&(id, content)| special(id, content)).collect::<Vec<_>>(),
        "pre_tokenizer": bytes,
        "decoder": bytes,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_token() {
        let tokenizer = tokenizer();
        let vocabulary = tokenizer["model"]["vocab"].as_object().unwrap();
        let mut ids: Vec<u64> = vocabulary.values().filter_map(Value::as_u64).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..VOCABULARY as u64).collect::<Vec<_>>());
        for (id, content) in PICTURE_WORDS {
            assert_eq!(vocabulary[content], id);
        }
    }
}
