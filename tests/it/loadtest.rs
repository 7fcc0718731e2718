//! `pomona loadtest` against gateways that run: what it counts is what happened, and its exit code says so.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::{Ended, Launch};
use serde_json::Value;

use crate::support::{fleet, scripted};

/// Longest time of a load test of a few seconds, with its start and its end.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `pomona loadtest …` at home, where it finds gateway and key.
async fn loadtest(home: &Path, words: &str) -> Result<Ended> {
    let mut arguments = vec!["loadtest"];
    arguments.extend(words.split_whitespace());
    Launch::command(&arguments).home(home).run_to_end(LIMIT).await
}

/// The report of a run that ended with `code`.
fn report(ended: &Ended, code: i32) -> Result<Value> {
    ensure!(ended.code == Some(code), "{ended:?}");
    serde_json::from_str(&ended.stdout).with_context(|| format!("{ended:?}"))
}

fn count(report: &Value, place: &str) -> Result<u64> {
    report.pointer(place).and_then(Value::as_u64).with_context(|| format!("no {place} in {report}"))
}

/// Everything that must be 0 when nothing was lost.
fn check_whole(report: &Value) -> Result<()> {
    for what in ["missing", "doubled", "misplaced", "extra_ends", "no_end", "changed"] {
        let seen = count(report, &format!("/integrity/{what}"))?;
        ensure!(seen == 0, "{seen} {what}: {report}");
    }
    Ok(())
}

#[tokio::test]
async fn every_request_of_a_mixed_load_is_counted_as_it_ended() -> Result<()> {
    let pomona = scripted("tokens=1000 pace=200").start().await?;
    let words = "run --arrival constant:20 --requests 40 --output-tokens 12 --turns 2 --think 5 \
                 --transports sse:1,whole:1,ws:1,session:1 --check-texts 5 --json";
    let ended = loadtest(pomona.home(), words).await?;
    // A busy machine may be too slow to ask in time; what is counted is the same.
    let report = report(&ended, ended.code.filter(|code| *code == 2).unwrap_or(0))?;
    check_whole(&report)?;
    for (place, expected) in [
        ("/totals/planned", 40),
        ("/totals/sent", 40),
        ("/totals/finished", 40),
        ("/totals/failed", 0),
        ("/totals/tokens", 40 * 12),
        ("/generator/dropped", 0),
        ("/integrity/miscounted", 0),
    ] {
        ensure!(count(&report, place)? == expected, "{place}: {report}");
    }
    ensure!(count(&report, "/integrity/compared")? > 0, "{report}");
    ensure!(
        report["server"]["series"]["pomona_process_cpu_seconds_total"].is_array(),
        "{}",
        report["server"]
    );
    ensure!(report["asked"]["model"] == "sprout" && report["asked"]["seed"] == 1, "{}", report["asked"]);
    let (_, sessions) = pomona.api.get("/v3/sessions").await?;
    ensure!(sessions.contains("\"sessions\":[]"), "sessions were left behind: {sessions}");
    Ok(())
}

#[tokio::test]
async fn the_exit_code_says_whether_the_objectives_were_met() -> Result<()> {
    let pomona = scripted("tokens=1000 pace=500").start().await?;
    let home = pomona.home();
    std::fs::write(home.join("strict.toml"), "[ttft_ms]\nmax = 0.001\n")?;
    std::fs::write(home.join("broken.toml"), "[ttft]\np95 = 5\n")?;
    let load = "run --arrival constant:10 --requests 10 --output-tokens 4";
    let words = format!("{load} --slo strict.toml --html a.html --csv a.csv --junit a.xml --json a.json");
    let strict = loadtest(home, &words).await?;
    ensure!(matches!(strict.code, Some(1 | 2)), "{strict:?}");
    for name in ["a.html", "a.csv", "a.xml", "a.json"] {
        ensure!(std::fs::metadata(home.join(name))?.len() > 100, "{name} is empty");
    }
    let again = loadtest(home, "report a.json --html b.html").await?;
    ensure!(again.code == strict.code, "{again:?}");
    ensure!(std::fs::read(home.join("a.html"))? == std::fs::read(home.join("b.html"))?);
    for (words, code, reason) in [
        (format!("{load} --slo broken.toml"), 64, "ttft"),
        (format!("{load} --slo nowhere.toml"), 64, "nowhere.toml"),
        ("run --rate 0".to_owned(), 64, "above 0"),
        ("run --chaos kill@1s:nobody --duration 2s".to_owned(), 64, "nobody"),
        ("run --url http://127.0.0.1:1 --requests 1".to_owned(), 69, "127.0.0.1:1"),
    ] {
        let ended = loadtest(home, &words).await?;
        ensure!(ended.code == Some(code) && ended.stderr.contains(reason), "{words}: {ended:?}");
    }
    let plan = loadtest(home, &format!("{load} --dry-run --json")).await?;
    ensure!(report(&plan, 0)?["requests"] == 10, "{plan:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_under_load_costs_no_token() -> Result<()> {
    let cluster = fleet("tokens=1000 pace=40").nodes(2).start().await?;
    cluster.until_all_ready().await?;
    let words = "run --arrival constant:10 --duration 3s --output-tokens 60 --transports sse:1,ws:1,session:1 \
                 --chaos kill@1500ms:n1 --check-texts 10 --json";
    let ended = loadtest(cluster.gateways[0].home(), words).await?;
    let report = report(&ended, ended.code.filter(|code| *code == 2).unwrap_or(0))?;
    check_whole(&report)?;
    let sent = count(&report, "/totals/sent")?;
    ensure!(sent >= 29 && count(&report, "/totals/finished")? == sent, "{}", report["totals"]);
    ensure!(count(&report, "/totals/tokens")? == sent * 60, "{}", report["totals"]);
    ensure!(count(&report, "/integrity/moved")? > 0, "the kill met no turn: {}", report["integrity"]);
    ensure!(count(&report, "/integrity/compared")? > 0, "{}", report["integrity"]);
    let events = report["events"].as_array().context("no events")?;
    ensure!(events.len() == 1 && events[0]["kind"] == "kill", "{events:?}");
    ensure!(events[0]["what"].as_str().is_some_and(|what| what == "node n1 killed"), "{events:?}");
    Ok(())
}
