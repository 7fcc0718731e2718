//! What a run gathers, and what the processes under test use in its window.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::figures::Samples;
use super::{Plan, Report};
use crate::system;

/// The window of a run. Before it everything warms up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) begin: Instant,
    pub(super) end: Instant,
}

impl Window {
    pub(super) fn after(warm: Duration, window: Duration) -> Self {
        let begin = Instant::now() + warm;
        Self { begin, end: begin + window }
    }

    pub(super) fn holds(&self, time: Instant) -> bool {
        (self.begin..self.end).contains(&time)
    }
}

/// Samples and counts of one run; all clients share it on one thread.
pub(super) struct Meter<'a> {
    plan: &'a Plan,
    seen: RefCell<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) failure: Option<String>,
    pub(super) latency: Samples,
    pub(super) gap: Samples,
    pub(super) late: Samples,
}

impl<'a> Meter<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self { plan, seen: RefCell::default() }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.plan.address
    }

    /// Changes what was seen; never held over an await.
    pub(super) fn see(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.borrow_mut());
    }

    /// Counts a client that failed.
    pub(super) fn fail(&self, error: &anyhow::Error) {
        self.see(|seen| {
            seen.failed += 1;
            seen.failure.get_or_insert_with(|| format!("{error:#}"));
        });
    }

    /// Waits for the window to pass; what the processes and cores have done in it.
    pub(super) async fn watch(&self, window: Window) -> Result<Report> {
        tokio::time::sleep_until(window.begin).await;
        let (cpu, cores) = (self.cpu()?, cores());
        tokio::time::sleep_until(window.end).await;
        let cpu = self.cpu()?.saturating_sub(cpu);
        let mut resident_bytes = 0;
        for &pid in &self.plan.pids {
            resident_bytes += system::resident_bytes(pid)?;
        }
        let busy = |(now, before): ([u64; 2], [u64; 2])| {
            let (busy, all) = (now[0].saturating_sub(before[0]), now[1].saturating_sub(before[1]));
            busy as f64 / all.max(1) as f64
        };
        let cores_busy = self::cores().into_iter().zip(cores).map(busy).collect();
        Ok(Report { cpu_us: cpu.as_secs_f64() * 1e6, resident_bytes, cores_busy, ..Report::default() })
    }

    /// The report, complete.
    pub(super) fn report(self, watched: Report) -> Report {
        let seen = self.seen.into_inner();
        Report {
            done: seen.done,
            failed: seen.failed,
            failure: seen.failure,
            latency: seen.latency.figures(),
            gap: seen.gap.figures(),
            late: seen.late.figures(),
            ..watched
        }
    }

    fn cpu(&self) -> Result<Duration> {
        self.plan.pids.iter().map(|&pid| system::cpu_time(pid)).sum()
    }
}

/// Busy and all ticks of each core since the machine started; none where the system does not tell.
fn cores() -> Vec<[u64; 2]> {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    text.lines().filter_map(core).collect()
}

/// A line such as `cpu0 user nice system idle iowait …`.
fn core(line: &str) -> Option<[u64; 2]> {
    let (name, rest) = line.split_once(' ')?;
    name.strip_prefix("cpu")?.parse::<u32>().ok()?;
    // Guests are part of user time already.
    let ticks: Vec<u64> = rest.split_whitespace().take(8).filter_map(|tick| tick.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Some([all - idle, all])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_busy_when_it_neither_idles_nor_waits() {
        assert_eq!(core("cpu1 10 1 5 70 4 0 6 4 3 0"), Some([26, 100]));
        assert_eq!(core("cpu  10 1 5 70 4 0 6 4 3 0"), None);
        assert_eq!(core("intr 5 6"), None);
    }
}
