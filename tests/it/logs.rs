//! Logs hold no word of a conversation and no key, and the service does not depend on them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::script::answer;
use pomona_tests::{Launch, Pomona, Socket};
use serde_json::json;

use crate::support::{scripted, turn};

const SECRET: &str = "quincunx-marmalade-7319";

/// Every way to say something, right and wrong.
async fn say_everything(pomona: &Pomona) -> Result<String> {
    let body = turn(&format!("remember {SECRET} well"), 9, 24);
    let (status, whole) = pomona.api.chat(&body).await?;
    ensure!(status == 200, "{whole}");
    pomona.api.stream(&body).await?.check_complete()?;
    let mut socket = Socket::connect(&pomona.api).await?;
    socket.ask("turn", &body).await?.check_complete()?;
    socket.send_text(&format!("{{\"type\": \"{SECRET}\"}}")).await?;
    socket.send_text(SECRET).await?;
    let wrong = [
        json!({"model": SECRET, "messages": [{"role": "user", "content": SECRET}]}),
        json!({"model": "sprout", "messages": SECRET}),
        json!({"model": "sprout", "messages": [{"role": SECRET, "content": SECRET}]}),
        json!({"model": "sprout", "messages": [], "stop": SECRET, "temperature": 99}),
        json!(SECRET),
    ];
    for body in &wrong {
        let (status, _) = pomona.api.chat(body).await?;
        ensure!((400..500).contains(&status), "{status} for {body}");
    }
    let mut thief = pomona.api.clone();
    thief.key = format!("{SECRET}-key");
    ensure!(thief.chat(&body).await?.0 == 401);
    say_elsewhere(pomona).await?;
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
    ensure!(!text.is_empty(), "{whole}");
    Ok(text)
}

/// The other dialects, sessions, paths, queries and headers.
async fn say_elsewhere(pomona: &Pomona) -> Result<()> {
    let said = format!("tell me of {SECRET}");
    let posts = [
        ("/v1/responses", json!({"model": "sprout", "input": said, "max_output_tokens": 4})),
        (
            "/v1/messages",
            json!({"model": "sprout", "max_tokens": 4, "messages": [{"role": "user", "content": said}]}),
        ),
        ("/v1/chat", json!({"message": said, "password": SECRET})),
        ("/v1/completions", json!({"model": "sprout", "prompt": said, "max_tokens": 4})),
        ("/v1/embeddings", json!({"model": "sprout", "input": said})),
        ("/v3/sessions", json!({"title": SECRET, "tags": [SECRET]})),
        ("/admin/tokens", json!({"role": SECRET})),
        ("/admin/models/sprout/load", json!({"node": SECRET})),
    ];
    for (path, body) in posts {
        pomona.api.send(reqwest::Method::POST, path, &body).await?;
    }
    for path in [
        format!("/v1/models/{SECRET}"),
        format!("/{SECRET}?{SECRET}={SECRET}"),
        format!("/admin/nodes/{SECRET}"),
        format!("/admin/logs?text={SECRET}&turn={SECRET}&actor={SECRET}"),
        format!("/v3/events?topics={SECRET}"),
    ] {
        let request = pomona.api.request(reqwest::Method::GET, &path);
        let request = request.header("cookie", SECRET).header("x-api-key", SECRET).header("referer", SECRET);
        request.send().await?.text().await?;
    }
    Ok(())
}

fn check_silent(what: &str, text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        let found = text.lines().find(|line| line.contains(word));
        ensure!(found.is_none(), "{what} holds `{word}`: {found:?}");
    }
    Ok(())
}

fn check_files(folder: &Path, words: &[&str]) -> Result<u32> {
    let mut logs = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            logs += check_files(&path, words)?;
        } else if path.is_file() && path.file_name().is_some_and(|name| !holds_words(&name.to_string_lossy()))
        {
            let bytes = std::fs::read(&path)?;
            logs += u32::from(path.to_string_lossy().contains("log"));
            check_silent(&path.display().to_string(), &String::from_utf8_lossy(&bytes), words)?;
        }
    }
    Ok(logs)
}

/// What the API says of logs, turns and notices.
async fn asked(pomona: &Pomona) -> Result<Vec<(&'static str, String)>> {
    let mut asked = Vec::new();
    for path in [
        "/admin/logs?level=trace&limit=10000",
        "/admin/logs?level=trace&download=true",
        "/admin/fleet",
        "/admin/notifications",
    ] {
        let (status, text) = pomona.api.get(path).await?;
        ensure!(status == 200 && text.len() > 10, "{path}: {status} {text}");
        asked.push((path, text));
    }
    // What is silent proves nothing unless the log speaks of what was done.
    for word in ["\"level\":\"debug\"", "turn ended", "/v1/embeddings", "/v3/events"] {
        ensure!(asked[0].1.contains(word), "the log at trace level has no `{word}`: {}", asked[0].1);
    }
    Ok(asked)
}

/// The key's file, and the store, which is there to keep conversations.
fn holds_words(name: &str) -> bool {
    name == "key" || name.starts_with("store.db")
}

async fn check_privacy(launch: Launch) -> Result<()> {
    let pomona = launch.set("log.level", "trace").start().await?;
    let key = pomona.api.key.clone();
    let text = say_everything(&pomona).await?;
    let asked = asked(&pomona).await?;
    let said: String = text.chars().take(30).collect();
    let (ended, home) = pomona.stop(Duration::from_secs(15)).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let home = home.context("the home is gone")?;
    let words = [SECRET, key.as_str(), said.trim()];
    for (what, answer) in &asked {
        check_silent(what, answer, &words)?;
    }
    check_silent("standard error", &ended.stderr, &words)?;
    check_silent("standard output", &ended.stdout, &words)?;
    let logs = check_files(home.path(), &words)?;
    ensure!(logs > 0, "no log file was found in the home");
    Ok(())
}

#[tokio::test]
async fn no_log_at_any_level_holds_a_prompt_an_answer_or_a_key() -> Result<()> {
    check_privacy(Launch::default()).await
}

#[tokio::test]
async fn no_log_of_a_failing_engine_holds_a_prompt_an_answer_or_a_key() -> Result<()> {
    let state = tempfile::TempDir::new()?;
    let file = state.path().join("faults");
    check_privacy(scripted(&format!("tokens=20 garbage=5 times=2 state={}", file.display()))).await
}

/// Writes beyond the limit fail as on a full disk once the signal that goes with them is ignored.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_service_goes_on_when_no_log_can_be_written() -> Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    let launch = scripted("tokens=20").set("log.level", "trace").through(&ignoring);
    let pomona = launch.start().await?;
    let pid = Pid::from_raw(pomona.pid() as i32).context("no process id")?;
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: Some(0), maximum: Some(0) })?;
    let mut socket = Socket::connect(&pomona.api).await?;
    for round in 0..50 {
        let seen = socket.ask(&round.to_string(), &turn("go", round, 100)).await?;
        seen.check_complete()?;
        ensure!(seen.text == answer(round, 20));
    }
    pomona.api.stream(&turn("go", 1, 100)).await?.check_complete()?;
    let (ended, _) = pomona.stop(Duration::from_secs(15)).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    Ok(())
}
