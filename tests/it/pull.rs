//! A model from a hub to an answer: pulled beside a running gateway, asked without a restart, verified, removed. And
//! a pull that is killed in the middle.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_protocol::blob::PIECE_BYTES;
use pomona_tests::{Ended, Launch, Pomona, build, system};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::fake_hub::{FakeHub, Trick};
use crate::support::{eventually, turn};

/// For a command that moves ten megabytes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A hub that has the built-in model.
pub(crate) async fn hub() -> Result<FakeHub> {
    let mut files = vec![("README.md".to_owned(), b"# a model".to_vec())];
    for entry in std::fs::read_dir(build::root().join("engine/sprout/model"))? {
        let entry = entry?;
        files.push((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?));
    }
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    Ok(FakeHub::start(&files).await)
}

fn command(home: &Path, hub: &FakeHub, arguments: &[&str]) -> Launch {
    let endpoint = format!("HF_ENDPOINT={}", hub.url());
    Launch::command(arguments).home(home).through(&["env", &endpoint, "HF_TOKEN=hf_sesame", "NO_PROXY=*"])
}

async fn run(home: &Path, hub: &FakeHub, arguments: &[&str]) -> Result<Ended> {
    command(home, hub, arguments).run_to_end(LIMIT).await
}

/// The events of `--json`.
fn events(printed: &str) -> Vec<Value> {
    printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn answers(pomona: &Pomona, model: &str) -> Result<(u16, Value)> {
    let mut body = turn("hello", 1, 4);
    body["model"] = json!(model);
    pomona.api.chat(&body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_pulled_asked_and_removed_without_a_restart() -> Result<()> {
    let hub = hub().await?;
    let pomona = Launch::default().start().await?;
    let home = pomona.home().to_owned();
    let pulled = run(&home, &hub, &["models", "pull", "garden/quince"]).await?;
    ensure!(pulled.code == Some(0) && pulled.stdout.contains("quince is here"), "{pulled:?}");
    ensure!(!format!("{pulled:?}").contains("sesame"), "the token is shown");
    let (status, body) = pomona.api.get_json("/v1/models").await?;
    let card = |body: &Value, id: &str| {
        let models = body["data"].as_array().cloned().unwrap_or_default();
        models.into_iter().find(|model| model["id"] == id).map(|model| model["pomona"].clone())
    };
    let quince = card(&body, "quince").with_context(|| format!("{status} {body}"))?;
    ensure!(quince["loaded"] == false && quince["architecture"] == "llama", "{quince}");
    ensure!(
        quince["kv_bytes_per_token"] == card(&body, "sprout").context("no sprout")?["kv_bytes_per_token"]
    );
    let (status, body) = answers(&pomona, "quince").await?;
    ensure!(status == 200, "{status} {body}");
    let listed = run(&home, &hub, &["models", "ls", "--json"]).await?;
    let rows: Value = serde_json::from_str(&listed.stdout).with_context(|| format!("{listed:?}"))?;
    let row =
        rows.as_array().and_then(|rows| rows.iter().find(|row| row["id"] == "quince")).context("no row")?;
    ensure!(row["loaded"].as_array().is_some_and(|nodes| nodes.len() == 1), "{row}");
    let shown = run(&home, &hub, &["models", "show", "quince"]).await?;
    ensure!(shown.stdout.contains("llama") && shown.stdout.contains("garden/quince@main"), "{shown:?}");
    let verified = run(&home, &hub, &["models", "verify", "quince"]).await?;
    ensure!(verified.code == Some(0) && verified.stdout.contains("is whole"), "{verified:?}");
    let refused = run(&home, &hub, &["models", "rm", "quince"]).await?;
    ensure!(refused.code == Some(69) && refused.stderr.contains("--force"), "{refused:?}");
    let removed = run(&home, &hub, &["models", "rm", "quince", "--force"]).await?;
    ensure!(removed.code == Some(0) && !home.join("data/models/quince").exists(), "{removed:?}");
    eventually("it is offered no more", LIMIT, async || {
        Ok(card(&pomona.api.get_json("/v1/models").await?.1, "quince").is_none())
    })
    .await?;
    let (status, body) = answers(&pomona, "quince").await?;
    ensure!(status == 503 && body.to_string().contains("removed"), "{status} {body}");
    ensure!(hub.asked().iter().all(|asked| asked.authorization.as_deref() == Some("Bearer hf_sesame")));
    ensure!(!pomona.printed().contains("sesame"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_was_killed_goes_on_where_it_was() -> Result<()> {
    let hub = hub().await?;
    let home = tempfile::TempDir::new()?;
    hub.play("model.safetensors", Trick::Slow(Duration::from_millis(60)), u32::MAX);
    let pull = ["models", "pull", "garden/quince", "--json"];
    let running = command(home.path(), &hub, &pull).spawn()?;
    eventually("a piece of the weights is on the disk", LIMIT, async || {
        let taken = |event: &Value| event["bytes_done"].as_u64() >= Some(PIECE_BYTES);
        Ok(events(&running.printed()).iter().any(taken))
    })
    .await?;
    system::signal(running.pid(), Signal::KILL)?;
    running.ended(LIMIT).await?;
    ensure!(!home.path().join("data/models/quince").exists(), "half a model is in its place");
    hub.behave();
    let again = run(home.path(), &hub, &pull).await?;
    ensure!(again.code == Some(0), "{again:?}");
    let events = events(&again.stdout);
    let done = events
        .iter()
        .find(|event| event["event"] == "selected")
        .and_then(|event| event["bytes_done"].as_u64());
    ensure!(done >= Some(PIECE_BYTES), "nothing was gone on with: {events:?}");
    let weights = std::fs::read(home.path().join("data/models/quince/model.safetensors"))?;
    ensure!(weights == std::fs::read(build::root().join("engine/sprout/model/model.safetensors"))?);
    Ok(())
}

#[tokio::test]
async fn a_pull_that_cannot_be_says_why_and_leaves_nothing() -> Result<()> {
    let hub = hub().await?;
    let home = tempfile::TempDir::new()?;
    for (arguments, code, word) in [
        (&["models", "pull", "../etc"][..], 64, "names no repository"),
        (&["models", "pull", "a/b", "--as", "../x"], 1, "no folder name"),
        (&["models", "pull", "a/b", "--file", "*.nothing"], 1, "no file of it fits"),
        (&["models", "rm", "quince"], 1, "no model"),
        (&["models", "verify", "quince"], 1, "no model"),
    ] {
        let ended = run(home.path(), &hub, arguments).await?;
        ensure!(ended.code == Some(code) && ended.stderr.contains(word), "{arguments:?}: {ended:?}");
    }
    let plain = Launch::command(&["models", "pull", "a/b"])
        .home(home.path())
        .through(&["env", "HF_ENDPOINT=http://8.8.8.8"])
        .run_to_end(LIMIT)
        .await?;
    ensure!(plain.code == Some(78) && plain.stderr.contains("https"), "{plain:?}");
    ensure!(!home.path().join("data/models/b").exists());
    Ok(())
}
