//! The gateway is killed again and again under sessions that several clients read and write, and nobody can tell from
//! what they are shown: what was acknowledged is there, what was shown stays, and every turn ends once.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::random::Random;
use pomona_tests::script::answer;
use pomona_tests::sessions::{self, Watcher, check_shown};
use pomona_tests::{Api, Cluster};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{announced, eventually, fleet, full};

const CLIENTS: usize = 3;
/// Tokens of an answer; at 200 a second a turn outlives some gateways.
const TOKENS: u32 = 60;
const SCRIPT: &str = "tokens=60 pace_us=5000";
const RECOVERY: Duration = Duration::from_secs(60);

/// A turn that a gateway has acknowledged.
struct Acknowledged {
    turn: String,
    seq: u64,
    seed: u64,
}

/// One client: asks, reads until its turn has ended, asks again, until told to stop.
async fn client(
    api: Api,
    session: String,
    number: u64,
    stop: Arc<AtomicBool>,
) -> Result<(Watcher, Vec<Acknowledged>)> {
    let mut watcher = Watcher::new(&api, &session);
    let mut acknowledged = Vec::new();
    let mut asked = 0u64;
    while !stop.load(Ordering::Relaxed) {
        asked += 1;
        let seed = number * 10_000 + asked;
        let body = json!({"input": format!("question {asked} of {number}"), "seed": seed});
        let key = format!("client-{number}-{asked}");
        let (turn, seq) = sessions::submit_surely(&api, &session, &key, &body).await?;
        acknowledged.push(Acknowledged { turn: turn.clone(), seq, seed });
        watcher.watch_surely(|watcher| watcher.has_ended(&turn)).await?;
    }
    Ok((watcher, acknowledged))
}

/// Checks one session: the log is dense, has each acknowledged turn once with its whole answer, and every client was
/// shown its beginning.
async fn check(api: &Api, session: &str, clients: &[(Watcher, Vec<Acknowledged>)]) -> Result<usize> {
    let log = sessions::log(api, session).await?;
    let mut turns = 0;
    for (watcher, acknowledged) in clients.iter().filter(|(watcher, _)| watcher.session == session) {
        check_shown(&watcher.shown, &log).with_context(|| format!("{session} changed"))?;
        for Acknowledged { turn, seq, seed } in acknowledged {
            let of_turn = |kind: &'static str| {
                log.iter().filter(move |e| e["type"] == kind && e["turn"] == turn.as_str())
            };
            let accepted: Vec<_> = of_turn("turn.accepted").collect();
            ensure!(accepted.len() == 1 && accepted[0]["seq"] == *seq, "{turn} was accepted as {accepted:?}");
            let ends = of_turn("turn.finished").count() + of_turn("turn.failed").count();
            let failed: Vec<_> = of_turn("turn.failed").collect();
            ensure!(ends == 1 && failed.is_empty(), "{turn} has {ends} ends: {failed:?}");
            let mut text: String =
                of_turn("turn.tokens").filter_map(|event| event["text"].as_str()).collect();
            text.extend(of_turn("turn.finished").filter_map(|event| event["text"].as_str()));
            ensure!(text == answer(*seed, TOKENS), "{turn} was answered {text:?}");
            turns += 1;
        }
    }
    Ok(turns)
}

/// Kills the gateway `kills` times under load; `meanwhile` may harm its home while it is down.
async fn crashed(
    sessions_count: usize,
    kills: usize,
    random: &mut Random,
    mut meanwhile: impl FnMut(&Path, &mut Random) -> Result<()>,
) -> Result<()> {
    let mut cluster = fleet(SCRIPT).nodes(2).start().await?;
    let api = cluster.api().clone();
    let stop = Arc::new(AtomicBool::new(false));
    let mut names = Vec::new();
    let mut clients = JoinSet::new();
    for index in 0..sessions_count {
        let session = sessions::create(&api, &json!({"title": format!("session {index}")})).await?;
        for number in 0..CLIENTS {
            let number = (index * CLIENTS + number + 1) as u64;
            clients.spawn(client(Api::new(&api.url, &api.key)?, session.clone(), number, Arc::clone(&stop)));
        }
        names.push(session);
    }
    for kill in 0..kills {
        tokio::time::sleep(Duration::from_millis(200 + random.below(800))).await;
        cluster.restart_gateway_after(|home| meanwhile(home, random)).await?;
        if let Some(ended) = clients.try_join_next() {
            ended?.with_context(|| format!("behind kill {kill}"))?;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut done = Vec::new();
    while let Some(ended) = clients.join_next().await {
        done.push(ended??);
    }
    let mut turns = 0;
    for session in &names {
        turns += check(&api, session, &done).await?;
    }
    check_places(&cluster).await?;
    println!("{kills} kills under {sessions_count} sessions: {turns} turns, none lost, changed or doubled");
    Ok(())
}

/// Nothing runs any more, and every place is free.
async fn check_places(cluster: &Cluster) -> Result<()> {
    eventually("no turn holds a place", RECOVERY, || async {
        let status = cluster.api().status().await?;
        Ok(status.turns_active == 0 && status.turns_queued == 0)
    })
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_loses_and_changes_nothing() -> Result<()> {
    let (sessions, kills) = if full() { (20, 100) } else { (6, 8) };
    crashed(sessions, kills, &mut announced(), |_, _| Ok(())).await
}

/// A write that the power cut in the middle: some bytes of one more page behind the last whole one.
fn tear(home: &Path, random: &mut Random) -> Result<()> {
    let log = home.join("data/store.db-wal");
    let Ok(whole) = std::fs::read(&log) else { return Ok(()) };
    const FRAME: usize = 4096 + 24;
    if whole.len() < FRAME {
        return Ok(());
    }
    let last = &whole[whole.len() - FRAME..];
    let kept = 1 + random.below(FRAME as u64 - 1) as usize;
    let mut file = std::fs::OpenOptions::new().append(true).open(&log)?;
    Ok(file.write_all(&last[..kept])?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_write_behind_a_kill_costs_nothing() -> Result<()> {
    let (sessions, kills) = if full() { (20, 100) } else { (4, 5) };
    crashed(sessions, kills, &mut announced(), tear).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_goes_on_where_it_was_when_the_gateway_comes_back() -> Result<()> {
    let mut cluster = fleet("tokens=400 pace_us=5000").nodes(1).start().await?;
    let api = cluster.api().clone();
    let session = sessions::create(&api, &json!({})).await?;
    let mut watcher = Watcher::new(&api, &session);
    let (turn, _) = sessions::submit_surely(&api, &session, "a", &json!({"input": "go", "seed": 7})).await?;
    watcher.watch(|watcher| watcher.text(&turn).len() > 100).await?;
    cluster.restart_gateway().await?;
    watcher.watch_surely(|watcher| watcher.has_ended(&turn)).await?;
    ensure!(watcher.text(&turn) == answer(7, 400), "{:?}", watcher.text(&turn));
    // The node held the turn: nothing was asked of it twice.
    let started: Vec<Value> =
        watcher.of_turn(&turn).filter(|event| event["type"] == "turn.started").cloned().collect();
    ensure!(started.len() == 1, "{started:?}");
    Ok(())
}
