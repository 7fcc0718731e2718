//! What clients of sessions may do wrong: each wrong thing has its name, and nothing else suffers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::launch::KEYS;
use pomona_tests::script::answer;
use pomona_tests::sessions::{self, Watcher, create};
use pomona_tests::{Api, Cluster};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{eventually, fleet, full};

const UNKNOWN: &str = "ses_00000000000000000000000000000001";

async fn small() -> Result<Cluster> {
    fleet("tokens=5").nodes(1).start().await
}

async fn check(api: &Api, method: Method, path: &str, body: Value, code: u16, name: &str) -> Result<()> {
    let (found, answer) = api.send(method.clone(), path, &body).await?;
    ensure!(found == code, "{method} {path} answered {found}, not {code}: {answer}");
    ensure!(answer["error"]["code"] == name, "{method} {path}: {answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_are_none_or_unknown_are_named() -> Result<()> {
    let cluster = small().await?;
    let api = cluster.api();
    for (method, rest) in [
        (Method::GET, ""),
        (Method::PATCH, ""),
        (Method::DELETE, ""),
        (Method::POST, "/turns"),
        (Method::POST, "/cancel"),
        (Method::POST, "/regenerate"),
        (Method::POST, "/edit"),
        (Method::POST, "/choose"),
        (Method::POST, "/fork"),
        (Method::GET, "/events"),
        (Method::GET, "/export"),
    ] {
        let turn = "turn_00000000000000000000000000000001";
        let body = match rest {
            "/turns" => json!({"input": "x"}),
            "/edit" => json!({"input": "x", "turn": turn}),
            "/regenerate" | "/choose" => json!({"turn": turn}),
            _ => json!({}),
        };
        let path = format!("/v3/sessions/{UNKNOWN}{rest}");
        check(api, method.clone(), &path, body.clone(), 404, "session_not_found").await?;
        for id in ["x", "ses_", "ses_zz", "turn_00000000000000000000000000000001", "%00", "ses_%F0%9F%8D%8E"]
        {
            let (code, answer) = api.send(method.clone(), &format!("/v3/sessions/{id}{rest}"), &body).await?;
            ensure!((400..500).contains(&code), "{method} {id}{rest} answered {code}: {answer}");
            ensure!(answer["error"]["message"].is_string(), "{method} {id}{rest}: {answer}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_that_are_none_of_the_log_are_named() -> Result<()> {
    let cluster = small().await?;
    let api = cluster.api();
    let session = create(api, &json!({})).await?;
    for (after, code, name) in [
        ("2", 400, "cursor_ahead"),
        ("18446744073709551615", 400, "invalid_request"),
        ("18446744073709551616", 400, "invalid_request"),
        ("-1", 400, "invalid_request"),
        ("x", 400, "invalid_request"),
        ("1.5", 400, "invalid_request"),
    ] {
        let (found, answer) = api.get(&format!("/v3/sessions/{session}/events?after={after}")).await?;
        ensure!(found == code && answer.contains(name), "after={after} answered {found}: {answer}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sees_only_its_own_sessions() -> Result<()> {
    let mut cluster = small().await?;
    let api = cluster.api().clone();
    let session = create(&api, &json!({"title": "mine"})).await?;
    let other = KEYS[1];
    cluster
        .restart_gateway_after(|home| {
            let mut keys = std::fs::OpenOptions::new().append(true).open(home.join("key"))?;
            Ok(writeln!(keys, "{other}")?)
        })
        .await?;
    let stranger = Api::new(&api.url, other)?;
    for (method, rest) in
        [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/cancel"), (Method::POST, "/fork")]
    {
        let path = format!("/v3/sessions/{session}{rest}");
        check(&stranger, method, &path, json!({}), 404, "session_not_found").await?;
    }
    let ask = format!("/v3/sessions/{session}/turns");
    check(&stranger, Method::POST, &ask, json!({"input": "x"}), 404, "session_not_found").await?;
    let (_, list) = stranger.get("/v3/sessions").await?;
    ensure!(!list.contains(&session), "{list}");
    let (code, _) = stranger.get(&format!("/v3/sessions/{session}/events")).await?;
    ensure!(code == 404, "a stranger listens: {code}");
    let (code, _) = api.get(&format!("/v3/sessions/{session}")).await?;
    ensure!(code == 200, "the owner is told {code}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_and_reused_keys_are_told_apart() -> Result<()> {
    let cluster = small().await?;
    let api = cluster.api();
    let session = create(api, &json!({})).await?;
    let path = format!("/v3/sessions/{session}/turns");
    let ask = |text: &str, key: &str| json!({"input": text, "idempotency_key": key});
    let (first, made) = api.send(Method::POST, &path, &ask("a", "2")).await?;
    let (_, other) = api.send(Method::POST, &path, &ask("b", "1")).await?;
    let (again, same) = api.send(Method::POST, &path, &ask("a", "2")).await?;
    ensure!((first, again) == (202, 200), "{first} {again}");
    ensure!(made["turn"] == same["turn"] && made["turn"] != other["turn"], "{made} {same} {other}");
    check(api, Method::POST, &path, ask("c", "2"), 422, "idempotency_mismatch").await?;
    check(api, Method::POST, &path, ask("c", &"k".repeat(300)), 400, "invalid_request").await?;
    check(api, Method::POST, &path, json!({}), 400, "invalid_request").await?;
    check(api, Method::POST, &path, json!({"input": "x", "unknown": 1}), 400, "invalid_request").await?;
    check(api, Method::POST, &path, json!({"input": "x", "expected_seq": 1}), 409, "session_conflict").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_of_ten_megabytes_is_refused_and_the_session_goes_on() -> Result<()> {
    let cluster = small().await?;
    let api = cluster.api();
    let session = create(api, &json!({})).await?;
    let huge = json!({"input": "x".repeat(10 * 1024 * 1024)});
    check(api, Method::POST, &format!("/v3/sessions/{session}/turns"), huge, 413, "body_too_large").await?;
    let (turn, _) =
        sessions::submit_surely(api, &session, "k", &json!({"input": "small", "seed": 3})).await?;
    let mut watcher = Watcher::new(api, &session);
    watcher.watch(|watcher| watcher.has_ended(&turn)).await?;
    ensure!(watcher.text(&turn) == answer(3, 5), "{:?}", watcher.text(&turn));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_cut_off_and_slows_nobody() -> Result<()> {
    let cluster = fleet("tokens=5")
        .nodes(1)
        .set_at_gateways("session.client_buffer_events", 16)
        .set_at_gateways("limits.stall_ms", 2000)
        .start()
        .await?;
    let api = cluster.api();
    let session = create(api, &json!({})).await?;
    let host = api.url.strip_prefix("http://").context("an address")?;
    let mut idle = TcpStream::connect(host)?;
    idle.set_read_timeout(Some(Duration::from_secs(20)))?;
    // Otherwise the system itself reads millions of bytes for it.
    rustix::net::sockopt::set_socket_recv_buffer_size(&idle, 65_536)?;
    write!(
        idle,
        "GET /v3/sessions/{session}/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
        api.key
    )?;
    let mut reader = Watcher::new(api, &session);
    let (first, _) = sessions::submit_surely(api, &session, "k", &json!({"input": "go", "seed": 5})).await?;
    reader.watch_surely(|reader| reader.has_ended(&first)).await?;
    // More than the system holds for a reader that stands still.
    let long = "An apple. ".repeat(30_000);
    let mut turn = first.clone();
    for _ in 0..60 {
        let edit = json!({"input": long, "turn": first, "seed": 5});
        let (code, accepted) = api.send(Method::POST, &format!("/v3/sessions/{session}/edit"), &edit).await?;
        ensure!(code == 202, "{code}: {}", accepted["error"]);
        turn = accepted["turn"].as_str().context("no turn")?.to_owned();
        reader.watch_surely(|reader| reader.has_ended(&turn)).await?;
    }
    ensure!(reader.text(&turn) == answer(5, 5), "the reader missed something");
    // What was sent before the cut is still there to be read, and then the connection is over.
    let idle = tokio::task::spawn_blocking(move || {
        let (mut seen, mut piece) = (Vec::new(), [0; 65_536]);
        while let Ok(count @ 1..) = idle.read(&mut piece) {
            let from = seen.len().saturating_sub(16);
            seen.extend_from_slice(&piece[..count]);
            if seen[from..].windows(13).any(|words| words == br#""type":"cut","#.as_slice()) {
                break;
            }
        }
        seen
    });
    let seen =
        tokio::time::timeout(Duration::from_secs(60), idle).await.context("it was never cut off")??;
    let seen = String::from_utf8_lossy(&seen).into_owned();
    let last = seen.lines().rev().find_map(|line| line.strip_prefix("id:")?.trim().parse::<u64>().ok());
    let cursor = last.unwrap_or(0);
    ensure!(cursor < reader.cursor, "a client that did not read was shown everything");
    let mut resumed = Watcher::new(api, &session);
    resumed.cursor = cursor;
    resumed.watch_surely(|resumed| resumed.has_ended(&turn)).await?;
    ensure!(resumed.cursor == reader.cursor, "{} and {}", resumed.cursor, reader.cursor);
    println!("cut off behind {cursor} of {}", reader.cursor);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_sessions_are_opened_at_once() -> Result<()> {
    let cluster = small().await?;
    let api = cluster.api().clone();
    let count: usize = if full() { 10_000 } else { 1_000 };
    let mut made = tokio::task::JoinSet::new();
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(200));
    for _ in 0..count {
        let (api, places) = (api.clone(), std::sync::Arc::clone(&places));
        made.spawn(async move {
            let _place = places.acquire_owned().await?;
            create(&api, &json!({})).await
        });
    }
    let mut names = std::collections::BTreeSet::new();
    while let Some(name) = made.join_next().await {
        names.insert(name??);
    }
    ensure!(names.len() == count, "{} of {count}", names.len());
    eventually("all of them are listed", Duration::from_secs(30), || async {
        let (mut found, mut cursor) = (0, String::new());
        loop {
            let (code, page) = api.get(&format!("/v3/sessions?limit=200{cursor}")).await?;
            ensure!(code == 200, "{page}");
            let page: Value = serde_json::from_str(&page)?;
            found += page["sessions"].as_array().map_or(0, Vec::len);
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(found == count),
            }
        }
    })
    .await
    .map(drop)
}
