//! Thoughts, calls of tools and vectors over whole processes: every API says the same of one answer, and an engine that
//! dies in the middle of a call changes none of it.

use anyhow::{Context, Result, ensure};
use pomona_protocol::v3::{MarkBody, marks_of};
use pomona_protocol::{Said, said};
use pomona_tests::Api;
use pomona_tests::sessions::{self, create};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::scripted;

/// Four thoughts, four words, two calls of two tokens each.
const WORDS: &str = "tokens=8 thinks=4 calls=f,g";
const TOKENS: u32 = 12;

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}})
}

fn question(words: &str) -> Value {
    json!({
        "model": "sprout",
        "messages": [{"role": "user", "content": words}],
        "tools": [tool("f"), tool("g")],
        "seed": 5,
    })
}

/// What the deltas of a stream add up to: thoughts, text, and of each call name and arguments.
async fn streamed(api: &Api, body: &Value) -> Result<(String, String, Vec<(String, String)>)> {
    let text = api.open_stream(body).await?.text().await?;
    let (mut thoughts, mut said, mut calls) = (String::new(), String::new(), Vec::new());
    for line in text.lines().filter_map(|line| line.strip_prefix("data: {")) {
        let chunk: Value = serde_json::from_str(&format!("{{{line}"))?;
        ensure!(chunk.get("error").is_none(), "{chunk}");
        let delta = &chunk["choices"][0]["delta"];
        thoughts.push_str(delta["reasoning_content"].as_str().unwrap_or_default());
        said.push_str(delta["content"].as_str().unwrap_or_default());
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            if let Some(name) = call["function"]["name"].as_str() {
                ensure!(call["index"] == calls.len() && call["id"].is_string(), "{call}");
                calls.push((name.to_owned(), String::new()));
            }
            let last = calls.last_mut().context("arguments without a call")?;
            last.1.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
        }
    }
    Ok((thoughts, said, calls))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_api_says_the_same_of_thoughts_and_calls() -> Result<()> {
    let pomona = scripted("").start().await?;
    let api = &pomona.api;
    let (code, whole) = api.chat(&question(WORDS)).await?;
    ensure!(code == 200, "{whole}");
    let choice = &whole["choices"][0];
    let (message, arguments) = (&choice["message"], "{\"seed\": 5}");
    ensure!(choice["finish_reason"] == "tool_calls", "{choice}");
    ensure!(
        message["tool_calls"][1]["function"] == json!({"name": "g", "arguments": arguments}),
        "{message}"
    );
    let (thoughts, said, calls) = streamed(api, &question(WORDS)).await?;
    ensure!(message["reasoning_content"] == thoughts && message["content"] == said, "{message}");
    let named = |name: &str| (name.to_owned(), arguments.to_owned());
    ensure!(calls == [named("f"), named("g")], "{calls:?}");

    let (code, message) = api
        .send(
            Method::POST,
            "/v1/messages",
            &json!({"model": "sprout", "max_tokens": 100, "messages": [{"role": "user", "content": WORDS}]}),
        )
        .await?;
    ensure!(code == 200 && message["stop_reason"] == "tool_use", "{message}");
    let kinds: Vec<_> = message["content"].as_array().context("no content")?.iter().collect();
    let kinds: Vec<_> = kinds.iter().filter_map(|block| block["type"].as_str()).collect();
    ensure!(kinds == ["thinking", "text", "tool_use", "tool_use"], "{message}");

    let body = json!({"model": "sprout", "input": WORDS, "store": true});
    let (code, response) = api.send(Method::POST, "/v1/responses", &body).await?;
    ensure!(code == 200, "{response}");
    let id = response["id"].as_str().context("no id")?;
    let (_, again) = api.send(Method::GET, &format!("/v1/responses/{id}"), &json!({})).await?;
    ensure!(again["output"] == response["output"] && again["output"][3]["name"] == "g", "{again}");
    let call = again["output"][2]["call_id"].as_str().context("no call")?;
    let result = json!([{"type": "function_call_output", "call_id": call, "output": "21"}]);
    let body = json!({"model": "sprout", "input": result, "previous_response_id": id});
    let (code, next) = api.send(Method::POST, "/v1/responses", &body).await?;
    ensure!(code == 200 && next["status"] == "completed", "{next}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_loses_its_engine_at_any_token_reads_the_same() -> Result<()> {
    let pomona = scripted("").start().await?;
    let expected = streamed(&pomona.api, &question(WORDS)).await?;
    let folder = tempfile::tempdir()?;
    for token in 0..TOKENS {
        let state = folder.path().join(token.to_string());
        let words = format!("{WORDS} exit={token} state={}", state.display());
        let said = streamed(&pomona.api, &question(&words)).await?;
        ensure!(said == expected, "killed before token {token}: {said:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_keeps_thoughts_and_calls_and_hands_them_on() -> Result<()> {
    let pomona = scripted("").start().await?;
    let api = &pomona.api;
    let session = create(api, &json!({"seed": 5})).await?;
    let tools = json!([{"name": "f"}, {"name": "g", "parameters": {"type": "object"}}]);
    let body = json!({"input": WORDS, "tools": tools, "thinking": true, "effort": "low"});
    let (code, accepted) = sessions::submit(api, &session, &body).await?;
    ensure!(code == 202, "{accepted}");
    let turn = accepted["turn"].as_str().context("no turn")?.to_owned();
    let mut watcher = sessions::Watcher::new(api, &session);
    watcher.watch_surely(|watcher| watcher.has_ended(&turn)).await?;
    let (code, view) = api.send(Method::GET, &format!("/v3/sessions/{session}"), &json!({})).await?;
    ensure!(code == 200, "{view}");
    let shown = &view["turns"][0];
    let answer = shown["answer"].as_str().context("no answer")?;
    ensure!(answer == watcher.text(&turn), "{answer}");
    let bodies: Vec<MarkBody> = serde_json::from_value(shown["marks"].clone())?;
    let marks = marks_of(&bodies);
    let kinds: Vec<Said> = said::pieces(answer, &marks).map(|(kind, _)| kind.going_on()).collect();
    let call = |index| Said::Call { index, name: None };
    ensure!(kinds == [Said::Reasoning, Said::Text, call(0), call(1)], "{kinds:?}");

    let (_, export) = api.send(Method::GET, &format!("/v3/sessions/{session}/export"), &json!({})).await?;
    let (code, imported) = api.send(Method::POST, "/v3/sessions/import", &export).await?;
    ensure!(code == 201 && imported["turns"][0]["marks"] == shown["marks"], "{imported}");
    let call = format!("call_{}_0", turn.strip_prefix("turn_").context("no turn id")?);
    let answers = json!([{"role": "tool", "content": [{"type": "answers", "call": call}, {"type": "text", "text": "21"}]}]);
    let (code, next) = sessions::submit(api, &session, &json!({"input": answers})).await?;
    ensure!(code == 202, "{next}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_have_vectors_in_their_order() -> Result<()> {
    let pomona = scripted("").start().await?;
    let texts: Vec<String> = (0..40).map(|count| "b".repeat(count + 1)).collect();
    let body = json!({"model": "sprout", "input": texts, "dimensions": 2});
    let (code, list) = pomona.api.send(Method::POST, "/v1/embeddings", &body).await?;
    ensure!(code == 200, "{list}");
    for (index, each) in list["data"].as_array().context("no data")?.iter().enumerate() {
        let expected = json!({"object": "embedding", "index": index, "embedding": [(index + 1) as f32, 0.0]});
        ensure!(*each == expected, "{each}");
    }
    ensure!(list["usage"] == json!({"prompt_tokens": 40, "total_tokens": 40}), "{}", list["usage"]);
    let (code, refused) =
        pomona.api.send(Method::POST, "/v1/embeddings", &json!({"model": "nobody", "input": "x"})).await?;
    ensure!(code == 404, "{refused}");
    Ok(())
}
