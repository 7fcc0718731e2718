//! One lane while it runs: its log, its deadline, and the processes that it started.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// Lines of a failed lane's log that are shown.
const TAIL_LINES: usize = 80;

/// Lines that are shown of the failed tests of one run.
const TEST_LINES: usize = 200;

/// How a lane ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was proven.
    Passed(String),
    /// What went wrong.
    Failed(String),
    /// What is missing on this machine.
    Skipped(String),
}

impl Outcome {
    /// As on a machine where nothing may be left out.
    pub(crate) fn strictly(self) -> Self {
        match self {
            Outcome::Skipped(why) => Outcome::Failed(format!("left out, and CI=true: {why}")),
            other => other,
        }
    }
}

/// What a lane works with.
pub(crate) struct Job {
    /// Root of the repository.
    pub(crate) root: PathBuf,
    /// Whether heavy counts were asked for.
    pub(crate) full: bool,
    log_path: PathBuf,
    log: File,
    deadline: Instant,
    budget: Duration,
}

impl Job {
    pub(crate) fn new(root: PathBuf, log_path: &Path, budget: Duration, full: bool) -> Result<Self> {
        let log =
            File::create(log_path).with_context(|| format!("{} cannot be written", log_path.display()))?;
        Ok(Self { root, full, log_path: log_path.to_owned(), log, deadline: Instant::now() + budget, budget })
    }

    /// `cargo` with these arguments.
    pub(crate) fn cargo(&mut self, arguments: &[&str]) -> Result<()> {
        self.run(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(arguments))
    }

    /// Runs a command to its end; an error when it fails or exceeds what is left of the lane's budget. It gets
    /// a process group of its own, so that its children end with it.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        let root = self.root.clone();
        self.run_in(&root, command)
    }

    /// As [`Job::run`], in the folder that the command names, if it names one.
    pub(crate) fn run_where_it_says(&mut self, command: &mut Command) -> Result<()> {
        let folder = command.get_current_dir().map_or_else(|| self.root.clone(), Path::to_owned);
        self.run_in(&folder, command)
    }

    /// As [`Job::run`], in another folder than the repository's root.
    pub(crate) fn run_in(&mut self, folder: &Path, command: &mut Command) -> Result<()> {
        let program = Path::new(command.get_program());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = |log: &File| log.try_clone().context("the log cannot be shared");
        let mut child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log(&self.log)?)
            .stderr(log(&self.log)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        loop {
            if let Some(status) = child.try_wait()? {
                return if status.success() { Ok(()) } else { bail!("{name} ended with {status}") };
            }
            if Instant::now() > self.deadline {
                if let Some(group) = Pid::from_raw(child.id() as i32) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                bail!("{name} exceeded the lane's budget of {} s", self.budget.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What is left of the lane's budget.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Adds to the lane's log.
    pub(crate) fn note(&mut self, text: &str) -> Result<()> {
        std::io::Write::write_all(&mut self.log, text.as_bytes()).context("the log cannot be written")
    }

    /// Everything that the lane's commands have printed.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log_path).unwrap_or_default()).into_owned()
    }

    /// What of that says why the lane failed, each line indented.
    pub(crate) fn log_failure(&self) -> String {
        failure(&self.log_text()).map(|line| format!("    {line}\n")).collect()
    }
}

/// What the test runners say of tests that failed, or the log's end when none did.
fn failure(log: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = log.lines().collect();
    let mut told = Vec::new();
    for (start, _) in lines.iter().enumerate().filter(|(_, line)| **line == "failures:") {
        let end = lines[start..].iter().position(|line| line.starts_with("test result: "));
        let section = &lines[start + 1..end.map_or(lines.len(), |length| start + length)];
        // The second list of a run repeats the names alone.
        if section.iter().any(|line| line.starts_with("---- ")) {
            let own = section.iter().position(|line| *line == "failures:").unwrap_or(section.len());
            told.extend_from_slice(&section[..own.min(TEST_LINES)]);
        }
    }
    if told.is_empty() {
        told = lines[lines.len().saturating_sub(TAIL_LINES)..].to_vec();
    }
    told.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_failed_tests_are_shown() {
        let log = "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nwanted 1\n\nfailures:\n    b\n\n\
                   test result: FAILED. 1 passed\n   Doc-tests more\n";
        let log = log.to_owned() + &"test result: ok. 0 passed\n".repeat(TAIL_LINES);
        assert_eq!(failure(&log).collect::<Vec<_>>(), ["", "---- b stdout ----", "wanted 1", ""]);
    }

    #[test]
    fn a_lane_without_a_test_that_failed_shows_its_end() {
        let log = "noise\n".repeat(TAIL_LINES) + "error: could not compile";
        let shown: Vec<&str> = failure(&log).collect();
        assert_eq!((shown.len(), shown.last()), (TAIL_LINES, Some(&"error: could not compile")));
    }
}
