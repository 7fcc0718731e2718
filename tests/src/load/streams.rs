//! Many streams that stay open, each with a token every so often, and when each token came.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::join_all;
use tokio::time::Instant;

use super::Report;
use super::connection::Connection;
use super::events::Events;
use super::meter::{Meter, Window};

/// Between the last stream's start and the window.
const SETTLE: Duration = Duration::from_millis(500);

pub(super) async fn run(
    meter: Meter<'_>,
    request: &[u8],
    count: u32,
    every: Duration,
    ramp: Duration,
    window: Duration,
) -> Result<Report> {
    let begin = Instant::now();
    let window = Window::after(ramp + SETTLE, window);
    let clients = join_all((0..count).map(async |index| {
        tokio::time::sleep_until(begin + ramp * index / count).await;
        if let Err(error) = read(&meter, request, every, window).await {
            meter.fail(&error);
        }
    }));
    let (watched, _) = tokio::join!(meter.watch(window), clients);
    Ok(meter.report(watched?))
}

/// Reads one stream until the window is over.
async fn read(meter: &Meter<'_>, request: &[u8], every: Duration, window: Window) -> Result<()> {
    let mut reader = None;
    let outcome = tokio::time::timeout_at(window.end, async {
        let mut connection = Connection::open(meter.address()).await?;
        let reader = reader.insert(Reader::new(every, window));
        connection.ask(request).await?;
        let (mut events, mut piece) = (Events::default(), Vec::new());
        while connection.more(&mut piece).await? {
            let seen = events.take(&piece);
            reader.take(meter, seen.tokens, Instant::now());
            ensure!(!seen.is_done, "a stream ended behind {} tokens", reader.tokens);
            piece.clear();
        }
        anyhow::bail!("a stream broke behind {} tokens", reader.tokens)
    })
    .await;
    match (outcome, reader) {
        (Ok(failed), _) => failed,
        (Err(_), Some(reader)) => {
            reader.end(meter);
            Ok(())
        }
        (Err(_), None) => anyhow::bail!("a stream got no connection"),
    }
}

/// The arrivals of one stream.
struct Reader {
    asked: Instant,
    every: Duration,
    window: Window,
    tokens: u32,
    last: Option<Instant>,
}

impl Reader {
    fn new(every: Duration, window: Window) -> Self {
        Self { asked: Instant::now(), every, window, tokens: 0, last: None }
    }

    fn take(&mut self, meter: &Meter<'_>, tokens: u32, now: Instant) {
        for _ in 0..tokens {
            let (due, late) = (self.due(), self.late(now));
            let gap = self.last.replace(now).map(|last| now - last);
            meter.see(|seen| {
                if gap.is_none() {
                    seen.latency.add(now - self.asked);
                }
                // However late: a machine that stood still for a whole window must not look punctual.
                if self.window.holds(due) {
                    seen.late.add(late);
                }
                if self.window.holds(now) {
                    seen.done += 1;
                    if let Some(gap) = gap {
                        seen.gap.add(gap);
                    }
                }
            });
            self.tokens += 1;
        }
    }

    /// Counts what should have come and has not.
    fn end(mut self, meter: &Meter<'_>) {
        let end = self.window.end;
        if let Some(gap) =
            self.last.map(|last| end.saturating_duration_since(last)).filter(|gap| *gap > self.every)
        {
            meter.see(|seen| seen.gap.add(gap));
        }
        while self.due() < end {
            if self.window.holds(self.due()) {
                let late = self.late(end);
                meter.see(|seen| seen.late.add(late));
            }
            self.tokens += 1;
        }
    }

    /// When the next token should come.
    fn due(&self) -> Instant {
        self.asked + self.every * self.tokens
    }

    fn late(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.due())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Plan, Work};
    use super::*;

    const EVERY: Duration = Duration::from_millis(20);

    fn plan() -> Plan {
        Plan {
            address: ([127, 0, 0, 1], 1).into(),
            key: String::new(),
            work: Work::Streams { count: 1, every_us: 20_000, ramp_ms: 0 },
            pids: Vec::new(),
            window_ms: 1,
        }
    }

    #[test]
    fn a_token_is_late_by_what_it_is_behind_its_schedule() {
        let plan = plan();
        let meter = Meter::new(&plan);
        let begin = Instant::now();
        let window = Window { begin, end: begin + Duration::from_secs(10) };
        let mut reader = Reader { asked: begin, every: EVERY, window, tokens: 0, last: None };
        let at = |millis: u64| begin + Duration::from_millis(millis);
        reader.take(&meter, 1, at(1));
        reader.take(&meter, 1, at(21));
        // Two at once: the first waited for a whole interval.
        reader.take(&meter, 2, at(61));
        let report = meter.report(Report::default());
        assert_eq!((report.done, report.latency.count, report.gap.count), (4, 1, 3));
        assert!((report.late.max_us - 21_000.0).abs() < 50.0, "{report:?}");
        assert!((report.late.p50_us - 1000.0).abs() < 5.0, "{report:?}");
        assert!((report.gap.max_us - 40_000.0).abs() < 50.0, "{report:?}");
    }

    #[test]
    fn what_never_came_counts_as_late() {
        let plan = plan();
        let meter = Meter::new(&plan);
        let begin = Instant::now();
        let window = Window { begin, end: begin + Duration::from_millis(200) };
        let mut reader = Reader { asked: begin, every: EVERY, window, tokens: 0, last: None };
        reader.take(&meter, 1, begin);
        reader.end(&meter);
        let report = meter.report(Report::default());
        assert_eq!((report.done, report.late.count, report.gap.count), (1, 10, 1));
        assert!((report.late.max_us - 180_000.0).abs() < 200.0, "{report:?}");
    }
}
