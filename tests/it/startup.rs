//! What a start refuses, how it says so, and with which exit code.

use std::net::TcpListener;

use anyhow::{Result, ensure};
use pomona_tests::{Ended, Launch};
use tempfile::TempDir;

use crate::support::{FAILING_START, eventually, scripted, turn};

/// Exit codes of `sysexits.h`.
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const CONFIG: i32 = 78;

fn check_refused(ended: &Ended, code: i32, words: &[&str]) -> Result<()> {
    ensure!(ended.code == Some(code), "expected exit code {code}: {ended:?}");
    for word in words {
        ensure!(ended.stderr.contains(word), "no `{word}` in: {}", ended.stderr);
    }
    ensure!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_replaced_by_the_first_free_one_and_it_says_so() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let pomona = scripted("tokens=4").set("gateway.port", port).start().await?;
    let found: u16 = pomona.api.url.rsplit(':').next().unwrap_or_default().parse()?;
    ensure!((10_000..=10_020).contains(&found), "listens on {found}");
    // The banner follows readiness.
    let named = || async { Ok(pomona.printed().contains(&port.to_string())) };
    eventually("it names the port that was taken", FAILING_START, named).await.map(drop)
}

#[tokio::test]
async fn a_port_that_is_taken_without_a_range_to_search_ends_the_start() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let launch = scripted("tokens=4").set("gateway.port", port).set("gateway.fallback_port_first", 0);
    let ended = launch.run_to_end(FAILING_START).await?;
    check_refused(&ended, UNAVAILABLE, &[&port.to_string()])
}

#[tokio::test]
async fn a_second_pomona_in_the_same_home_is_refused_and_the_first_lives_on() -> Result<()> {
    let home = TempDir::new()?;
    let first = scripted("tokens=4").home(home.path()).start().await?;
    let ended = scripted("tokens=4").home(home.path()).run_to_end(FAILING_START).await?;
    check_refused(&ended, UNAVAILABLE, &[])?;
    let told = ended.stderr.contains(&home.path().display().to_string()) || ended.stderr.contains("already");
    ensure!(told, "no reason: {}", ended.stderr);
    let (status, _) = first.api.chat(&turn("go", 1, 4)).await?;
    ensure!(status == 200);
    Ok(())
}

#[tokio::test]
async fn a_home_is_free_again_after_kill_9() -> Result<()> {
    let home = TempDir::new()?;
    drop(scripted("tokens=4").home(home.path()).start().await?);
    let second = scripted("tokens=4").home(home.path()).start().await?;
    ensure!(second.api.chat(&turn("go", 1, 4)).await?.0 == 200);
    Ok(())
}

#[tokio::test]
async fn two_homes_live_side_by_side_and_do_not_share_keys() -> Result<()> {
    let (one, two) = tokio::try_join!(scripted("tokens=4").start(), scripted("tokens=4").start())?;
    ensure!(one.api.url != two.api.url && one.api.key != two.api.key);
    for pomona in [&one, &two] {
        ensure!(pomona.api.chat(&turn("go", 1, 4)).await?.0 == 200);
    }
    let mut crossed = one.api.clone();
    crossed.key.clone_from(&two.api.key);
    ensure!(crossed.chat(&turn("go", 1, 4)).await?.0 == 401);
    Ok(())
}

#[tokio::test]
async fn a_key_survives_a_restart() -> Result<()> {
    let home = TempDir::new()?;
    let key = scripted("tokens=4").home(home.path()).start().await?.api.key;
    let again = scripted("tokens=4").home(home.path()).start().await?;
    ensure!(again.api.key == key);
    Ok(())
}

#[tokio::test]
async fn a_bad_value_in_the_file_is_named_with_key_value_range_and_line() -> Result<()> {
    let home = TempDir::new()?;
    let file = home.path().join("bad.toml");
    std::fs::write(&file, "[gateway]\n# one too many\nport = 70000\n")?;
    let launch =
        Launch::default().home(home.path()).argument("--config").argument(file.display().to_string());
    let ended = launch.run_to_end(FAILING_START).await?;
    check_refused(&ended, CONFIG, &["gateway.port", "70000", "65535", "bad.toml", "3"])
}

#[tokio::test]
async fn a_bad_value_of_a_flag_is_named_with_the_flag() -> Result<()> {
    let ended = Launch::default().set("turn.attempts_max", 0).run_to_end(FAILING_START).await?;
    check_refused(&ended, CONFIG, &["turn.attempts_max", "0", "--set"])?;
    let ended = Launch::default().set("turn.atempts_max", 3).run_to_end(FAILING_START).await?;
    check_refused(&ended, CONFIG, &["turn.atempts_max", "did you mean turn.attempts_max"])
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_a_usage_error() -> Result<()> {
    for arguments in [&["up", "--no-such-flag"][..], &["sing"]] {
        let ended = Launch::command(arguments).run_to_end(FAILING_START).await?;
        check_refused(&ended, USAGE, &[])?;
    }
    Ok(())
}
