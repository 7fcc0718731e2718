//! The tier against a real folder: what it keeps, what it lets go, and how it fails.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

const BLOCK_BYTES: usize = 1000;

fn model(folder: &Path, weights: &[u8]) -> PathBuf {
    let model = folder.join("model");
    fs::create_dir_all(&model).unwrap();
    fs::write(model.join("config.json"), "{}").unwrap();
    fs::write(model.join("model.safetensors"), weights).unwrap();
    model
}

/// A tier that has found out what is there.
fn start(folder: &Path, weights: &[u8], bytes_max: u64) -> Tier {
    let format = BlockFormat { name: "test".to_owned(), bytes: BLOCK_BYTES };
    let (root, model_dir) = (folder.join("prefix"), model(folder, weights));
    let tier = Tier::start(TierOptions { root, bytes_max, model_dir, format });
    wait(|| !tier.is_opening());
    tier
}

fn wait(is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "nothing happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn key(name: u8) -> PrefixKey {
    PrefixKey([name; 32])
}

fn fetch(tier: &Tier, names: &[u8]) -> Vec<Vec<u8>> {
    tier.fetch(names.iter().map(|name| key(*name)).collect()).iter().collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let models = fs::read_dir(folder.join("prefix")).unwrap();
    let files = models.flat_map(|model| fs::read_dir(model.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn blocks_survive_a_restart_for_the_same_weights_alone() {
    let folder = tempfile::tempdir().unwrap();
    let tier = start(folder.path(), b"weights", 1 << 20);
    assert!(tier.wants(&key(1)));
    for name in 1..=20 {
        tier.save(key(name), vec![name; BLOCK_BYTES]);
    }
    assert!(!tier.wants(&key(1)), "it waits to be written already");
    drop(tier);
    assert_eq!(files(folder.path()).len(), 2, "blocks share files");
    let tier = start(folder.path(), b"weights", 1 << 20);
    assert_eq!(tier.count(&[key(1), key(20), key(21), key(2)]), 2);
    assert_eq!(fetch(&tier, &[20, 3, 21, 4]), [vec![20; BLOCK_BYTES], vec![3; BLOCK_BYTES]]);
    assert!(tier.read_micros().is_some() && !tier.wants(&key(7)));
    let other = start(folder.path(), b"Weights", 1 << 20);
    assert_eq!(other.count(&[key(1)]), 0, "one byte makes another model");
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    for name in 1..=5 {
        let tier = start(folder.path(), b"weights", 6000);
        tier.save(key(name), vec![name; BLOCK_BYTES]);
        drop(tier);
        // File times are as coarse as the clock's ticks.
        std::thread::sleep(Duration::from_millis(20));
        fetch(&start(folder.path(), b"weights", 6000), &[1]);
    }
    let tier = start(folder.path(), b"weights", 6000);
    let kept: Vec<u8> = (1..=5).filter(|name| tier.count(&[key(*name)]) == 1).collect();
    assert_eq!((kept.len(), kept[0], kept[kept.len() - 1]), (4, 1, 5), "{kept:?}");
}

#[test]
fn a_damaged_file_is_removed_and_counted_and_never_used() {
    let folder = tempfile::tempdir().unwrap();
    let tier = start(folder.path(), b"weights", 1 << 20);
    (1..=3).for_each(|name| tier.save(key(name), vec![name; BLOCK_BYTES]));
    drop(tier);
    let tier = start(folder.path(), b"weights", 1 << 20);
    let path = files(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(fetch(&tier, &[1, 2, 3]).len(), 2, "the third is damaged");
    assert_eq!((tier.broken_files(), tier.count(&[key(1)]), tier.is_on()), (1, 0, true));
    assert!(!path.exists());
    fs::write(&path, &bytes[..100]).unwrap();
    let tier = start(folder.path(), b"weights", 1 << 20);
    assert_eq!((tier.broken_files(), tier.count(&[key(1)]), path.exists()), (1, 0, false));
}

#[test]
fn a_file_that_another_engine_removed_is_only_missed() {
    let folder = tempfile::tempdir().unwrap();
    let tier = start(folder.path(), b"weights", 1 << 20);
    tier.save(key(1), vec![1; BLOCK_BYTES]);
    wait(|| tier.count(&[key(1)]) == 1);
    fs::remove_file(files(folder.path()).remove(0)).unwrap();
    assert!(fetch(&tier, &[1]).is_empty());
    assert_eq!((tier.broken_files(), tier.is_on(), tier.wants(&key(1))), (0, true, true));
}

#[test]
fn a_disk_that_fails_turns_the_tier_off_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("prefix"), "not a folder").unwrap();
    let tier = start(folder.path(), b"weights", 1 << 20);
    assert!(!tier.is_on() && !tier.wants(&key(1)));
    tier.save(key(1), vec![1; BLOCK_BYTES]);
    assert!(fetch(&tier, &[1]).is_empty());
    assert!(!start(tempfile::tempdir().unwrap().path(), b"weights", 10).is_on(), "a block has no room");

    let folder = tempfile::tempdir().unwrap();
    let tier = start(folder.path(), b"weights", 1 << 20);
    fs::remove_dir_all(folder.path().join("prefix")).unwrap();
    tier.save(key(1), vec![1; BLOCK_BYTES]);
    wait(|| !tier.is_on());
}
