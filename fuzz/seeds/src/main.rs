//! Writes inputs of each kind below `fuzz/corpus`, so that the fuzzer begins with words and not with noise. Run by
//! `cargo xtask fuzz`; a package of its own, so that it is built without what it does not need.

mod files;
mod frames;
mod gguf;

use std::path::{Path, PathBuf};
use std::{fs, io};

fn main() -> io::Result<()> {
    frames::write_all()?;
    files::write_all()
}

/// The folder of the fuzzer.
fn root() -> PathBuf {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"));
    seeds.parent().unwrap_or(seeds).to_owned()
}

/// Writes one input of a target.
fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = root().join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}
