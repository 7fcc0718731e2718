//! What is measured of a gateway, one after the other: memory at rest, requests, first tokens, streams, and a climb to
//! the most streams that it holds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pomona_tests::load::{Report, Work};
use pomona_tests::system;

use super::ladder::{Ladder, Look, Rung};
use super::rig::{EVERY_US, GATEWAY_CORE, Goal, LOAD_CORE, Rig};
use super::running::{self, Subject};
use super::sheet::{Column, Sheet};

/// Requests at once in a closed loop: enough to keep a core busy.
const CONNECTIONS: u32 = 32;
/// Streams whose tokens are counted.
const STREAMS: u32 = 64;
/// A gateway that still works this long after a load is measured as it is.
const CALM_LIMIT: Duration = Duration::from_secs(15);
/// Between two looks at whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The name of the row without a gateway.
pub(super) const DIRECT: &str = "none";

/// How long and how far everything is measured.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// Between a start and the look at its memory.
    idle: Duration,
    /// Load before a window.
    warm: Duration,
    /// Between a load and the next one.
    settle: Duration,
    requests: Duration,
    first: Duration,
    streams: Duration,
    rung: Duration,
    ramp: Duration,
    /// The most streams that are tried.
    top: u32,
}

pub(super) const FULL: Sizes = Sizes {
    idle: Duration::from_secs(3),
    warm: Duration::from_secs(1),
    settle: Duration::from_millis(500),
    requests: Duration::from_secs(4),
    first: Duration::from_secs(2),
    streams: Duration::from_secs(5),
    rung: Duration::from_secs(3),
    ramp: Duration::from_secs(1),
    top: 2048,
};

pub(super) const QUICK: Sizes = Sizes {
    idle: Duration::from_secs(1),
    warm: Duration::from_secs(1),
    settle: Duration::from_millis(300),
    requests: Duration::from_secs(4),
    first: Duration::from_secs(2),
    streams: Duration::from_secs(1),
    rung: Duration::from_secs(1),
    ramp: Duration::from_millis(500),
    top: 128,
};

/// One round: what the upstream alone does in it, to compare with.
pub(super) struct Round<'a> {
    rig: &'a Rig,
    sizes: Sizes,
    first: Report,
    streams: HashMap<u32, Report>,
}

impl<'a> Round<'a> {
    /// Asks the upstream directly.
    pub(super) async fn begin(rig: &'a Rig, sizes: Sizes, sheet: &mut Sheet) -> Result<Self> {
        eprintln!("  without a gateway");
        let goal = rig.direct();
        let requests = rig.load(&goal, requests(sizes), sizes.requests).await?;
        let first = rig.load(&goal, first(sizes), sizes.first).await?;
        let mut round = Self { rig, sizes, first, streams: HashMap::new() };
        let streams = round.streams(&goal, STREAMS, sizes.streams).await?;
        none_failed(&requests)?;
        none_failed(&round.first)?;
        none_failed(&streams)?;
        sheet.add(DIRECT, Column::Rate, requests.done as f64 / sizes.requests.as_secs_f64());
        sheet.add(DIRECT, Column::FirstMiddle, round.first.latency.p50_us / 1e3);
        sheet.add(DIRECT, Column::FirstTail, round.first.latency.p99_us / 1e3);
        sheet.add(DIRECT, Column::GapMiddle, streams.gap.p50_us / 1e3);
        sheet.add(DIRECT, Column::GapTail, streams.gap.p99_us / 1e3);
        round.streams.insert(STREAMS, streams);
        Ok(round)
    }

    /// Measures one gateway from its start to its end. What was measured before it failed stays.
    pub(super) async fn measure(&mut self, subject: &Subject, sheet: &mut Sheet) -> Result<()> {
        let (name, sizes) = (subject.name(), self.sizes);
        let running = running::start(subject, self.rig).await?;
        let goal = &running.goal;
        tokio::time::sleep(sizes.idle).await;
        sheet.add(name, Column::Idle, resident_mib(goal)?);

        let asked = self.rig.load(goal, requests(sizes), sizes.requests).await?;
        none_failed(&asked)?;
        sheet.add(name, Column::Request, asked.cpu_us_each());
        sheet.add(name, Column::Rate, asked.done as f64 / sizes.requests.as_secs_f64());

        let first = self.rig.load(goal, first(sizes), sizes.first).await?;
        none_failed(&first)?;
        let added = |through: f64, direct: f64| (through - direct) / 1e3;
        sheet.add(name, Column::FirstMiddle, added(first.latency.p50_us, self.first.latency.p50_us));
        sheet.add(name, Column::FirstTail, added(first.latency.p99_us, self.first.latency.p99_us));

        let streams = self.streams(goal, STREAMS, sizes.streams).await?;
        none_failed(&streams)?;
        let direct = self.direct_streams(STREAMS).await?;
        sheet.add(name, Column::Token, streams.cpu_us_each());
        sheet.add(name, Column::GapMiddle, added(streams.gap.p50_us, direct.gap.p50_us));
        sheet.add(name, Column::GapTail, added(streams.gap.p99_us, direct.gap.p99_us));
        sheet.add(name, Column::Streaming, mib(streams.resident_bytes));

        let ladder = self.climb(name, goal).await?;
        sheet.add_bound(name, Column::Streams, f64::from(ladder.held()), !ladder.found_the_end());
        Ok(())
    }

