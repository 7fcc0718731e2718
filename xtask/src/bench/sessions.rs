//! What durable sessions cost: a streamed token beside the same token without a session, ten thousand idle sessions,
//! waking one, and reading a long one from its start.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use pomona_tests::sessions::{self, Watcher};
use pomona_tests::{Api, Launch, Pomona, system};
use serde_json::{Value, json};

use super::table::{Table, Target};
use super::{Binaries, load};

const STREAMS: u32 = 64;
const TOKENS: u32 = 500;
/// 50 tokens/s, as a fast model gives one reader.
const PACED: &str = "pace_us=20000";
const IDLE_SESSIONS: usize = 10_000;
/// Requests at once while they are made.
const MAKERS: usize = 64;
/// How long idle sessions are watched.
const IDLE_FOR: Duration = Duration::from_secs(5);
const WAKINGS: usize = 200;
const LONG: u32 = 10_000;

pub(super) async fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    tokens(binaries, table).await?;
    idle(binaries, table).await?;
    wakings(binaries, table).await?;
    replay(binaries, table).await
}

fn launch(binaries: &Binaries) -> Launch {
    let launch = Launch::default().program(&binaries.pomona).engine(&binaries.test_engine, "tokens=1000000");
    launch.set("routing.replica_turns_max", STREAMS * 2).set("turn.buffer_events", 1024)
}

fn ask(words: &str, tokens: u32) -> Value {
    json!({"input": words, "seed": 1, "sampling": {"max_tokens": tokens}})
}

/// The same paced streams without and with sessions, in one process.
async fn tokens(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let pomona = launch(binaries).start().await?;
    let per_token = |before: Duration, after: Duration| {
        (after - before).as_secs_f64() * 1e6 / f64::from(STREAMS * TOKENS)
    };
    load::streams(&pomona.api, STREAMS, &load::turn(PACED, 20)).await?;
    let before = system::cpu_time(pomona.pid())?;
    load::streams(&pomona.api, STREAMS, &load::turn(PACED, TOKENS)).await?;
    let plain = per_token(before, system::cpu_time(pomona.pid())?);
    let mut costs = Vec::new();
    for coalesce_ms in [0, 33] {
        let watchers = try_join_all((0..STREAMS).map(|_| started(&pomona.api, coalesce_ms))).await?;
        let before = system::cpu_time(pomona.pid())?;
        try_join_all(watchers.into_iter().map(async |(mut watcher, session)| {
            let (turn, _) = sessions::submit_surely(&pomona.api, &session, "a", &ask(PACED, TOKENS)).await?;
            watcher.watch(|watcher| watcher.has_ended(&turn)).await?;
            ensure!(watcher.cursor >= u64::from(TOKENS), "a stream ended at {}", watcher.cursor);
            anyhow::Ok(())
        }))
        .await?;
        costs.push(per_token(before, system::cpu_time(pomona.pid())?));
    }
    let name = |how: &str| format!("a streamed token, {STREAMS} streams at 50 tokens/s, {how}");
    table.add(&name("without a session"), "CPU-µs", Target::None, plain);
    table.add(&name("in a durable session"), "CPU-µs", Target::AtMost(25.0), costs[0]);
    table.add(
        &name("in a durable session, gathered for a browser"),
        "CPU-µs",
        Target::AtMost(25.0),
        costs[1],
    );
    table.add(&name("with a session against without"), "×", Target::None, costs[0] / plain);
    Ok(())
}

/// A new session with a client that is attached to it.
async fn started(api: &Api, coalesce_ms: u32) -> Result<(Watcher, String)> {
    let session = sessions::create(api, &json!({})).await?;
    let mut watcher = Watcher::new(api, &session).gathering(coalesce_ms);
    watcher.watch(|watcher| watcher.cursor > 0).await?;
    Ok((watcher, session))
}

async fn make(api: &Api, count: usize) -> Result<Vec<String>> {
    let some = try_join_all((0..MAKERS).map(async |maker| {
        let mut made = Vec::new();
        for _ in (maker..count).step_by(MAKERS) {
            made.push(sessions::create(api, &json!({})).await?);
        }
        anyhow::Ok(made)
    }));
    Ok(some.await?.concat())
}

/// Ten thousand sessions in memory that nobody uses.
async fn idle(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let pomona = launch(binaries).set("session.idle_ms", 3_600_000).start().await?;
    make(&pomona.api, MAKERS).await?;
    let before = resident(&pomona).await?;
    let started = Instant::now();
    make(&pomona.api, IDLE_SESSIONS).await?;
    let took = started.elapsed();
    let after = resident(&pomona).await?;
    let cpu = system::cpu_time(pomona.pid())?;
    tokio::time::sleep(IDLE_FOR).await;
    let used = (system::cpu_time(pomona.pid())? - cpu).as_secs_f64() / IDLE_FOR.as_secs_f64();
    table.add("10,000 idle sessions, memory", "MiB resident", Target::AtMost(200.0), after - before);
    table.add("10,000 idle sessions, processor", "% of a core", Target::AtMost(1.0), used * 100.0);
    let rate = IDLE_SESSIONS as f64 / took.as_secs_f64();
    table.add("sessions made, 64 clients", "sessions/s", Target::None, rate);
    Ok(())
}

/// In MiB, after buffers were freed.
async fn resident(pomona: &Pomona) -> Result<f64> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(system::resident_bytes(pomona.pid())? as f64 / 1024.0 / 1024.0)
}

/// Sessions with a conversation that have left the memory, asked for one after the other.
async fn wakings(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let pomona = launch(binaries).set("session.idle_ms", 1).start().await?;
    let names = make(&pomona.api, WAKINGS).await?;
    for name in &names {
        for turn in 0..3 {
            sessions::submit_surely(&pomona.api, name, &format!("{turn}"), &ask("go", 50)).await?;
        }
    }
    let mut last = Watcher::new(&pomona.api, names.last().context("no session")?);
    last.watch(|last| last.shown.iter().filter(|event| event["type"] == "turn.finished").count() == 3)
        .await?;
    drop(last);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut times = Vec::new();
    for name in &names {
        let asked = Instant::now();
        let (code, _) = pomona.api.get(&format!("/v3/sessions/{name}")).await?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        ensure!(code == 200, "{name} answered {code}");
    }
    times.sort_by(f64::total_cmp);
    table.add("waking a session of 3 turns, p95", "ms", Target::AtMost(10.0), times[times.len() * 95 / 100]);
    Ok(())
}

/// A session of ten thousand tokens, read from its start.
async fn replay(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let pomona = launch(binaries).start().await?;
    let session = sessions::create(&pomona.api, &json!({})).await?;
    let (turn, _) = sessions::submit_surely(&pomona.api, &session, "a", &ask("pace_us=200", LONG)).await?;
    let mut watcher = Watcher::new(&pomona.api, &session);
    watcher.watch(|watcher| watcher.has_ended(&turn)).await?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let asked = Instant::now();
        let shown = sessions::log(&pomona.api, &session).await?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        ensure!(
            shown.last().context("nothing")?["seq"].as_u64() == Some(watcher.cursor),
            "something is missing"
        );
    }
    times.sort_by(f64::total_cmp);
    table.add("reading a session of 10,000 tokens", "ms", Target::AtMost(100.0), times[times.len() / 2]);
    Ok(())
}
