//! The engine beside llama.cpp: the same weights and threads, by turns in one run (`engine/benches/peers.py`).
//!
//! llama.cpp comes as `llama-cpp-python` from PyPI into an environment inside `target`; it is compiled for this machine
//! there, which takes some minutes once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::table::{Table, Target};
use crate::workspace;

/// What builds llama.cpp, and what writes its files.
const TOOLS: [&str; 4] = ["cmake", "ninja", "numpy==2.4.6", "gguf==0.19.0"];
const PEER: &str = "llama-cpp-python==0.3.36";
/// Threads of both sides.
const THREADS: &str = "2";
/// Of llama.cpp's speed: with one sequence, and with 32.
const DECODE_ONE_MIN: f64 = 0.8;
const DECODE_MANY_MIN: f64 = 1.0;

pub(super) fn measure(rounds: u32, table: &mut Table) -> Result<()> {
    let root = workspace::root();
    let python = python()?;
    let program = build(&root)?;
    let output = Command::new(python)
        .arg(root.join("engine/benches/peers.py"))
        .arg(program)
        .arg(workspace::scratch().join("peers"))
        .args(["--threads", THREADS, "--rounds", &rounds.to_string(), "--json"])
        .stderr(Stdio::inherit())
        .output()
        .context("the comparison cannot be started")?;
    ensure!(output.status.success(), "the comparison with llama.cpp failed");
    // llama.cpp may have printed before.
    let text = String::from_utf8(output.stdout)?;
    let report: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    for row in report.as_array().context("the comparison reports no rows")? {
        let text = |key: &str| row[key].as_str().with_context(|| format!("a row has no {key}"));
        let number = |key: &str| row[key].as_f64().with_context(|| format!("a row has no {key}"));
        let (types, what) = (text("types")?, text("what")?);
        let target = match what {
            "decode 1" => Target::AtLeast(DECODE_ONE_MIN),
            "decode 32" => Target::AtLeast(DECODE_MANY_MIN),
            _ => Target::None,
        };
        table.add(&format!("engine, {types}, {what}"), "tokens/s", Target::None, number("ours")?);
        table.add(&format!("llama.cpp, {types}, {what}"), "tokens/s", Target::None, number("llama_cpp")?);
        table.add(&format!("engine / llama.cpp, {types}, {what}"), "times", target, number("ratio")?);
    }
    Ok(())
}

/// A Python that has llama.cpp.
fn python() -> Result<PathBuf> {
    let folder = workspace::scratch().join("peers-venv");
    let bin = folder.join("bin");
    let python = bin.join("python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(install).args(TOOLS))?;
    eprintln!("llama.cpp is built once, which takes some minutes");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(bin).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(paths)?;
    run(Command::new(&python)
        .args(install)
        .arg(PEER)
        .env("PATH", path)
        .env("CMAKE_ARGS", "-DGGML_NATIVE=ON -DLLAMA_BUILD_TESTS=OFF"))?;
    Ok(python)
}

/// The example that measures us.
fn build(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--release", "--package", "pomona-engine", "--example", "decode_speed"];
    run(Command::new(cargo).args(build).current_dir(root))?;
    Ok(pomona_tests::build::target_dir(root).join("release/examples/decode_speed"))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("{command:?} cannot be started"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
