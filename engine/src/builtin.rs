//! The built-in model: a checkpoint inside the binary, so that a fresh machine answers without a download.
//!
//! The node calls [`materialise`] before it starts an engine on the built-in model; from then on it is an
//! ordinary folder. How the model was made stands in `engine/sprout`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What clients call the built-in model.
pub const NAME: &str = "sprout";

type File = (&'static str, &'static [u8]);

const FILES: [File; 5] = [
    ("config.json", include_bytes!("../sprout/model/config.json")),
    ("generation_config.json", include_bytes!("../sprout/model/generation_config.json")),
    ("tokenizer.json", include_bytes!("../sprout/model/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../sprout/model/tokenizer_config.json")),
    ("model.safetensors", include_bytes!("../sprout/model/model.safetensors")),
];

/// Tries to put a folder in its place; each lost race means that another process has just put its own there.
const RENAMES_MAX: usize = 8;

/// Makes sure that the built-in model lies in `data_dir/models/sprout-<hash>`, byte for byte, and returns that
/// folder. Safe against concurrent starts: the folder appears at once and whole.
pub fn materialise(data_dir: &Path) -> io::Result<PathBuf> {
    materialise_files(&data_dir.join("models"), &FILES)
}

fn materialise_files(models_dir: &Path, files: &[File]) -> io::Result<PathBuf> {
    let name = format!("{NAME}-{:08x}", fnv1a(files) as u32);
    let folder = models_dir.join(&name);
    if is_whole(&folder, files) {
        return Ok(folder);
    }
    fs::create_dir_all(models_dir)?;
    // One process at a time: between finding a broken copy and moving it away, another one may have put a whole one
    // there. Where folders cannot be locked, the checks below have to do.
    let _one_at_a_time = fs::File::open(models_dir).and_then(|models| models.lock().map(|()| models));
    if is_whole(&folder, files) {
        return Ok(folder);
    }
    let fresh = aside(models_dir, &name, "new")?;
    let placed = write_files(&fresh, files).and_then(|()| place(&fresh, &folder, files));
    if placed.is_err() || fresh.exists() {
        // Another process was first, or the disk is full; nothing depends on what is left.
        let _ = fs::remove_dir_all(&fresh);
    }
    placed.map(|()| folder)
}

/// Moves `fresh` to `folder`, which may hold a broken copy, or a whole one that has come in between.
fn place(fresh: &Path, folder: &Path, files: &[File]) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..RENAMES_MAX {
        result = fs::rename(fresh, folder);
        if result.is_ok() || is_whole(folder, files) {
            return Ok(());
        }
        if !folder.exists() {
            break;
        }
        let models_dir = folder.parent().unwrap_or(folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let broken = aside(models_dir, &name, "broken")?;
        // Another process may have moved it first; then there is nothing left to remove.
        let _ = fs::rename(folder, broken.join("was"));
        let _ = fs::remove_dir_all(broken);
    }
    result
}

/// A new folder beside the wanted one that no other process and no earlier start has.
fn aside(models_dir: &Path, name: &str, purpose: &str) -> io::Result<PathBuf> {
    let process = std::process::id();
    for number in 0..u32::MAX {
        let path = models_dir.join(format!(".{name}-{purpose}-{process}-{number}"));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn write_files(folder: &Path, files: &[File]) -> io::Result<()> {
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

/// Sizes are compared first, so that a cut-off file costs nothing to find.
fn is_whole(folder: &Path, files: &[File]) -> bool {
    let has_size = |(name, bytes): &File| {
        fs::metadata(folder.join(name)).is_ok_and(|metadata| metadata.len() == bytes.len() as u64)
    };
    let has_bytes = |(name, bytes): &File| fs::read(folder.join(name)).is_ok_and(|found| found == *bytes);
    files.iter().all(has_size) && files.iter().all(has_bytes)
}

/// Tells versions apart in a folder's name (Fowler, Noll, Vo: FNV-1a, 64 bit). Damage is found by comparing.
fn fnv1a(files: &[File]) -> u64 {
    let bytes = files.iter().flat_map(|(name, bytes)| name.as_bytes().iter().chain(*bytes));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: [File; 2] = [("a.json", b"{}"), ("b.bin", b"bytes")];

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_folder_is_whole_and_nothing_else_is_left() {
        let models = tempfile::tempdir().unwrap();
        let folder = materialise_files(models.path(), &SMALL).unwrap();
        assert_eq!(names(&folder), ["a.json", "b.bin"]);
        assert_eq!(names(models.path()).len(), 1);
        assert_eq!(materialise_files(models.path(), &SMALL).unwrap(), folder);
    }

    #[test]
    fn a_damaged_copy_is_replaced() {
        let models = tempfile::tempdir().unwrap();
        let folder = materialise_files(models.path(), &SMALL).unwrap();
        fs::write(folder.join("b.bin"), b"bytez").unwrap();
        materialise_files(models.path(), &SMALL).unwrap();
        assert_eq!(fs::read(folder.join("b.bin")).unwrap(), b"bytes");
        assert_eq!(names(models.path()).len(), 1);
    }

    #[test]
    fn another_version_gets_another_folder() {
        let models = tempfile::tempdir().unwrap();
        let folder = materialise_files(models.path(), &SMALL).unwrap();
        assert_ne!(materialise_files(models.path(), &SMALL[..1]).unwrap(), folder);
    }

    #[test]
    fn concurrent_starts_do_not_disturb_each_other() {
        let models = tempfile::tempdir().unwrap();
        for damage in [false, true] {
            if damage {
                let folder = materialise_files(models.path(), &SMALL).unwrap();
                fs::write(folder.join("a.json"), b"").unwrap();
            }
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let folder = materialise_files(models.path(), &SMALL).unwrap();
                        assert!(is_whole(&folder, &SMALL));
                    });
                }
            });
            assert_eq!(names(models.path()).len(), 1);
        }
    }
}
