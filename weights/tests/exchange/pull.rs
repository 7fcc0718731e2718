//! Pulling from a hub that means well: what comes, that it comes whole, that nothing is asked for twice. The rule
//! behind all of it: a model is in its place whole and proven, or not at all.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pomona_weights::hub::{
    Endpoint, Order, PullError, PullEvent, PullLimits, Pulled, VerifyProblem, pull, verify,
};

use crate::fake_hub::Trick;
use crate::pull_kit::{PIECE, Site, files, limits};

#[tokio::test]
async fn what_serving_needs_comes_whole_and_is_not_taken_twice() {
    let files = files(2 * PIECE + 12_345);
    let site = Site::new(&files).await;
    let pulled = site.pull().await.unwrap();
    assert_eq!((pulled.model.0.as_str(), pulled.files, pulled.was_there), ("apple", 3, false));
    assert!(site.is_whole(&files) && !site.place().join("README.md").exists());
    assert!(verify(&pulled.folder, &|_| {}).unwrap().problems.is_empty());
    let asked = site.asked("resolve");
    let again = site.pull().await.unwrap();
    assert!(again.was_there && site.asked("resolve") == asked);
    let offered = pomona_weights::hash_folder(&pulled.folder, &|_| {}).unwrap();
    let label = fs::read_to_string(pulled.folder.join(".pomona.json")).unwrap();
    assert!(label.contains(&offered.digest.to_string()), "members know it by its content");
}

#[tokio::test]
async fn a_stream_that_is_cut_is_gone_on_with() {
    let files = files(3 * PIECE);
    let site = Site::new(&files).await;
    site.hub.play("model.safetensors", Trick::Cut(PIECE / 2), 3);
    site.hub.play("tokenizer.json", Trick::Cut(0), 1);
    site.pull().await.unwrap();
    assert!(site.is_whole(&files));
    let retries = site.events.lock().unwrap().iter().filter(|e| matches!(e, PullEvent::Retry { .. })).count();
    assert_eq!(retries, 4);
}

#[tokio::test]
async fn what_was_proven_is_not_asked_for_again() {
    let files = files(4 * PIECE);
    let site = Site::new(&files).await;
    site.hub.play("model.safetensors", Trick::Cut(PIECE + PIECE / 2), u32::MAX);
    let whole = PullLimits { span_pieces_max: 2, ..limits() };
    // Every question brings one piece of two and is cut in the second; the fourth piece comes that way as well.
    site.pull_as("owner/apple", None, whole.clone()).await.unwrap();
    assert!(site.is_whole(&files));
    let ranges: Vec<_> = site.hub.asked().iter().filter_map(|asked| asked.range.clone()).collect();
    assert_eq!(ranges.iter().filter(|range| range.starts_with("bytes=0-")).count(), 3, "{ranges:?}");
}

#[tokio::test]
async fn a_pull_that_was_dropped_is_gone_on_with() {
    let files = files(6 * PIECE);
    let site = Site::new(&files).await;
    let one = PullLimits { streams_max: 1, ..limits() };
    let stops = Arc::new(tokio::sync::Notify::new());
    {
        let endpoint = Endpoint::new(&site.hub.url(), None).await.unwrap();
        let order =
            Order { reference: "owner/apple".parse().unwrap(), pattern: None, model: None, into: None };
        let stop = Arc::clone(&stops);
        let hear = Arc::new(move |event| {
            if matches!(event, PullEvent::Progress { bytes_done, .. } if bytes_done >= 2 * PIECE as u64) {
                stop.notify_one();
            }
        });
        tokio::select! {
            _ = pull(order, endpoint, site.models.path(), one.clone(), hear) => panic!("it was to be dropped"),
            () = stops.notified() => {}
        }
    }
    assert!(!site.place().exists(), "nothing is in its place before it is whole");
    let before = site.asked("model.safetensors");
    site.pull_as("owner/apple", None, PullLimits { lock_wait_max: Duration::from_secs(5), ..one })
        .await
        .unwrap();
    assert!(site.is_whole(&files));
    assert!(site.asked("model.safetensors") - before <= 5, "at least one of six pieces was there");
}

#[tokio::test]
async fn a_hub_that_is_busy_or_broken_is_asked_again() {
    let files = files(PIECE);
    let site = Site::new(&files).await;
    site.hub.play("/api/", Trick::Status(503, None), 2);
    site.hub.play("model.safetensors", Trick::Status(429, Some(0)), 2);
    site.hub.play("config.json", Trick::Status(500, None), 2);
    site.hub.play("tokenizer.json", Trick::Stall(100), 1);
    let limits = PullLimits { stall_max: Duration::from_millis(1500), ..limits() };
    site.pull_as("owner/apple", None, limits).await.unwrap();
    assert!(site.is_whole(&files));
    let told = site
        .events
        .lock()
        .unwrap()
        .iter()
        .any(|event| matches!(event, PullEvent::Retry { message, .. } if message.contains("HTTP 429")));
    assert!(told);
}

