//! The engine alone, measured by its own example, which writes a checkpoint of its own and prints JSON.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::table::{Table, Target};
use crate::workspace;

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
    let number =
        |value: &Value, key: &str| value.as_f64().with_context(|| format!("decode_speed reports no {key}"));
    for decode in report["decode"].as_array().context("decode_speed reports no decode")? {
        let sequences = decode["sequences"].as_u64().context("decode_speed reports no sequences")?;
        if [1, 8, 32].contains(&sequences) {
            let name = format!("engine, decode, {sequences} at once");
            table.add(&name, "tokens/s", Target::None, number(&decode["tokens_per_s"], "tokens_per_s")?);
        }
    }
    let prefill = number(&report["prefill_tokens_per_s"], "prefill_tokens_per_s")?;
    table.add("engine, prefill", "tokens/s", Target::None, prefill);
    let share = number(&report["bandwidth_share"], "bandwidth_share")? * 100.0;
    table.add("engine, share of measured memory bandwidth, one sequence", "%", Target::None, share);
    let bandwidth = number(&report["bandwidth_bytes_per_s"], "bandwidth_bytes_per_s")? / 1e9;
    table.add("memory bandwidth, measured", "GB/s", Target::None, bandwidth);
    Ok(())
}
