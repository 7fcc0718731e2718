//! Many writers on one session: they all see one order, which agrees with what each of them knows of time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use pomona_tests::Api;
use pomona_tests::random::Random;
use pomona_tests::sessions::{self, Watcher, check_shown};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{announced, fleet, full};

const WRITERS: u64 = 8;

/// Something that a writer did, and what it knows of when.
#[derive(Debug)]
struct Done {
    asked: Instant,
    answered: Instant,
    /// Its place in the order, as the answer said.
    seq: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A turn was accepted.
    Turn { turn: String },
    /// The title was changed on the condition that the log ended there.
    Title { title: String, expected: u64 },
}

async fn writer(api: Api, session: String, number: u64, rounds: u64, seed: u64) -> Result<Vec<Done>> {
    let mut random = Random::new(seed + number);
    let mut done = Vec::new();
    let mut known = 0;
    for round in 0..rounds {
        let asked = Instant::now();
        let what = if random.below(3) > 0 {
            let key = format!("{number}-{round}");
            let body = json!({"input": key, "seed": number, "idempotency_key": key});
            let times = 1 + random.below(2);
            let mut last = (0, Value::Null);
            for _ in 0..times {
                last = sessions::submit(&api, &session, &body).await?;
            }
            match last {
                (200 | 202, accepted) => {
                    known = accepted["seq"].as_u64().context("no seq")?;
                    let is_new = accepted["is_new"] == true;
                    ensure!(is_new || times == 2, "asked once, and answered as a repeat: {accepted}");
                    Some((
                        known,
                        What::Turn { turn: accepted["turn"].as_str().context("no turn")?.to_owned() },
                    ))
                }
                (429, _) => None,
                (code, body) => anyhow::bail!("{code}: {body}"),
            }
        } else {
            let title = format!("title {number}-{round}");
            let body = json!({"title": title, "expected_seq": known});
            match api.send(Method::PATCH, &format!("/v3/sessions/{session}"), &body).await? {
                (200, view) => {
                    let (expected, seq) = (known, known + 1);
                    known = view["head_seq"].as_u64().context("no head")?;
                    Some((seq, What::Title { title, expected }))
                }
                (409, refused) => {
                    ensure!(refused["error"]["code"] == "session_conflict", "{refused}");
                    let (_, view) = api.get(&format!("/v3/sessions/{session}")).await?;
                    known = serde_json::from_str::<Value>(&view)?["head_seq"].as_u64().context("no head")?;
                    None
                }
                (code, body) => anyhow::bail!("{code}: {body}"),
            }
        };
        let answered = Instant::now();
        done.extend(what.map(|(seq, what)| Done { asked, answered, seq, what }));
    }
    Ok(done)
}

/// What was done takes effect once, at its place, and between its question and its answer.
fn check_order(history: &[Done], log: &[Value]) -> Result<()> {
    let by_seq: BTreeMap<u64, &Value> =
        log.iter().filter_map(|event| Some((event["seq"].as_u64()?, event))).collect();
    for done in history {
        let event = by_seq.get(&done.seq).with_context(|| format!("nothing is at the place of {done:?}"))?;
        match &done.what {
            What::Turn { turn } => {
                ensure!(
                    event["type"] == "turn.accepted" && event["turn"] == turn.as_str(),
                    "{done:?}: {event}"
                );
            }
            What::Title { title, expected } => {
                ensure!(event["type"] == "session.updated", "{done:?}: {event}");
                ensure!(event["change"]["title"] == title.as_str(), "{done:?}: {event}");
                ensure!(done.seq == expected + 1, "{done:?}");
            }
        }
    }
    for before in history {
        for after in history.iter().filter(|after| before.answered < after.asked) {
            let same = before.seq == after.seq;
            ensure!(before.seq < after.seq || same, "{before:?} was over before {after:?} began");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_writers_of_a_session_see_one_order() -> Result<()> {
    let cluster = fleet("tokens=3").nodes(1).start().await?;
    let api = cluster.api().clone();
    let (runs, rounds) = if full() { (40, 40) } else { (4, 15) };
    let mut random = announced();
    let mut events = 0;
    for _ in 0..runs {
        let session = sessions::create(&api, &json!({})).await?;
        let seed = random.any() >> 8;
        let mut writers = JoinSet::new();
        for number in 0..WRITERS {
            writers.spawn(writer(Api::new(&api.url, &api.key)?, session.clone(), number, rounds, seed));
        }
        let mut watcher = Watcher::new(&api, &session);
        let mut history = Vec::new();
        while let Some(done) = writers.join_next().await {
            history.extend(done??);
        }
        let turns: Vec<_> = history
            .iter()
            .filter_map(|done| match &done.what {
                What::Turn { turn } => Some(turn.clone()),
                What::Title { .. } => None,
            })
            .collect();
        watcher.watch_surely(|watcher| turns.iter().all(|turn| watcher.has_ended(turn))).await?;
        let log = sessions::log(&api, &session).await?;
        check_shown(&watcher.shown, &log)?;
        check_order(&history, &log)?;
        let accepted = log.iter().filter(|event| event["type"] == "turn.accepted").count();
        ensure!(
            accepted == turns.len(),
            "{accepted} turns are in the log, {} were acknowledged",
            turns.len()
        );
        events += log.len();
    }
    println!("{runs} histories of {WRITERS} writers, {events} events: one order");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_with_one_expected_number_one_wins() -> Result<()> {
    let cluster = fleet("tokens=1").nodes(1).start().await?;
    let api = cluster.api().clone();
    for _ in 0..20 {
        let session = sessions::create(&api, &json!({})).await?;
        let start = Arc::new(Barrier::new(2));
        let mut writers = JoinSet::new();
        for number in 0..2 {
            let (api, session, start) = (Api::new(&api.url, &api.key)?, session.clone(), Arc::clone(&start));
            writers.spawn(async move {
                let body = json!({"input": format!("{number}"), "expected_seq": 1});
                start.wait().await;
                sessions::submit(&api, &session, &body).await
            });
        }
        let mut codes = Vec::new();
        while let Some(answered) = writers.join_next().await {
            let (code, body) = answered??;
            ensure!(code == 202 || body["error"]["code"] == "session_conflict", "{code}: {body}");
            codes.push(code);
        }
        codes.sort_unstable();
        ensure!(codes == [202, 409], "{codes:?}");
    }
    Ok(())
}
