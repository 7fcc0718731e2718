//! Sources that lie, die, stall or talk nonsense: alone they make an error, beside an honest one a detour.

use pomona_protocol::{BlobFile, BlobManifest};
use pomona_weights::{Digest, FetchError, Wanted, manifest_digest};

use crate::kit::{Behaviour, Home, MODEL, assert_same, take};

fn behaviours() -> Vec<Behaviour> {
    let other = BlobManifest { files: vec![file("other", 0)] };
    vec![
        Behaviour::Lies,
        Behaviour::LiesAboutHashes,
        Behaviour::Dies(0),
        Behaviour::Dies(1),
        Behaviour::Stalls(0),
        Behaviour::Stalls(1),
        Behaviour::Truncates,
        Behaviour::Overdoes,
        Behaviour::Garbage,
        Behaviour::EndlessFrame,
        Behaviour::Manifest(other),
        Behaviour::Silent,
    ]
}

fn file(path: &str, bytes: u64) -> BlobFile {
    BlobFile { path: path.to_owned(), bytes, digest: Digest::of_pieces(&[]).to_string() }
}

#[tokio::test(start_paused = true)]
async fn beside_an_honest_source_a_bad_one_changes_nothing() {
    let home = Home::new().await;
    for behaviour in behaviours() {
        let models = tempfile::tempdir().unwrap();
        let (bad, good) = (home.source("bad", behaviour.clone()), home.source("good", Behaviour::Honest));
        let folder = take(&home.wanted(), &[&bad, &good], models.path()).await;
        let folder = folder.unwrap_or_else(|error| panic!("{behaviour:?}: {error}"));
        assert_same(&folder, &home.folder());
    }
}

#[tokio::test(start_paused = true)]
async fn alone_a_bad_source_is_given_up_and_named() {
    let home = Home::new().await;
    for behaviour in behaviours() {
        let models = tempfile::tempdir().unwrap();
        let bad = home.source("badger", behaviour.clone());
        let error = take(&home.wanted(), &[&bad], models.path()).await.unwrap_err();
        assert!(matches!(error, FetchError::NoSource { .. }), "{behaviour:?}: {error}");
        assert!(error.to_string().contains("badger: "), "{behaviour:?}: {error}");
        assert!(!models.path().join("orchard--pear").exists());
    }
}

#[tokio::test(start_paused = true)]
async fn a_liar_is_not_asked_again() {
    let home = Home::new().await;
    let models = tempfile::tempdir().unwrap();
    let (liar, good) = (home.source("liar", Behaviour::Lies), home.source("good", Behaviour::Honest));
    take(&home.wanted(), &[&liar, &good], models.path()).await.unwrap();
    assert!(liar.asked() <= 2, "{}", liar.asked());
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_leaves_its_folder_is_refused_even_under_its_own_digest() {
    let home = Home::new().await;
    let many: Vec<BlobFile> = (0..5000).map(|number| file(&format!("{number:07}"), 0)).collect();
    for files in [
        vec![file("../evil", 0)],
        vec![file("/evil", 0)],
        vec![file("a\\..\\evil", 0)],
        vec![file("a\0", 0)],
        vec![file(".pomona.json", 0)],
        vec![file("a", 0), file("a/b", 0)],
        vec![file("a", u64::MAX)],
        many,
        vec![],
    ] {
        let manifest = BlobManifest { files };
        let wanted = Wanted { model: MODEL.into(), digest: manifest_digest(&manifest).to_string() };
        let outside = tempfile::tempdir().unwrap();
        let models = outside.path().join("models");
        let error =
            take(&wanted, &[&home.source("a", Behaviour::Manifest(manifest))], &models).await.unwrap_err();
        assert!(matches!(error, FetchError::Manifest { .. }), "{error}");
        let left: Vec<_> = std::fs::read_dir(outside.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_manifest_of_a_million_files_is_no_answer() {
    let home = Home::new().await;
    let manifest = BlobManifest { files: vec![file("a", 0); 1_000_000] };
    let wanted = Wanted { model: MODEL.into(), digest: manifest_digest(&manifest).to_string() };
    let models = tempfile::tempdir().unwrap();
    let error =
        take(&wanted, &[&home.source("a", Behaviour::Manifest(manifest))], models.path()).await.unwrap_err();
    assert!(error.to_string().contains("at most 1048576"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_makes_no_folder_is_refused_before_anything_is_made() {
    let home = Home::new().await;
    let outside = tempfile::tempdir().unwrap();
    let models = outside.path().join("models");
    for (model, digest) in [
        ("..", home.wanted().digest),
        ("", home.wanted().digest),
        ("a\0b", home.wanted().digest),
        (MODEL, "../../etc".to_owned()),
    ] {
        let wanted = Wanted { model: model.into(), digest };
        let error = take(&wanted, &[], &models).await.unwrap_err();
        assert!(matches!(error, FetchError::Name { .. } | FetchError::Digest(_)), "{error}");
        assert!(!models.exists());
    }
}
