//! What readers wait for, measured by an example of the engine, which writes a checkpoint of its own and prints JSON.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::table::{Table, Target};
use crate::workspace;

pub(super) fn measure(table: &mut Table) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--package", "pomona-engine", "--example", "latency"])
        .args(["--", "--json"])
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    ensure!(output.status.success(), "the example latency failed");
    let report: Value = serde_json::from_slice(&output.stdout).context("latency printed no JSON")?;
    let number = |path: &str| {
        let value = report.pointer(path).and_then(Value::as_f64);
        value.with_context(|| format!("latency reports no {path}"))
    };
    for (name, unit, factor, target, path) in [
        ("8 answers, gap between tokens, p95", "ms", 1e3, Target::None, "/fairness/quiet_gap_p95_s"),
        ("beside a prompt of 4000 tokens", "ms", 1e3, Target::None, "/fairness/busy_gap_p95_s"),
        ("beside it by alone", "times", 1.0, Target::AtMost(2.0), "/fairness/ratio_p95"),
        ("that prompt, first token", "s", 1.0, Target::None, "/fairness/long_prompt_first_token_s"),
        ("1000 tokens, first turn, first token", "ms", 1e3, Target::None, "/second_turn/cold_first_token_s"),
        ("second turn, first token", "ms", 1e3, Target::None, "/second_turn/second_first_token_s"),
        ("second turn by first", "times", 1.0, Target::AtMost(0.1), "/second_turn/ratio"),
        ("one answer without guesses", "tokens/s", 1.0, Target::None, "/guessing/off/tokens_per_s"),
        ("one answer with guesses", "tokens/s", 1.0, Target::None, "/guessing/on/tokens_per_s"),
    ] {
        table.add(&format!("engine, {name}"), unit, target, number(path)? * factor);
    }
    Ok(())
}
