//! Answers questions about this machine's log: from the ring as far as it reaches, from the files beyond it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pomona_actors::LogSource;
use pomona_cluster::log_query::{matches, page};
use pomona_protocol::{LogLevel, LogLine, LogPage, LogQuery};
use serde::Deserialize;

use super::files::{self, Budget, Ended};
use super::ring::Ring;
use super::rolling;
use crate::clock;

/// Bytes of files that one question may have read. At 500 MB a second that is an eighth of a second of a disk.
const SCAN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The log of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    ring: Arc<Ring>,
    folder: Option<PathBuf>,
}

/// A line as the JSON layer writes it.
#[derive(Deserialize)]
struct Written {
    timestamp: String,
    level: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    fields: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Logs {
    pub(super) fn new(ring: Arc<Ring>, folder: Option<&Path>) -> Self {
        Self { ring, folder: folder.map(Path::to_owned) }
    }

    /// The newest lines that answer.
    fn newest(&self, query: &LogQuery) -> LogPage {
        let mut search = Search { query, found: Vec::new(), oldest_us: u64::MAX, known_from_us: u64::MAX };
        let is_answered = self.ring.newest(|line| search.look(line));
        let mut budget = Budget(SCAN_BYTES_MAX);
        let mut is_cut = false;
        if !is_answered && let Some(folder) = &self.folder {
            search.known_from_us = search.oldest_us;
            for path in rolling::newest_first(folder) {
                // A file that cannot be read went meanwhile, as the oldest.
                let ended =
                    files::backward(&path, &mut budget, |line| search.look(line)).unwrap_or(Ended::AtEnd);
                is_cut |= ended == Ended::Spent;
                if ended != Ended::AtEnd {
                    break;
                }
            }
        }
        let mut page = page(query, search.in_order().into_iter());
        page.is_cut |= is_cut;
        page
    }

    /// The oldest lines behind a moment that answer.
    fn behind(&self, query: &LogQuery, after_us: u64) -> LogPage {
        let mut search = Search { query, found: Vec::new(), oldest_us: u64::MAX, known_from_us: u64::MAX };
        let is_answered = self.ring.newest(|line| search.look(line));
        match &self.folder {
            Some(folder) if !is_answered => in_files(query, folder, after_us),
            _ => page(query, search.in_order().into_iter()),
        }
    }
}

impl LogSource for Logs {
    fn query(&self, query: &LogQuery) -> LogPage {
        match query.after_us {
            None => self.newest(query),
            Some(after_us) => {
                let since_us =
                    query.since_unix_ms.map_or(0, |since| since.saturating_mul(1000).saturating_sub(1));
                self.behind(query, after_us.max(since_us))
            }
        }
    }
}

/// Lines that were found so far, the newest first.
struct Search<'a> {
    query: &'a LogQuery,
    found: Vec<LogLine>,
    /// The oldest line that was looked at.
    oldest_us: u64,
    /// Lines from here on are known already: files hold what the ring holds as well.
    known_from_us: u64,
}

impl Search<'_> {
    /// Looks at one line, and says whether older ones are wanted.
    fn look(&mut self, text: &str) -> bool {
        let Some(line) = parse(text) else { return true };
        if line.at_us >= self.known_from_us {
            return true;
        }
        self.oldest_us = self.oldest_us.min(line.at_us);
        let begin_us = self.query.since_unix_ms.map_or(0, |since| since.saturating_mul(1000));
        if line.at_us < begin_us || self.query.after_us.is_some_and(|after| line.at_us <= after) {
            return false;
        }
        if matches(self.query, &line) {
            self.found.push(line);
        }
        // Behind a cursor the oldest are wanted, which are not known before the cursor is reached.
        self.query.after_us.is_some() || self.found.len() <= self.query.limit as usize
    }

    fn in_order(mut self) -> Vec<LogLine> {
        self.found.reverse();
        // Two threads may have written two lines the other way round.
        self.found.sort_by_key(|line| line.at_us);
        self.found
    }
}

/// Lines of files behind a moment, in order. A question that spends its budget says how far it came.
fn in_files(query: &LogQuery, folder: &Path, after_us: u64) -> LogPage {
    let mut found: Vec<LogLine> = Vec::new();
    let mut budget = Budget(SCAN_BYTES_MAX);
    let mut looked_us = after_us;
    let mut is_spent = false;
    let time_of = |line: &str| parse(line).map(|line| line.at_us);
    for path in rolling::newest_first(folder).into_iter().rev() {
        if files::is_before(&path, after_us) {
            continue;
        }
        let look = |text: &str| {
            let Some(line) = parse(text) else { return true };
            looked_us = looked_us.max(line.at_us);
            if line.at_us > after_us && matches(query, &line) {
                found.push(line);
            }
            // One more tells that there is more, and a moment that it is whole.
            let last = found.len().checked_sub(2).map(|index| (&found[index], &found[index + 1]));
            found.len() <= query.limit as usize || last.is_some_and(|(a, b)| a.at_us == b.at_us)
        };
        let ended = files::forward(&path, after_us, &mut budget, time_of, look).unwrap_or(Ended::AtEnd);
        is_spent = ended == Ended::Spent;
        if ended != Ended::AtEnd {
            break;
        }
    }
    found.sort_by_key(|line| line.at_us);
    let mut page = page(query, found.into_iter());
    if is_spent && !page.is_cut {
        (page.is_cut, page.until_us) = (true, Some(looked_us));
    }
    page
}

