//! Which lines of a log answer a question, and how the answers of several machines become one.

use pomona_protocol::{FleetLogs, LogLine, LogMissing, LogPage, LogQuery};

/// Whether a line answers a question. Its machine was chosen before.
pub fn matches(query: &LogQuery, line: &LogLine) -> bool {
    let at_ms = line.at_us / 1000;
    query.level.is_none_or(|level| line.level <= level)
        && query.since_unix_ms.is_none_or(|since| at_ms >= since)
        && query.until_unix_ms.is_none_or(|until| at_ms < until)
        && query.after_us.is_none_or(|after| line.at_us > after)
        && query.actor.as_deref().is_none_or(|actor| is_of(line, actor))
        && query.turn.as_deref().is_none_or(|turn| field_is(line, "turn", turn))
        && query.text.as_deref().is_none_or(|text| says(line, text))
}

/// Whether a part of the program wrote it: a name in its path, or the actor that it names.
fn is_of(line: &LogLine, actor: &str) -> bool {
    line.target.split("::").any(|name| name.eq_ignore_ascii_case(actor)) || field_is(line, "actor", actor)
}

fn field_is(line: &LogLine, name: &str, wanted: &str) -> bool {
    line.fields.get(name).and_then(|value| value.as_str()).is_some_and(|value| value == wanted)
}

fn says(line: &LogLine, text: &str) -> bool {
    let text = text.to_lowercase();
    let holds = |given: &str| given.to_lowercase().contains(&text);
    holds(&line.message)
        || line.fields.values().any(|value| match value.as_str() {
            Some(value) => holds(value),
            None => holds(&value.to_string()),
        })
}

/// Lines of one machine that may be looked at: `lines` come the oldest first, and as many as asked for are kept, the
/// oldest behind a cursor and the newest without one. A page never ends inside of a microsecond, so that the time of
/// its last line is a cursor.
pub fn page(query: &LogQuery, lines: impl DoubleEndedIterator<Item = LogLine>) -> LogPage {
    let wanted = lines.filter(|line| matches(query, line));
    let limit = query.limit.max(1) as usize;
    if query.after_us.is_some() {
        return cut(wanted, limit);
    }
    let mut page = cut(wanted.rev(), limit);
    page.lines.reverse();
    page
}

fn cut(lines: impl Iterator<Item = LogLine>, limit: usize) -> LogPage {
    let mut kept: Vec<LogLine> = Vec::new();
    let mut is_cut = false;
    for line in lines {
        if kept.len() >= limit && kept.last().is_none_or(|last| last.at_us != line.at_us) {
            is_cut = true;
            break;
        }
        kept.push(line);
    }
    LogPage { lines: kept, is_cut, until_us: None }
}

