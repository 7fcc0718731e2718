//! Honest sources.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pomona_weights::{Catalog, FetchError, TakeLimits, fetch};

use crate::kit::{Behaviour, Home, MODEL, PIECES, assert_same, limits, shared, take};

#[tokio::test(start_paused = true)]
async fn several_sources_share_the_work_and_the_folder_is_the_same() {
    let home = Home::new().await;
    let sources = ["a", "b", "c"].map(|name| home.source(name, Behaviour::Honest));
    let models = tempfile::tempdir().unwrap();
    let folder = take(&home.wanted(), &sources.each_ref(), models.path()).await.unwrap();
    assert_eq!(folder, models.path().join("orchard--pear"));
    assert_same(&folder, &home.folder());
    let asked: Vec<u64> = sources.iter().map(|source| source.asked()).collect();
    assert_eq!(asked.iter().sum::<u64>(), PIECES, "{asked:?}");
    assert!(asked.iter().all(|asked| *asked > 0), "{asked:?}");
    assert_eq!(std::fs::read_dir(models.path().join(".partial")).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fast_source_does_more() {
    let home = Home::new().await;
    let slow = home.source("slow", Behaviour::Slow(Duration::from_millis(900)));
    let fast = home.source("fast", Behaviour::Slow(Duration::from_millis(100)));
    let models = tempfile::tempdir().unwrap();
    let folder = take(&home.wanted(), &[&slow, &fast], models.path()).await.unwrap();
    assert_same(&folder, &home.folder());
    assert!(fast.asked() > 2 * slow.asked(), "{} and {}", fast.asked(), slow.asked());
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_is_a_model_of_the_catalog_under_its_own_name() {
    let home = Home::new().await;
    let source = home.source("a", Behaviour::Honest);
    let data = tempfile::tempdir().unwrap();
    let catalog = Catalog::new(data.path());
    std::fs::create_dir_all(catalog.models_folder().join("orchard--pear")).unwrap();
    let folder = take(&home.wanted(), &[&source], catalog.models_folder()).await.unwrap();
    assert!(folder.ends_with(format!("orchard--pear-{}", &home.wanted().digest[..8])), "{folder:?}");
    assert!(catalog.rescan(Arc::new(|_, _| {})).await.is_empty());
    let local = catalog.model(&MODEL.into()).unwrap();
    assert_eq!(local.digest().unwrap().to_string(), home.wanted().digest);
    let asked = source.asked();
    assert_eq!(take(&home.wanted(), &[&source], catalog.models_folder()).await.unwrap(), folder);
    assert_eq!(source.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn progress_grows_to_the_whole() {
    let home = Home::new().await;
    let models = tempfile::tempdir().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let sources = shared(&[&home.source("a", Behaviour::Honest)]);
    let progress = Arc::new(move |done| hears.lock().unwrap().push(done));
    fetch(home.wanted(), sources, models.path(), limits(), progress).await.unwrap();
    let heard = heard.lock().unwrap();
    assert!(heard.is_sorted_by_key(|progress| progress.bytes_done));
    assert_eq!(heard[0].bytes_done, 0);
    assert_eq!(heard[heard.len() - 1].bytes_done, home.bytes());
    assert_eq!(heard.len() as u64, PIECES + 1);
}

#[tokio::test(start_paused = true)]
async fn no_room_is_said_with_the_numbers_before_the_first_piece() {
    let home = Home::new().await;
    let source = home.source("a", Behaviour::Honest);
    let models = tempfile::tempdir().unwrap();
    let limits = TakeLimits { disk_reserve_bytes: 1 << 60, ..limits() };
    let outcome = fetch(home.wanted(), shared(&[&source]), models.path(), limits, Arc::new(|_| {})).await;
    let Err(FetchError::NoSpace { bytes_needed, bytes_free, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(bytes_needed, home.bytes() + (1 << 60));
    assert!(bytes_free > 0);
    assert_eq!(source.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_lost_a_file_is_fetched_again_beside_it() {
    let home = Home::new().await;
    let source = home.source("a", Behaviour::Honest);
    let models = tempfile::tempdir().unwrap();
    let first = take(&home.wanted(), &[&source], models.path()).await.unwrap();
    std::fs::remove_file(first.join("onnx/a")).unwrap();
    let second = take(&home.wanted(), &[&source], models.path()).await.unwrap();
    assert_ne!(first, second);
    assert_same(&second, &home.folder());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_and_a_gift_may_move_between_threads() {
    let home = Home::new().await;
    let models = tempfile::tempdir().unwrap();
    let request = pomona_protocol::BlobRequest::Manifest { model: MODEL.into() };
    let mut tasks = tokio::task::JoinSet::new();
    let (giver, catalog) = (Arc::clone(&home.giver), Arc::clone(&home.catalog));
    tasks.spawn(async move { giver.serve(request, &catalog, tokio::io::sink()).await.is_ok() });
    let (wanted, sources) = (home.wanted(), shared(&[&home.source("a", Behaviour::Honest)]));
    let folder = models.path().to_owned();
    tasks.spawn(async move { fetch(wanted, sources, &folder, limits(), Arc::new(|_| {})).await.is_ok() });
    let rescanned = Catalog::new(models.path());
    tasks.spawn(async move { rescanned.rescan(Arc::new(|_, _| {})).await.is_empty() });
    assert_eq!(tasks.join_all().await, [true; 3]);
}
