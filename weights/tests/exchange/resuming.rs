//! Fetches that are cut off, and what the next one finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use pomona_protocol::blob::PIECE_BYTES;
use pomona_weights::{FetchError, fetch, remove_abandoned};
use tokio::sync::watch;

use crate::kit::{Behaviour, Home, PIECES, assert_same, limits, noise, shared, take};

fn partial(models: &Path, digest: &str) -> PathBuf {
    models.join(".partial").join(digest)
}

#[tokio::test(start_paused = true)]
async fn when_all_sources_die_the_next_fetch_asks_for_the_rest_alone() {
    let home = Home::new().await;
    let models = tempfile::tempdir().unwrap();
    let dying = ["a", "b"].map(|name| home.source(name, Behaviour::Dies(2)));
    let error = take(&home.wanted(), &dying.each_ref(), models.path()).await.unwrap_err();
    assert!(matches!(error, FetchError::NoSource { what: "pieces", .. }), "{error}");
    let again = home.source("c", Behaviour::Honest);
    let folder = take(&home.wanted(), &[&again], models.path()).await.unwrap();
    assert_same(&folder, &home.folder());
    let before: u64 = dying.iter().map(|source| source.asked()).sum();
    assert_eq!(before, 4);
    assert_eq!(again.asked(), PIECES - before);
    let given: u64 =
        dying.iter().chain([&again]).map(|source| source.bytes_given.load(Ordering::Relaxed)).sum();
    // Frames come on top of the pieces.
    assert!((home.bytes()..home.bytes() + 100 * PIECES).contains(&given), "{given} of {}", home.bytes());
}

/// Fetches until `pieces` are there, then drops the fetch. Whether it was cut.
async fn cut_after(home: &Home, models: &Path, pieces: usize) -> bool {
    let (heard, mut hears) = watch::channel(0);
    let progress = Arc::new(move |_| heard.send_modify(|count| *count += 1));
    let sources = ["a", "b"].map(|name| home.source(name, Behaviour::Honest));
    let fetching = fetch(home.wanted(), shared(&sources.each_ref()), models, limits(), progress);
    tokio::select! {
        biased;
        reached = hears.wait_for(|count| *count > pieces) => reached.is_ok(),
        done = fetching => { done.unwrap(); false }
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_a_fetch_is_cut_the_folder_is_the_same_in_the_end() {
    let home = Home::new().await;
    let digest = home.wanted().digest;
    for seed in 0..10u64 {
        let models = tempfile::tempdir().unwrap();
        let draws = noise(seed + 77, 6);
        for draw in &draws[..3] {
            if !cut_after(&home, models.path(), usize::from(draw % 4)).await {
                break;
            }
            let journal = partial(models.path(), &digest).join("journal");
            if let Ok(bytes) = fs::read(&journal) {
                // A machine that loses power loses the end of what was not synced.
                fs::write(&journal, &bytes[..bytes.len().saturating_sub(usize::from(draws[3] % 12))])
                    .unwrap();
            }
        }
        let folder = take(&home.wanted(), &[&home.source("c", Behaviour::Honest)], models.path()).await;
        assert_same(&folder.unwrap_or_else(|error| panic!("seed {seed}: {error}")), &home.folder());
    }
}

#[tokio::test(start_paused = true)]
async fn a_piece_that_the_disk_lost_is_fetched_again() {
    let home = Home::new().await;
    let models = tempfile::tempdir().unwrap();
    let dying = home.source("a", Behaviour::Dies(6));
    take(&home.wanted(), &[&dying], models.path()).await.unwrap_err();
    let root = partial(models.path(), &home.wanted().digest);
    let file = root.join("files/model-1.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    bytes[PIECE_BYTES as usize + 3] ^= 1;
    fs::write(&file, bytes).unwrap();
    fs::write(root.join("hashes-2"), "garbage").unwrap();
    fs::write(root.join("manifest"), "garbage").unwrap();
    let again = home.source("b", Behaviour::Honest);
    let folder = take(&home.wanted(), &[&again], models.path()).await.unwrap();
    assert_same(&folder, &home.folder());
    assert_eq!(again.asked(), PIECES - dying.asked() + 1);
}

#[tokio::test(start_paused = true)]
async fn two_fetches_of_one_model_do_not_work_on_it_at_once() {
    let home = Home::new().await;
    let models = tempfile::tempdir().unwrap();
    let silent = home.source("a", Behaviour::Stalls(1));
    let good = home.source("b", Behaviour::Honest);
    let (wanted, sources) = (home.wanted(), [&silent]);
    let first = take(&wanted, &sources, models.path());
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        take(&wanted, &[&good], models.path()).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(matches!(first, Err(FetchError::NoSource { .. })), "{first:?}");
    assert!(matches!(second, Err(FetchError::InProgress { .. })), "{second:?}");
    take(&home.wanted(), &[&good], models.path()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_fetch_is_swept_and_a_young_one_is_not() {
    let home = Home::new().await;
    let models = tempfile::tempdir().unwrap();
    take(&home.wanted(), &[&home.source("a", Behaviour::Dies(2))], models.path()).await.unwrap_err();
    let (week, now) = (Duration::from_secs(7 * 86_400), SystemTime::now());
    assert_eq!(remove_abandoned(models.path(), week, now).unwrap(), 0);
    assert_eq!(remove_abandoned(models.path(), week, now + 2 * week).unwrap(), 1);
    assert_eq!(remove_abandoned(models.path(), week, now + 2 * week).unwrap(), 0);
}
