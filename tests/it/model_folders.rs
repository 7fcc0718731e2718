//! Model folders that are broken: each is refused in words that name the file, and none hangs.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pomona_tests::{Launch, build};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{FAILING_START, turn};

/// What a model that cannot be served ends with.
const UNAVAILABLE: i32 = 69;

/// A copy of the built-in model, called `orchard`.
fn copy() -> Result<TempDir> {
    let folder = TempDir::new()?;
    let model = folder.path().join("orchard");
    std::fs::create_dir(&model)?;
    let source = build::root().join("engine/sprout/model");
    for entry in std::fs::read_dir(&source).with_context(|| format!("{}", source.display()))? {
        let entry = entry?;
        std::fs::copy(entry.path(), model.join(entry.file_name()))?;
    }
    Ok(folder)
}

fn launch(folder: &TempDir) -> Launch {
    let model = folder.path().join("orchard").display().to_string();
    Launch::default().argument("--model").argument(model).set("restart.max_attempts", 1)
}

/// The broken folder ends the start with these words.
async fn check_refused(break_it: impl FnOnce(&Path) -> Result<()>, words: &[&str]) -> Result<()> {
    let folder = copy()?;
    break_it(&folder.path().join("orchard"))?;
    let ended = launch(&folder).run_to_end(FAILING_START).await?;
    ensure!(ended.code == Some(UNAVAILABLE), "{ended:?}");
    for word in words {
        ensure!(ended.stderr.contains(word), "no `{word}` in: {}", ended.stderr);
    }
    ensure!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    Ok(())
}

fn change_json(path: &Path, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    change(&mut value);
    Ok(std::fs::write(path, value.to_string())?)
}

#[tokio::test]
async fn a_whole_copy_is_served_under_the_name_of_its_folder() -> Result<()> {
    let folder = copy()?;
    let pomona = launch(&folder).start().await?;
    let mut body = turn("hello", 1, 4);
    body["model"] = json!("orchard");
    let (status, answer) = pomona.api.chat(&body).await?;
    ensure!(status == 200, "{answer}");
    Ok(())
}

#[tokio::test]
async fn truncated_weights_are_refused_by_name() -> Result<()> {
    let cut = |model: &Path| {
        let file = OpenOptions::new().write(true).open(model.join("model.safetensors"))?;
        Ok(file.set_len(file.metadata()?.len() / 2)?)
    };
    check_refused(cut, &["model.safetensors"]).await
}

#[tokio::test]
async fn a_header_of_absurd_size_is_refused_without_reserving_it() -> Result<()> {
    let claim = |model: &Path| {
        let mut file = OpenOptions::new().write(true).open(model.join("model.safetensors"))?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file.write_all(&(1u64 << 60).to_le_bytes())?)
    };
    check_refused(claim, &["model.safetensors"]).await
}

#[tokio::test]
async fn a_missing_file_is_named() -> Result<()> {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        check_refused(|model| Ok(std::fs::remove_file(model.join(name))?), &[name]).await.context(name)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_named() -> Result<()> {
    check_refused(|model| Ok(std::fs::remove_dir_all(model)?), &["orchard"]).await
}

#[tokio::test]
async fn weights_of_another_shape_than_the_description_are_refused_with_the_tensor() -> Result<()> {
    let widen = |model: &Path| {
        change_json(&model.join("config.json"), |config| {
            let wide = config["intermediate_size"].as_u64().unwrap_or(1) * 2;
            config["intermediate_size"] = json!(wide);
        })
    };
    check_refused(widen, &["mlp"]).await
}

#[tokio::test]
async fn a_tokenizer_that_knows_more_tokens_than_the_model_is_refused() -> Result<()> {
    let extend = |model: &Path| {
        change_json(&model.join("tokenizer.json"), |tokenizer| {
            let added = json!({
                "id": 1_000_000, "content": "<|beyond|>", "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true
            });
            if let Some(tokens) = tokenizer["added_tokens"].as_array_mut() {
                tokens.push(added);
            }
            for id in 0..4096 {
                tokenizer["model"]["vocab"][format!("beyond-{id}")] = json!(900_000 + id);
            }
        })
    };
    check_refused(extend, &["tokenizer"]).await
}

#[tokio::test]
async fn a_file_that_is_no_json_is_refused_by_name() -> Result<()> {
    for name in ["config.json", "tokenizer.json"] {
        check_refused(|model| Ok(std::fs::write(model.join(name), "{\"a\": [")?), &[name])
            .await
            .context(name)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_chat_template_that_does_not_end_fails_the_turn_and_not_the_service() -> Result<()> {
    let folder = copy()?;
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}\
                  {% endfor %}{% endfor %}{% endfor %}";
    std::fs::write(folder.path().join("orchard/chat_template.jinja"), nested)?;
    change_json(&folder.path().join("orchard/tokenizer_config.json"), |config| {
        if let Some(config) = config.as_object_mut() {
            config.remove("chat_template");
        }
    })?;
    let pomona = launch(&folder).start().await?;
    let mut body = turn("hello", 1, 4);
    body["model"] = json!("orchard");
    let asked = Instant::now();
    let (status, answer) = pomona.api.chat(&body).await?;
    ensure!(status == 400 && answer["error"]["code"] == "chat_template_failed", "{status} {answer}");
    ensure!(asked.elapsed() < Duration::from_secs(10), "took {:?}", asked.elapsed());
    ensure!(pomona.api.get("/readyz").await?.0 == 200);
    Ok(())
}
