//! What whoever watches a session is told besides its log: how far a prompt is, which client it is, and when turns began.

use anyhow::{Context, Result, ensure};
use pomona_tests::script::answer;
use pomona_tests::sessions::{self, Watcher, create};
use pomona_tests::{Api, SessionSocket};
use serde_json::{Value, json};

use crate::support::fleet;

/// Words of a prompt that takes a while: the scripted engine counts each as a token.
const WORDS: usize = 200;

/// A question whose prompt is computed in five pieces.
fn long_question(seed: u64, prefill_us: u32) -> Value {
    let script = format!("tokens=5 prefill=4 prefill_us={prefill_us}");
    json!({"input": format!("{script} {}", "apple ".repeat(WORDS)), "seed": seed})
}

async fn show(api: &Api, session: &str) -> Result<Value> {
    let (code, view) = api.get(&format!("/v3/sessions/{session}")).await?;
    ensure!(code == 200, "{code}: {view}");
    Ok(serde_json::from_str(&view)?)
}

/// What was said of the prompt of a turn, which may never go back.
fn told_of_prompt(told: &[Value], turn: &str) -> Result<Vec<u64>> {
    let prefill = told.iter().filter(|told| told["type"] == "turn.prefill" && told["turn"] == turn);
    let mut done = Vec::new();
    for event in prefill {
        let (number, total) = (event["done"].as_u64(), event["total"].as_u64());
        let (number, total) = number.zip(total).with_context(|| format!("no numbers: {event}"))?;
        ensure!(number <= total && total > WORDS as u64, "{event}");
        ensure!(event.get("seq").is_none(), "it has a number of the log: {event}");
        ensure!(done.last() < Some(&number), "{number} behind {done:?}");
        done.push(number);
    }
    Ok(done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_hears_how_far_a_long_prompt_is_and_no_log_has_it() -> Result<()> {
    let cluster = fleet("").nodes(1).start().await?;
    let api = cluster.api();
    let session = create(api, &json!({})).await?;
    let mut socket = SessionSocket::connect(api).await?;
    socket.ask(json!({"type": "attach", "session": session})).await?;
    let (turn, _) = sessions::submit_surely(api, &session, "k", &long_question(3, 15_000)).await?;
    let is_of = |event: &Value, kind: &str| event["type"] == kind && event["turn"] == turn.as_str();
    socket.until(|told| told.iter().any(|event| is_of(event, "turn.finished"))).await?;
    let first = socket.told.iter().position(|event| is_of(event, "turn.tokens")).context("no tokens")?;
    let before = told_of_prompt(&socket.told[..first], &turn)?;
    ensure!(before.len() >= 2, "not told before the first token: {:?}", socket.told);
    ensure!(told_of_prompt(&socket.told[first..], &turn)?.is_empty(), "told behind it: {:?}", socket.told);
    let mut late = Watcher::new(api, &session);
    late.watch_surely(|late| late.told.iter().any(|told| told["type"] == "caught_up")).await?;
    ensure!(late.text(&turn) == answer(3, 5), "{:?}", late.text(&turn));
    let (_, export) = api.get(&format!("/v3/sessions/{session}/export?format=json")).await?;
    for replayed in [format!("{:?}{:?}", late.shown, late.told), export] {
        ensure!(!replayed.contains("prefill\""), "{replayed}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_goes_on_elsewhere_tells_anew_how_far_its_prompt_is() -> Result<()> {
    let cluster = fleet("").nodes(2).start().await?;
    let api = cluster.api();
    let session = create(api, &json!({})).await?;
    let mut watcher = Watcher::new(api, &session);
    let (turn, _) = sessions::submit_surely(api, &session, "k", &long_question(4, 15_000)).await?;
    let done = |watcher: &Watcher| -> Vec<u64> {
        let prefill = watcher.told.iter().filter(|told| told["type"] == "turn.prefill");
        prefill.filter_map(|told| told["done"].as_u64()).collect()
    };
    watcher.watch_surely(|watcher| !done(watcher).is_empty()).await?;
    cluster.kill_engine(cluster.busy().await?).await?;
    watcher.watch_surely(|watcher| watcher.has_ended(&turn)).await?;
    ensure!(watcher.text(&turn) == answer(4, 5), "{:?}", watcher.text(&turn));
    let done = done(&watcher);
    ensure!(done.windows(2).any(|two| two[1] <= two[0]), "it did not begin anew: {done:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_shows_when_its_turns_began_to_speak() -> Result<()> {
    let cluster = fleet("tokens=3").nodes(1).start().await?;
    let api = cluster.api();
    let session = create(api, &json!({})).await?;
    let (turn, _) = sessions::submit_surely(api, &session, "k", &json!({"input": "go"})).await?;
    let mut watcher = Watcher::new(api, &session);
    watcher.watch_surely(|watcher| watcher.has_ended(&turn)).await?;
    let at = |kind: &str| {
        let event = watcher.of_turn(&turn).find(|event| event["type"] == kind);
        event.map(|event| event["at"].clone()).with_context(|| format!("no {kind}"))
    };
    let view = show(api, &session).await?;
    let shown = &view["turns"][0];
    ensure!(shown["started_at"] == at("turn.started")?, "{shown}");
    ensure!(shown["first_token_at"] == at("turn.tokens")?, "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_attaches_is_told_which_of_those_present_it_is() -> Result<()> {
    let cluster = fleet("").nodes(1).start().await?;
    let api = cluster.api();
    let session = create(api, &json!({})).await?;
    let mut sockets = Vec::new();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        // Two tabs of one browser: the same key, the same name.
        let mut socket = SessionSocket::connect(api).await?;
        let attached = socket.ask(json!({"type": "attach", "session": session, "name": "tab"})).await?;
        numbers.push(attached["client"].as_u64().with_context(|| format!("no number: {attached}"))?);
        sockets.push(socket);
    }
    ensure!(numbers[0] != numbers[1], "{numbers:?}");
    let here = |told: &[Value]| -> Option<Vec<u64>> {
        let presence = told.iter().rfind(|told| told["type"] == "presence")?;
        presence["clients"].as_array()?.iter().map(|client| client["client"].as_u64()).collect()
    };
    for socket in &mut sockets {
        socket.until(|told| here(told).is_some_and(|here| here.len() == 2)).await?;
        ensure!(here(&socket.told).as_ref() == Some(&numbers), "{:?}", socket.told);
    }
    Ok(())
}
