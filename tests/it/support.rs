//! What the tests share: the test engine, seeds, and patience with a limit.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use pomona_tests::cluster::Builder;
use pomona_tests::random::Random;
use pomona_tests::{Cluster, Launch, Socket};
use serde_json::{Value, json};

/// Longest time that a start which must fail may take.
pub(crate) const FAILING_START: Duration = Duration::from_secs(30);

/// The scripted engine.
pub(crate) fn engine() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_test-engine"))
}

/// `pomona up` with the scripted engine, restarting without long pauses.
pub(crate) fn scripted(script: &str) -> Launch {
    eager(Launch::default()).engine(engine(), script)
}

/// A cluster whose nodes run the scripted engine.
pub(crate) fn fleet(script: &str) -> Builder {
    Cluster::builder().engine(engine(), script)
}

/// A WebSocket that tells when a turn goes on elsewhere.
pub(crate) async fn telling_socket(cluster: &Cluster) -> Result<Socket> {
    Socket::connect(&cluster.api().clone().telling_resumed()).await
}

/// Restarts soon and often: these tests are about what happens between.
pub(crate) fn eager(launch: Launch) -> Launch {
    launch.set("restart.max_attempts", 1000).set("restart.base_ms", 10).set("restart.max_ms", 50)
}

/// The body of a turn with a seed; the words are for the scripted engine.
pub(crate) fn turn(words: &str, seed: u64, tokens: u32) -> Value {
    json!({
        "model": "sprout",
        "messages": [{"role": "user", "content": words}],
        "seed": seed,
        "max_tokens": tokens,
    })
}

/// Whether heavy counts were asked for.
pub(crate) fn full() -> bool {
    std::env::var_os("POMONA_TEST_FULL").is_some()
}

/// Numbers from `POMONA_TEST_SEED`, else from the clock; says which.
pub(crate) fn announced() -> Random {
    let given = std::env::var("POMONA_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = given.unwrap_or(clock.as_nanos() as u64 % 1_000_000_007);
    println!("repeat with POMONA_TEST_SEED={seed}");
    Random::new(seed)
}

/// Looks until `condition` holds; says how long that took.
pub(crate) async fn eventually<F>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> F,
) -> Result<Duration>
where
    F: Future<Output = Result<bool>>,
{
    let started = Instant::now();
    while !condition().await? {
        if started.elapsed() > limit {
            bail!("not within {limit:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(started.elapsed())
}

/// Whether there are network namespaces; says why not.
pub(crate) fn has_hosts() -> bool {
    match pomona_tests::netns::available() {
        None => true,
        Some(why) => {
            println!("skipped: {why}");
            false
        }
    }
}