    /// Tries more and more streams.
    async fn climb(&mut self, name: &str, goal: &Goal) -> Result<Ladder> {
        let mut ladder = Ladder::new(self.sizes.top);
        while let Some(count) = ladder.next() {
            let mut rung = self.rung(name, goal, count).await?;
            if rung != Rung::Held {
                // Once more: the machine may have had other things to do, before or now.
                self.streams.remove(&count);
                rung = self.rung(name, goal, count).await?;
            }
            ladder.take(rung);
        }
        Ok(ladder)
    }

    async fn rung(&mut self, name: &str, goal: &Goal, count: u32) -> Result<Rung> {
        let direct = self.direct_streams(count).await?;
        let through = self.streams(goal, count, self.sizes.rung).await?;
        let busy = |core: usize| through.cores_busy.get(core).copied().unwrap_or(0.0);
        let look = Look {
            late_ms: through.late.p99_us / 1e3,
            direct_late_ms: direct.late.p99_us / 1e3,
            failed: through.failed,
            gateway_busy: busy(GATEWAY_CORE),
            upstream_busy: busy(LOAD_CORE),
        };
        let rung = look.judge();
        let failure = through.failure.map(|failure| format!(", {failure}")).unwrap_or_default();
        eprintln!("    {name}, {count} streams: {rung:?}, {look}{failure}");
        Ok(rung)
    }

    /// What the upstream alone does with so many streams, measured when it is first asked for in a round.
    async fn direct_streams(&mut self, count: u32) -> Result<Report> {
        if let Some(report) = self.streams.get(&count) {
            return Ok(report.clone());
        }
        let report = self.streams(&self.rig.direct(), count, self.sizes.rung).await?;
        self.streams.insert(count, report.clone());
        Ok(report)
    }

    async fn streams(&self, goal: &Goal, count: u32, window: Duration) -> Result<Report> {
        let ramp_ms = u64::try_from(self.sizes.ramp.as_millis())?;
        let report =
            self.rig.load(goal, Work::Streams { count, every_us: EVERY_US, ramp_ms }, window).await?;
        self.calm(goal).await?;
        Ok(report)
    }

    /// Waits until a gateway has ended the streams that the load has left, and what it had not sent yet.
    async fn calm(&self, goal: &Goal) -> Result<()> {
        tokio::time::sleep(self.sizes.settle).await;
        let started = Instant::now();
        while started.elapsed() < CALM_LIMIT {
            let before = cpu(goal)?;
            tokio::time::sleep(LOOK_EVERY).await;
            if cpu(goal)?.saturating_sub(before) < LOOK_EVERY / 10 {
                break;
            }
        }
        Ok(())
    }
}

fn requests(sizes: Sizes) -> Work {
    Work::Requests { connections: CONNECTIONS, streamed: false, warm_ms: sizes.warm.as_millis() as u64 }
}

fn first(sizes: Sizes) -> Work {
    Work::Requests { connections: 1, streamed: true, warm_ms: sizes.warm.as_millis() as u64 }
}

fn none_failed(report: &Report) -> Result<()> {
    let failure = report.failure.as_deref().unwrap_or_default();
    ensure!(report.failed == 0, "{} of the load failed, the first with: {failure}", report.failed);
    ensure!(report.done > 0, "nothing was answered within the window");
    Ok(())
}

fn cpu(goal: &Goal) -> Result<Duration> {
    goal.pids.iter().map(|&pid| system::cpu_time(pid)).sum()
}

fn resident_mib(goal: &Goal) -> Result<f64> {
    let mut bytes = 0;
    for &pid in &goal.pids {
        bytes += system::resident_bytes(pid)?;
    }
    Ok(mib(bytes))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