#[tokio::test]
async fn a_hub_that_never_answers_is_given_up() {
    let site = Site::new(&files(PIECE)).await;
    site.hub.play("model.safetensors", Trick::Status(500, None), u32::MAX);
    let error = site.pull().await.unwrap_err();
    assert!(matches!(&error, PullError::GaveUp { failures: 4, .. }), "{error}");
    site.hub.behave();
    site.hub.play("/api/", Trick::Cut(3), u32::MAX);
    assert!(matches!(site.pull().await, Err(PullError::GaveUp { .. })));
}

#[tokio::test]
async fn a_hub_that_ignores_ranges_is_read_from_the_start() {
    let files = files(3 * PIECE + 1);
    let site = Site::new(&files).await;
    site.hub.play("resolve", Trick::IgnoreRange, u32::MAX);
    site.pull().await.unwrap();
    assert!(site.is_whole(&files));
}

#[tokio::test]
async fn a_newer_state_replaces_an_older_one_and_a_strange_folder_stays() {
    let files = files(PIECE);
    let site = Site::new(&files).await;
    site.pull().await.unwrap();
    site.hub.put("config.json", br#"{"model_type":"qwen3"}"#.to_vec());
    assert!(!site.pull().await.unwrap().was_there);
    assert!(fs::read_to_string(site.place().join("config.json")).unwrap().contains("qwen3"));
    let error = site.pull_as("someone/apple", None, limits()).await.unwrap_err();
    assert!(matches!(error, PullError::Occupied { .. }), "{error}");
    let order = Order {
        reference: "someone/apple".parse().unwrap(),
        pattern: None,
        model: Some("pear".into()),
        into: None,
    };
    let pulled = site.order(order, None, site.models.path(), limits()).await.unwrap();
    assert_eq!(pulled.folder, site.models.path().join("pear"));
}

#[tokio::test]
async fn a_folder_that_was_damaged_is_found_out() {
    let site = Site::new(&files(PIECE)).await;
    let folder = site.pull().await.unwrap().folder;
    let mut bytes = fs::read(folder.join("model.safetensors")).unwrap();
    bytes[PIECE / 2] ^= 1;
    fs::write(folder.join("model.safetensors"), &bytes).unwrap();
    fs::remove_file(folder.join("tokenizer.json")).unwrap();
    fs::write(folder.join("config.json"), b"{}").unwrap();
    let problems = verify(&folder, &|_| {}).unwrap().problems;
    assert!(
        matches!(
            problems.as_slice(),
            [VerifyProblem::Size { .. }, VerifyProblem::Hash { .. }, VerifyProblem::Unreadable { .. }]
        ),
        "{problems:?}"
    );
}

#[tokio::test]
async fn one_quantisation_is_taken_into_the_folder_that_was_named() {
    let gguf = |fill: u8| [b"GGUF".to_vec(), vec![fill; 10_000]].concat();
    let site = Site::new(&[("m-Q4_K_M.gguf", gguf(1)), ("m-Q8_0.gguf", gguf(2))]).await;
    let into = site.models.path().join("deep/er/here");
    let order = Order {
        reference: "owner/m-GGUF".parse().unwrap(),
        pattern: Some("*q8*".to_owned()),
        model: None,
        into: Some(into.clone()),
    };
    let pulled = site.order(order, None, Path::new("/nowhere"), limits()).await.unwrap();
    assert_eq!((pulled.model.0.as_str(), &pulled.folder), ("m-Q8_0", &into));
    assert_eq!(fs::read(into.join("m-Q8_0.gguf")).unwrap(), gguf(2));
}

#[tokio::test]
async fn the_same_files_are_pulled_once_at_a_time() {
    let site = Site::new(&files(2 * PIECE)).await;
    site.hub.play("model.safetensors", Trick::Slow(Duration::from_millis(40)), u32::MAX);
    let (one, other) = tokio::join!(site.pull(), site.pull());
    let in_progress = |result: &Result<Pulled, PullError>| matches!(result, Err(PullError::InProgress));
    assert!(in_progress(&one) != in_progress(&other), "{one:?} {other:?}");
    assert!(one.is_ok() || other.is_ok());
}