/// What several machines answered, as one answer: in the order of time, and cut to what was asked for. Where a machine
/// has more than it gave, the others' lines beyond its last one are left out: whoever goes on behind the last line of
/// this answer then misses none.
pub fn merge(query: &LogQuery, pages: Vec<LogPage>, mut missing: Vec<LogMissing>) -> FleetLogs {
    let is_behind_cursor = query.after_us.is_some();
    let cut_pages = pages.iter().filter(|page| page.is_cut);
    let edge = cut_pages.filter_map(|page| {
        if is_behind_cursor { page.next_us() } else { page.lines.first().map(|line| line.at_us) }
    });
    let edge = if is_behind_cursor { edge.min() } else { edge.max() };
    let is_cut = pages.iter().any(|page| page.is_cut);
    let mut lines: Vec<LogLine> = pages.into_iter().flat_map(|page| page.lines).collect();
    lines.retain(|line| {
        edge.is_none_or(|edge| if is_behind_cursor { line.at_us <= edge } else { line.at_us >= edge })
    });
    lines.sort_by(|a, b| (a.at_us, &a.node).cmp(&(b.at_us, &b.node)));
    let limit = query.limit.max(1) as usize;
    let page = if is_behind_cursor {
        cut(lines.into_iter(), limit)
    } else {
        let mut page = cut(lines.into_iter().rev(), limit);
        page.lines.reverse();
        page
    };
    missing.sort_by(|a, b| a.node.cmp(&b.node));
    FleetLogs { lines: page.lines, is_cut: is_cut || page.is_cut, missing }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pomona_protocol::LogLevel;

    use super::*;

    fn line(at_us: u64, level: LogLevel, message: &str) -> LogLine {
        LogLine {
            at_us,
            time: String::new(),
            level,
            node: "a".to_owned(),
            target: "pomona_actors::links::peer".to_owned(),
            message: message.to_owned(),
            fields: BTreeMap::from([("turn".to_owned(), "turn_1".into()), ("tokens".to_owned(), 17.into())]),
        }
    }

    fn query() -> LogQuery {
        LogQuery {
            level: None,
            since_unix_ms: None,
            until_unix_ms: None,
            actor: None,
            turn: None,
            text: None,
            after_us: None,
            limit: 2,
        }
    }

    #[test]
    fn each_part_of_a_question_is_held_to() {
        let some = |text: &str| Some(text.to_owned());
        let warn = line(5_000_000, LogLevel::Warn, "A link Ended");
        for (query, expected) in [
            (query(), true),
            (LogQuery { level: Some(LogLevel::Info), ..query() }, true),
            (LogQuery { level: Some(LogLevel::Warn), ..query() }, true),
            (LogQuery { level: Some(LogLevel::Error), ..query() }, false),
            (LogQuery { since_unix_ms: Some(5000), ..query() }, true),
            (LogQuery { since_unix_ms: Some(5001), ..query() }, false),
            (LogQuery { until_unix_ms: Some(5001), ..query() }, true),
            (LogQuery { until_unix_ms: Some(5000), ..query() }, false),
            (LogQuery { after_us: Some(4_999_999), ..query() }, true),
            (LogQuery { after_us: Some(5_000_000), ..query() }, false),
            (LogQuery { actor: some("peer"), ..query() }, true),
            (LogQuery { actor: some("Links"), ..query() }, true),
            (LogQuery { actor: some("pee"), ..query() }, false),
            (LogQuery { turn: some("turn_1"), ..query() }, true),
            (LogQuery { turn: some("turn_"), ..query() }, false),
            (LogQuery { text: some("link ended"), ..query() }, true),
            (LogQuery { text: some("TURN_1"), ..query() }, true),
            (LogQuery { text: some("17"), ..query() }, true),
            (LogQuery { text: some("18"), ..query() }, false),
        ] {
            assert_eq!(matches(&query, &warn), expected, "{query:?}");
        }
    }

    fn times(page: &LogPage) -> Vec<u64> {
        page.lines.iter().map(|line| line.at_us).collect()
    }

    #[test]
    fn without_a_cursor_the_newest_come_and_behind_one_the_oldest() {
        let lines = || (1..=5).map(|at| line(at, LogLevel::Info, "x"));
        let newest = page(&query(), lines());
        assert_eq!((times(&newest), newest.is_cut), (vec![4, 5], true));
        let next = page(&LogQuery { after_us: Some(1), ..query() }, lines());
        assert_eq!((times(&next), next.is_cut), (vec![2, 3], true));
        let last = page(&LogQuery { after_us: Some(3), ..query() }, lines());
        assert_eq!((times(&last), last.is_cut), (vec![4, 5], false));
    }

    #[test]
    fn lines_of_one_moment_stay_together() {
        let lines = || [1, 2, 2, 2, 3].into_iter().map(|at| line(at, LogLevel::Info, "x"));
        assert_eq!(times(&page(&LogQuery { after_us: Some(0), ..query() }, lines())), [1, 2, 2, 2]);
        assert_eq!(times(&page(&query(), lines())), [2, 2, 2, 3]);
    }

    #[test]
    fn machines_are_merged_by_time_and_who_is_missing_is_named() {
        let of = |node: &str, at| LogLine { node: node.to_owned(), ..line(at, LogLevel::Info, "x") };
        let pages = || {
            vec![
                LogPage { lines: vec![of("a", 1), of("a", 4)], is_cut: false, until_us: None },
                LogPage { lines: vec![of("b", 2), of("b", 3)], is_cut: false, until_us: None },
            ]
        };
        let missing = || {
            ["z", "c"].map(|node| LogMissing { node: node.to_owned(), message: "gone".to_owned() }).to_vec()
        };
        let newest = merge(&query(), pages(), missing());
        assert_eq!(newest.lines.iter().map(|line| line.at_us).collect::<Vec<_>>(), [3, 4]);
        assert!(newest.is_cut);
        assert_eq!(newest.missing[0].node, "c");
        let all = merge(&LogQuery { limit: 10, ..query() }, pages(), Vec::new());
        assert_eq!(all.lines.iter().map(|line| line.at_us).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(!all.is_cut);
    }

    #[test]
    fn a_machine_with_more_holds_the_others_back() {
        let of = |node: &str, at| LogLine { node: node.to_owned(), ..line(at, LogLevel::Info, "x") };
        let cut = LogPage { lines: vec![of("a", 5), of("a", 6)], is_cut: true, until_us: None };
        let whole = LogPage { lines: vec![of("b", 4), of("b", 9)], is_cut: false, until_us: None };
        let wide = LogQuery { limit: 10, ..query() };
        let behind = LogQuery { after_us: Some(3), ..wide.clone() };
        let times = |logs: FleetLogs| logs.lines.iter().map(|line| line.at_us).collect::<Vec<_>>();
        assert_eq!(times(merge(&behind, vec![cut.clone(), whole.clone()], Vec::new())), [4, 5, 6]);
        assert_eq!(times(merge(&wide, vec![cut, whole], Vec::new())), [5, 6, 9]);
    }
}
