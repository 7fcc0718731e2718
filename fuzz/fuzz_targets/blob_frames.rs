//! What a neighbour answers when weights are asked for, and what makes a manifest acceptable.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use pomona_fuzz::frames;
use pomona_protocol::blob::{BLOB_ANSWER_FRAME_BYTES_MAX, BLOB_FILES_MAX, BLOB_MODEL_BYTES_MAX};
use pomona_protocol::{BlobAnswer, BlobManifest};
use pomona_weights::{check_manifest, manifest_digest};

fuzz_target!(|data: &[u8]| {
    for answer in frames::<BlobAnswer>(data, BLOB_ANSWER_FRAME_BYTES_MAX) {
        let BlobAnswer::Manifest(manifest) = answer else { continue };
        match check_manifest(&manifest) {
            Ok(()) => holds(&manifest),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

/// What whoever makes the files relies on.
fn holds(manifest: &BlobManifest) {
    assert!((1..=BLOB_FILES_MAX).contains(&manifest.files.len()));
    assert!(
        manifest.files.iter().map(|file| u128::from(file.bytes)).sum::<u128>() <= BLOB_MODEL_BYTES_MAX.into()
    );
    assert!(manifest.files.windows(2).all(|pair| pair[0].path < pair[1].path));
    for file in &manifest.files {
        let path = Path::new(&file.path);
        assert!(
            path.components().all(|part| matches!(part, Component::Normal(_))),
            "{path:?} leaves the folder"
        );
        assert!(path.components().count() > 0 && !file.path.contains(['\\', '\0', ':']), "{path:?}");
    }
    assert_eq!(manifest_digest(manifest), manifest_digest(&manifest.clone()));
}
