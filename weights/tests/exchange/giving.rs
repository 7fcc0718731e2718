//! The giver: what it refuses, how many it serves, how fast.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pomona_config::WeightsConfig;
use pomona_protocol::blob::PIECE_BYTES;
use pomona_protocol::{BlobRequest, Cause};
use pomona_weights::{GiveError, GiveLimits, Given, Giver};
use tokio::io::{AsyncReadExt, duplex, sink};
use tokio::time::Instant;

use crate::kit::{Behaviour, Home, assert_same, take};

/// The large file of the model.
const LARGE: u32 = 2;

fn range(home: &Home, offset: u64, length: u64) -> BlobRequest {
    BlobRequest::Range { digest: home.wanted().digest, file: LARGE, offset, length }
}

fn limits(busy: u64, idle: u64, transfers_max: u32) -> GiveLimits {
    GiveLimits::from(&WeightsConfig {
        busy_bytes_per_s_max: busy,
        idle_bytes_per_s_max: idle,
        transfers_max,
        ..WeightsConfig::default()
    })
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_a_reason() {
    let home = Home::new().await;
    let digest = home.wanted().digest;
    for (request, code) in [
        (BlobRequest::Manifest { model: "quince".into() }, "model_not_found"),
        (BlobRequest::PieceHashes { digest: "0".repeat(64), file: 0 }, "model_not_found"),
        (BlobRequest::PieceHashes { digest: "../..".to_owned(), file: 0 }, "invalid_request"),
        (BlobRequest::PieceHashes { digest: digest.clone(), file: 99 }, "invalid_request"),
        (BlobRequest::Range { digest, file: u32::MAX, offset: 0, length: 1 }, "invalid_request"),
        (range(&home, 0, 0), "invalid_request"),
        (range(&home, 0, PIECE_BYTES + 1), "invalid_request"),
        (range(&home, u64::MAX, 1), "invalid_request"),
        (range(&home, 4 * PIECE_BYTES + 5, 1), "invalid_request"),
    ] {
        let given = home.giver.serve(request.clone(), &home.catalog, sink()).await.unwrap();
        let Given::Refused(cause) = given else { panic!("{request:?}: {given:?}") };
        assert_eq!(cause.code(), code, "{request:?}");
    }
}

#[tokio::test]
async fn a_file_that_changed_is_not_given() {
    let home = Home::new().await;
    std::fs::write(home.folder().join("model-1.safetensors"), "short").unwrap();
    let given = home.giver.serve(range(&home, 0, 4), &home.catalog, sink()).await.unwrap();
    assert!(matches!(given, Given::Refused(Cause::ModelUnavailable { .. })), "{given:?}");
}

#[tokio::test(start_paused = true)]
async fn one_transfer_too_many_is_refused_and_a_dropped_one_gives_its_place_back() {
    let home = Home::with(limits(0, 0, 1)).await;
    let (mut taker, pipe) = duplex(16);
    {
        let serving = home.giver.serve(range(&home, 0, 1000), &home.catalog, pipe);
        let second = async {
            taker.read_u8().await.unwrap();
            home.giver.serve(range(&home, 0, 1), &home.catalog, sink()).await.unwrap()
        };
        tokio::select! {
            _ = serving => panic!("nobody read it"),
            given = second => assert!(matches!(given, Given::Refused(Cause::Overloaded { limit: 1, .. })), "{given:?}"),
        }
    }
    assert_eq!(home.giver.serve(range(&home, 0, 1), &home.catalog, sink()).await.unwrap(), Given::Bytes(1));
}

#[tokio::test(start_paused = true)]
async fn a_taker_that_never_reads_is_given_up() {
    let home = Home::new().await;
    let (_taker, pipe) = duplex(16);
    let error = home.giver.serve(range(&home, 0, 1000), &home.catalog, pipe).await.unwrap_err();
    assert!(matches!(error, GiveError::Unread { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn sources_that_are_full_are_asked_again_later() {
    let home = Home::with(limits(0, 0, 1)).await;
    let models = tempfile::tempdir().unwrap();
    let folder = take(&home.wanted(), &[&home.source("a", Behaviour::Honest)], models.path()).await.unwrap();
    assert_same(&folder, &home.folder());
}

/// Virtual time that four pieces take, over four transfers at once.
async fn time_of_four(home: &Home, giver: &Giver) -> Duration {
    let start = Instant::now();
    let serve =
        |number: u64| giver.serve(range(home, number * PIECE_BYTES, PIECE_BYTES), &home.catalog, sink());
    let (a, b, c, d) = tokio::join!(serve(0), serve(1), serve(2), serve(3));
    for given in [a, b, c, d] {
        assert_eq!(given.unwrap(), Given::Bytes(PIECE_BYTES));
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn all_transfers_together_keep_the_rate() {
    let home = Home::new().await;
    let giver = Giver::new(limits(1024 * 1024, 0, 8), || true);
    let took = time_of_four(&home, &giver).await.as_secs_f64();
    assert!((12.0..24.0).contains(&took), "16 MiB at 1 MiB/s took {took} s of virtual time");
}

#[tokio::test(start_paused = true)]
async fn the_rate_changes_while_a_transfer_runs() {
    let home = Home::new().await;
    let busy = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&busy);
    let giver = Giver::new(limits(65_536, 0, 8), move || asked.load(Ordering::Relaxed));
    let calm = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        busy.store(false, Ordering::Relaxed);
    };
    let (took, ()) = tokio::join!(time_of_four(&home, &giver), calm);
    let took = took.as_secs_f64();
    // At the first rate it would take 256 s.
    assert!((9.0..20.0).contains(&took), "took {took} s of virtual time");
}
