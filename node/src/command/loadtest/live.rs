//! What a person sees while a run goes on: one line that is drawn again on a terminal, a line now and then elsewhere.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use pomona_loadtest::run::Seen;

use crate::output;

/// Between two lines where nothing can be drawn again.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Looks that the shown rates are over.
const LOOKS: u32 = 4;

/// See the module.
pub(super) struct Screen {
    bar: ProgressBar,
    started: Instant,
    length: Duration,
    planned: usize,
    /// What was seen a second ago, and when.
    before: Cell<(Seen, Instant)>,
    looks: Cell<u32>,
    last_line: Cell<Instant>,
}

impl Screen {
    /// Between two looks.
    pub(super) const EVERY: Duration = Duration::from_millis(250);

    pub(super) fn new(words: &str, planned: usize, length: Duration) -> Self {
        let bar = ProgressBar::new(length.as_millis().max(1) as u64);
        let style = ProgressStyle::with_template("{prefix}\n{bar:40} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(words.to_owned());
        let now = Instant::now();
        if bar.is_hidden() {
            output::remark(words);
        }
        Self {
            bar,
            started: now,
            length,
            planned,
            before: Cell::new((Seen::default(), now)),
            looks: Cell::new(0),
            last_line: Cell::new(now),
        }
    }

    /// Draws what is seen now.
    pub(super) fn show(&self, seen: &Seen) {
        let now = Instant::now();
        let since = self.started.elapsed();
        let (before, then) = self.before.get();
        let seconds = (now - then).as_secs_f64().max(1e-3);
        let text = words(seen, &before, seconds, since, self.length);
        self.looks.set(self.looks.get() + 1);
        if self.looks.get().is_multiple_of(LOOKS) {
            self.before.set((*seen, now));
        }
        if !self.bar.is_hidden() {
            self.bar.set_position(since.min(self.length).as_millis() as u64);
            self.bar.set_message(text);
        } else if now - self.last_line.get() >= LINE_EVERY {
            self.last_line.set(now);
            output::remark(&format!("{text} of {}", self.planned));
        }
    }

    pub(super) fn close(&self) {
        self.bar.finish_and_clear();
    }
}

fn words(seen: &Seen, before: &Seen, seconds: f64, since: Duration, length: Duration) -> String {
    let rate = (seen.tokens - before.tokens.min(seen.tokens)) as f64 / seconds;
    let first = match seen.first_token(before, 0.5).zip(seen.first_token(before, 0.95)) {
        Some((half, most)) => format!(", first token {} to {} ms", half.as_millis(), most.as_millis()),
        None => String::new(),
    };
    let mut text = format!(
        "{:.0}/{:.0} s: {} run, {} done, {rate:.0} tokens/s{first}",
        since.as_secs_f64(),
        length.as_secs_f64(),
        seen.in_flight,
        seen.finished
    );
    for (count, what) in [(seen.cancelled, "left"), (seen.failed, "failed"), (seen.dropped, "dropped")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_said() {
        let seen = Seen { finished: 3, in_flight: 2, tokens: 50, ..Seen::default() };
        let text = words(&seen, &Seen::default(), 2.0, Duration::from_secs(4), Duration::from_secs(30));
        assert_eq!(text, "4/30 s: 2 run, 3 done, 25 tokens/s");
        let seen = Seen { failed: 1, dropped: 7, ..seen };
        let text = words(&seen, &seen, 1.0, Duration::from_secs(4), Duration::from_secs(30));
        assert_eq!(text, "4/30 s: 2 run, 3 done, 0 tokens/s, 1 failed, 7 dropped");
    }
}
