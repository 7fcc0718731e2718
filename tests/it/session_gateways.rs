//! Several gateways on one PostgreSQL: any of them serves any session, and a session survives the one it lives on.
//!
//! Runs where `POMONA_TEST_POSTGRES` names a server, as `cargo xtask test --lane postgres` does.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::script::answer;
use pomona_tests::sessions::{self, Watcher, check_shown};
use pomona_tests::{Api, Cluster, SessionSocket};
use serde_json::json;

use crate::support::{announced, eventually, fleet};

/// Two gateways with a schema of their own, and a node that is linked to both.
async fn pair(script: &str) -> Result<Option<Cluster>> {
    let Ok(url) = std::env::var("POMONA_TEST_POSTGRES") else {
        println!("skipped: POMONA_TEST_POSTGRES names no server");
        return Ok(None);
    };
    let schema = format!("pomona_it_{:016x}", announced().any());
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{joint}options=-csearch_path%3D{schema}");
    let cluster = fleet(script).gateways(2).nodes(1).set_at_gateways("store.url", url).start().await?;
    Ok(Some(cluster))
}

/// A session of the first gateway's key that the second one's may write: keys belong to gateways.
async fn shared_session(cluster: &Cluster) -> Result<(String, Api, Api)> {
    let [first, second] = [cluster.gateways[0].api.clone(), cluster.gateways[1].api.clone()];
    // Whoever asks is known by the id of the key, which its own sessions show.
    let probe = sessions::create(&second, &json!({})).await?;
    let (_, view) = second.get(&format!("/v3/sessions/{probe}")).await?;
    let view: serde_json::Value = serde_json::from_str(&view)?;
    let other = view["owner"].as_str().context("no owner")?.to_owned();
    let session = sessions::create(&first, &json!({"title": "both"})).await?;
    let share = json!({"shared": {other: "write"}});
    let path = format!("/v3/sessions/{session}");
    let (code, answered) = first.send(reqwest::Method::PATCH, &path, &share).await?;
    ensure!(code == 200, "{code}: {answered}");
    Ok((session, first, second))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_one_through_every_gateway() -> Result<()> {
    let Some(cluster) = pair("tokens=30 pace_us=5000").await? else { return Ok(()) };
    for round in 0..6u64 {
        let (session, first, second) = shared_session(&cluster).await?;
        let mut watchers = [Watcher::new(&first, &session), Watcher::new(&second, &session)];
        let mut turns = Vec::new();
        for (number, api) in [&first, &second, &first].into_iter().enumerate() {
            let seed = round * 10 + number as u64;
            let body = json!({"input": "go", "seed": seed});
            let key = format!("k{number}");
            turns.push((sessions::submit_surely(api, &session, &key, &body).await?.0, seed));
        }
        for watcher in &mut watchers {
            watcher.watch_surely(|watcher| turns.iter().all(|(turn, _)| watcher.has_ended(turn))).await?;
            for (turn, seed) in &turns {
                ensure!(watcher.text(turn) == answer(*seed, 30), "{turn}: {:?}", watcher.text(turn));
            }
        }
        let log = sessions::log(&second, &session).await?;
        check_shown(&watchers[0].shown, &log)?;
        check_shown(&watchers[1].shown, &log)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_moves_when_its_gateway_dies() -> Result<()> {
    let Some(mut cluster) = pair("tokens=400 pace_us=5000").await? else { return Ok(()) };
    let mut running = Vec::new();
    for number in 0..6u64 {
        let (session, first, second) = shared_session(&cluster).await?;
        let body = json!({"input": "go", "seed": number, "sampling": {"max_tokens": 400}});
        let (turn, _) = sessions::submit_surely(&first, &session, "k", &body).await?;
        running.push((Watcher::new(&second, &session), turn, number));
    }
    for (watcher, turn, _) in &mut running {
        watcher.watch_surely(|watcher| watcher.text(turn).len() > 40).await?;
    }
    // The first gateway is gone for good; the second one takes over what lived there.
    drop(cluster.gateways.remove(0));
    for (watcher, turn, seed) in &mut running {
        let ended = watcher.watch_surely(|watcher| watcher.has_ended(turn));
        tokio::time::timeout(Duration::from_secs(90), ended).await.context("it did not go on")??;
        ensure!(watcher.text(turn) == answer(*seed, 400), "{turn}: {:?}", watcher.text(turn));
    }
    let api = cluster.gateways[0].api.clone();
    eventually("no turn holds a place", Duration::from_secs(30), || async {
        Ok(api.status().await?.turns_active == 0)
    })
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_told_through_every_gateway() -> Result<()> {
    let Some(cluster) = pair("tokens=5 prefill_us=50000 prefill=4").await? else { return Ok(()) };
    let (session, first, second) = shared_session(&cluster).await?;
    let mut sockets = Vec::new();
    for api in [&first, &second] {
        let mut socket = SessionSocket::connect(api).await?;
        let attached = socket.ask(json!({"type": "attach", "session": session})).await?;
        sockets.push((socket, attached["client"].as_u64().context("no number")?));
    }
    ensure!(sockets[0].1 != sockets[1].1, "two clients are one");
    sessions::submit_surely(&first, &session, "k", &json!({"input": "a b c d e f g h"})).await?;
    for (socket, _) in &mut sockets {
        socket.until(|told| told.iter().any(|told| told["type"] == "turn.finished")).await?;
        ensure!(socket.told.iter().any(|told| told["type"] == "turn.prefill"), "{:?}", socket.told);
    }
    Ok(())
}
