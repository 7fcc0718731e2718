//! What the operating system knows of a process: whether it lives, what it cost, and how to signal it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, test_kill_process};

/// Sends a signal to one process.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    kill_process(id(pid)?, signal).with_context(|| format!("{signal:?} to process {pid}"))
}

/// Whether the process runs; one that ended and was not waited for yet does not.
pub fn is_alive(pid: u32) -> bool {
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')));
    !zombie && id(pid).is_ok_and(|pid| test_kill_process(pid).is_ok())
}

/// Waits for the end of a process that is not a child of ours.
pub async fn wait_until_gone(pid: u32, limit: Duration) -> Result<Duration> {
    let started = Instant::now();
    while is_alive(pid) {
        if started.elapsed() > limit {
            bail!("process {pid} still lives after {limit:?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(started.elapsed())
}

/// Processor time of all threads since the start of the process. Linux only.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let mut nanos = 0u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("threads cannot be listed")? {
        let path = task?.path().join("schedstat");
        // A thread may end between the listing and the reading.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        nanos += text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// A process and all that it has started, directly or not, and that still run. Linux only.
pub fn tree(pid: u32) -> Result<Vec<u32>> {
    let mut pids = vec![pid];
    let mut next = 0;
    while let Some(parent) = pids.get(next).copied() {
        next += 1;
        let threads = match std::fs::read_dir(format!("/proc/{parent}/task")) {
            Ok(threads) => threads,
            Err(error) if next == 1 => return Err(error).with_context(|| format!("no process {pid}")),
            // A child may have ended since it was listed.
            Err(_) => continue,
        };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    Ok(pids)
}

/// The sockets that a process holds, by number. Linux only.
pub fn socket_inodes(pid: u32) -> Result<Vec<u64>> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).context("files cannot be listed")?;
    let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let inode = |link: std::path::PathBuf| {
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
    };
    Ok(links.filter_map(inode).collect())
}

/// Resident bytes of a process. Linux only.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).context("no status of the process")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("VmRSS is no number")?;
    Ok(kib * 1024)
}

fn id(pid: u32) -> Result<Pid> {
    Pid::from_raw(pid as i32).with_context(|| format!("{pid} is no process id"))
}