/// A line of JSON as a question sees it; `None` for what is none of ours.
fn parse(text: &str) -> Option<LogLine> {
    let mut written: Written = serde_json::from_str(text).ok()?;
    let message = written.fields.remove("message");
    Some(LogLine {
        at_us: clock::parse_utc_us(&written.timestamp)?,
        time: written.timestamp,
        level: LogLevel::parse(&written.level)?,
        node: String::new(),
        target: written.target,
        message: message.and_then(|message| message.as_str().map(str::to_owned)).unwrap_or_default(),
        fields: written.fields,
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn text(second: u64, message: &str) -> String {
        let time = clock::utc(second);
        let time = time.trim_end_matches('Z');
        format!(
            r#"{{"timestamp":"{time}.000000Z","level":"INFO","fields":{{"message":"{message}","turn":"turn_1"}},"target":"pomona::x"}}"#
        )
    }

    fn query(limit: u32) -> LogQuery {
        LogQuery {
            level: None,
            since_unix_ms: None,
            until_unix_ms: None,
            actor: None,
            turn: None,
            text: None,
            after_us: None,
            limit,
        }
    }

    /// A log whose ring holds the newest few of `count` lines, one each second, and whose files hold all.
    fn logs(folder: &Path, count: u64) -> Logs {
        let ring = Arc::new(Ring::new(1000));
        let mut files = [String::new(), String::new()];
        for second in 0..count {
            let line = text(second, &format!("line {second}"));
            ring.push(&line);
            let file = usize::from(second >= count / 2);
            writeln!(files[file], "{line}").unwrap();
        }
        for (number, file) in files.iter().enumerate() {
            std::fs::write(folder.join(format!("pomona-1970-01-01.{number}.jsonl")), file).unwrap();
        }
        Logs::new(ring, Some(folder))
    }

    fn seconds(page: &LogPage) -> Vec<u64> {
        page.lines.iter().map(|line| line.at_us / 1_000_000).collect()
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let line = parse(&text(61, "a link ended")).unwrap();
        assert_eq!(
            (line.at_us, line.level, line.message.as_str()),
            (61_000_000, LogLevel::Info, "a link ended")
        );
        assert_eq!(line.fields["turn"], "turn_1");
        for broken in ["", "{", "plain text", r#"{"timestamp":"x","level":"INFO"}"#, "null"] {
            assert!(parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn ring_and_files_together_have_every_line_once() {
        let folder = tempfile::tempdir().unwrap();
        let logs = logs(folder.path(), 5000);
        assert_eq!(seconds(&logs.query(&query(3))), [4997, 4998, 4999]);
        let many = logs.query(&query(4000));
        assert_eq!(seconds(&many), (1000..5000).collect::<Vec<_>>());
        assert!(many.is_cut);
        let all = logs.query(&query(6000));
        assert_eq!(seconds(&all), (0..5000).collect::<Vec<_>>());
        assert!(!all.is_cut);
    }

    #[test]
    fn lines_of_before_a_restart_are_found_while_the_ring_has_room() {
        let folder = tempfile::tempdir().unwrap();
        drop(logs(folder.path(), 10));
        let ring = Arc::new(Ring::new(100_000));
        ring.push(&text(10, "a new start"));
        let logs = Logs::new(ring, Some(folder.path()));
        assert_eq!(seconds(&logs.query(&query(100))), (0..=10).collect::<Vec<_>>());
    }

    #[test]
    fn a_cursor_goes_through_ring_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let logs = logs(folder.path(), 3000);
        let mut query = query(700);
        query.after_us = Some(99_000_000);
        let mut seen = Vec::new();
        loop {
            let page = logs.query(&query);
            seen.extend(seconds(&page));
            query.after_us = page.lines.last().map(|line| line.at_us).or(query.after_us);
            if !page.is_cut {
                break;
            }
        }
        assert_eq!(seen, (100..3000).collect::<Vec<_>>());
    }

    #[test]
    fn a_span_of_time_is_held_to_and_broken_lines_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let logs = logs(folder.path(), 1000);
        std::fs::write(folder.path().join("pomona-1970-01-02.0.jsonl"), "half a line\n{\"x\n\n").unwrap();
        let span = LogQuery { since_unix_ms: Some(10_000), until_unix_ms: Some(13_000), ..query(100) };
        assert_eq!(seconds(&logs.query(&span)), [10, 11, 12]);
        let none = LogQuery { text: Some("no such text".to_owned()), ..query(100) };
        assert_eq!(logs.query(&none).lines, []);
    }

    #[test]
    fn without_files_the_ring_answers() {
        let ring = Arc::new(Ring::new(100_000));
        (0..10).for_each(|second| ring.push(&text(second, "x")));
        let logs = Logs::new(ring, None);
        assert_eq!(seconds(&logs.query(&query(100))), (0..10).collect::<Vec<_>>());
    }
}
