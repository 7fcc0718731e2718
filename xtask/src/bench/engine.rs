//! The engine alone, measured by its own example, which prints one flat JSON object of numbers.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::table::{Table, Target};
use crate::workspace;

/// Key of the example's report, and how it is told.
const ROWS: &[(&str, &str, &str)] = &[
    ("decode_tokens_per_second_1", "engine, decode, 1 sequence", "tokens/s"),
    ("decode_tokens_per_second_8", "engine, decode, 8 sequences", "tokens/s"),
    ("decode_tokens_per_second_32", "engine, decode, 32 sequences", "tokens/s"),
    ("prefill_tokens_per_second", "engine, prefill", "tokens/s"),
    ("bandwidth_share_1", "engine, share of measured memory bandwidth, 1 sequence", "share"),
];

pub(super) fn measure(table: &mut Table) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--package", "pomona-engine", "--example", "decode_speed"])
        .args(["--", "--json"])
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    ensure!(output.status.success(), "the example decode_speed failed");
    let report: Value = serde_json::from_slice(&output.stdout).context("decode_speed printed no JSON")?;
    for (key, name, unit) in ROWS {
        let value = report[key].as_f64().with_context(|| format!("decode_speed reports no {key}"))?;
        table.add(name, unit, Target::None, value);
    }
    Ok(())
}
