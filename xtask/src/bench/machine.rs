//! Where and when something was measured; without it a number means nothing.

use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace;

/// One paragraph: processor, cores, system, date, commit, and what else the machine was doing.
pub(super) fn describe() -> Result<String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown").to_owned();
    Ok(format!(
        "{}, {cores} cores, {} · {} · commit {} · load {load} before the first round\n",
        processor()?,
        output("uname", &["-sm"])?,
        output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])?,
        output("git", &["rev-parse", "--short", "HEAD"])?,
    ))
}

fn processor() -> Result<String> {
    if let Ok(info) = std::fs::read_to_string("/proc/cpuinfo") {
        let named = info.lines().find(|line| line.starts_with("model name"));
        return Ok(named
            .and_then(|line| line.split_once(": "))
            .map_or("unknown processor", |(_, name)| name)
            .to_owned());
    }
    output("sysctl", &["-n", "machdep.cpu.brand_string"])
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(workspace::root()).output();
    let output = output.with_context(|| format!("{program} cannot be started"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
