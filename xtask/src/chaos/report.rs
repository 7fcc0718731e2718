//! What a run has shown: answers against the undisturbed ones, and how long each silence was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pomona_tests::Answer;
use serde_json::{Value, json};

use super::faults::{Fault, Kill};
use super::streams::Seen;

/// Differences that are quoted; the rest is counted.
const QUOTED_MAX: usize = 10;

/// Milliseconds, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    fn add(&mut self, duration: Duration) {
        self.0.push(duration.as_secs_f64() * 1e3);
    }

    /// The value that this share of all stays below, in milliseconds; 0 without any.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    fn markdown(&self) -> String {
        match self.count() {
            0 => "–".to_owned(),
            _ => format!("{:.0} / {:.0} / {:.0}", self.at(0.5), self.at(0.95), self.at(0.99)),
        }
    }

    fn json(&self) -> Value {
        json!({ "count": self.count(), "p50": self.at(0.5), "p95": self.at(0.95), "p99": self.at(0.99) })
    }
}

/// What faults of one kind did.
#[derive(Clone, Debug, Default)]
struct Row {
    kills: u32,
    met: u32,
    moved: u32,
    /// From the fault until an admin could see it.
    noticed: Spread,
    /// From the fault until a stream of the node was told that it goes on elsewhere.
    told: Spread,
    /// From the fault until such a stream had its next token.
    next_token: Spread,
    /// The longest silence of any stream that began between this fault and the next.
    silence: Spread,
}

/// What the gateway's own metrics say at the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Turns that lost their replica and went on.
    pub(crate) failovers: f64,
    /// Times that a node was suspected.
    pub(crate) suspicions: f64,
    /// From noticing the loss to the next token, on average.
    pub(crate) mean_gap_ms: f64,
}

/// A whole run.
pub(crate) struct Report {
    counted: Counted,
    seed: u64,
    rows: BTreeMap<Fault, Row>,
    answers: u32,
    tokens: u64,
    differences: Vec<String>,
    /// From a fault that takes a node until a stream was told.
    pub(crate) detection: Spread,
    /// From such a fault until the next token.
    pub(crate) next_token: Spread,
    /// From a drain until the next token of the streams that moved.
    pub(crate) drain: Spread,
}

impl Report {
    /// Compares and measures.
    pub(super) fn new(
        seed: u64,
        kills: &[Kill],
        seen: &[Seen],
        expected: &[String],
        counted: Counted,
    ) -> Self {
        let mut report = Self {
            counted,
            seed,
            rows: BTreeMap::new(),
            answers: seen.len() as u32,
            tokens: seen.iter().map(|seen| seen.answer.tokens).sum(),
            differences: seen.iter().filter_map(|seen| difference(seen, expected)).collect(),
            detection: Spread::default(),
            next_token: Spread::default(),
            drain: Spread::default(),
        };
        for (index, kill) in kills.iter().enumerate() {
            let end = kills.get(index + 1).map_or(kill.over, |next| next.at);
            report.add(kill, end, seen);
        }
        report
    }

    /// Whether every answer was the undisturbed one, and there were some.
    pub(crate) fn is_intact(&self) -> bool {
        self.differences.is_empty() && self.answers > 0
    }

    /// Answers that were not the undisturbed ones.
    pub(crate) fn differing(&self) -> usize {
        self.differences.len()
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        let times: u32 = self.rows.values().map(|row| row.kills).sum();
        let moved: u32 = self.rows.values().map(|row| row.moved).sum();
        let Self { seed, answers, .. } = self;
        format!(
            "seed {seed}, {times} faults, {moved} turns moved, {answers} answers, {} differ",
            self.differing()
        )
    }

    fn add(&mut self, kill: &Kill, end: Instant, seen: &[Seen]) {
        let row = self.rows.entry(kill.kind).or_default();
        row.kills += 1;
        row.met += u32::from(kill.turns > 0);
        kill.noticed.iter().for_each(|&noticed| row.noticed.add(noticed));
        let mut longest = Duration::ZERO;
        for answer in seen.iter().map(|seen| &seen.answer) {
            longest = longest.max(silence_within(answer, kill.at, end));
            // The first move is the fault's; a second one within the window is a matter of the first.
            let Some(news) = answer.resumed.iter().find(|news| news.at > kill.at && news.at <= end) else {
                continue;
            };
            row.moved += 1;
            let next = answer.arrivals.iter().find(|(at, tokens)| *at >= news.at && *tokens > news.shown);
            let next = next.map(|(at, _)| *at - kill.at);
            row.told.add(news.at - kill.at);
            next.iter().for_each(|&next| row.next_token.add(next));
            if kill.kind.loses_a_node() {
                self.detection.add(news.at - kill.at);
                next.iter().for_each(|&next| self.next_token.add(next));
            } else if kill.kind == Fault::Drain {
                let last = answer.arrivals.iter().rfind(|(at, _)| *at <= news.at).map(|(at, _)| *at);
                if let (Some(last), Some(next)) = (last, next) {
                    self.drain.add((kill.at + next).saturating_duration_since(last));
                }
            }
        }
        row.silence.add(longest);
    }

    /// For people.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "seed {} · {} answers, {} tokens compared with undisturbed ones: {} differ\n\n",
            self.seed,
            self.answers,
            self.tokens,
            self.differences.len()
        );
        text += "Milliseconds from the fault as p50 / p95 / p99.\n\n";
        text += "| fault | times | node was busy | turns moved | admin sees it | stream is told | next token | longest silence |\n";
        text += "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
        for (kind, row) in &self.rows {
            let Row { kills, met, moved, .. } = row;
            let spreads = [&row.noticed, &row.told, &row.next_token, &row.silence].map(Spread::markdown);
            text += &format!("| {} | {kills} | {met} | {moved} | {} |\n", kind.name(), spreads.join(" | "));
        }
        text += &format!(
            "\ndetection {} (target p95 ≤ 1000) · kill to next token {} (target p95 ≤ 1500) · silence of a drained turn {} (target p95 ≤ 150)\n",
            self.detection.markdown(),
            self.next_token.markdown(),
            self.drain.markdown(),
        );
        let Counted { failovers, suspicions, mean_gap_ms } = self.counted;
        text += &format!(
            "\nby the gateway's own metrics: {failovers} failovers, {suspicions} suspicions, {mean_gap_ms:.0} ms on average from noticing to the next token\n"
        );
        for difference in self.differences.iter().take(QUOTED_MAX) {
            text += &format!("\n- {difference}");
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(kind, row)| {
            json!({
                "fault": kind.name(), "times": row.kills, "busy": row.met, "moved": row.moved,
                "noticed_ms": row.noticed.json(), "told_ms": row.told.json(),
                "next_token_ms": row.next_token.json(), "silence_ms": row.silence.json(),
            })
        });
        json!({
            "seed": self.seed, "answers": self.answers, "tokens": self.tokens,
            "differing": self.differences.len(), "differences": self.differences,
            "faults": rows.collect::<Vec<_>>(), "detection_ms": self.detection.json(),
            "next_token_ms": self.next_token.json(), "drain_ms": self.drain.json(),
            "gateway": { "failovers": self.counted.failovers, "suspicions": self.counted.suspicions, "mean_gap_ms": self.counted.mean_gap_ms },
        })
    }
}

/// How an answer differs from the undisturbed one, in words without its text.
fn difference(seen: &Seen, expected: &[String]) -> Option<String> {
    let Seen { question, answer } = seen;
    if let Err(error) = answer.check_complete() {
        return Some(format!("question {question}: {error:#}, behind {} tokens", answer.tokens));
    }
    let expected = expected.get(*question as usize).map(String::as_str).unwrap_or_default();
    if answer.text == expected {
        return None;
    }
    let same = answer.text.bytes().zip(expected.bytes()).take_while(|(one, other)| one == other).count();
    let (bytes, wanted) = (answer.text.len(), expected.len());
    Some(format!(
        "question {question}: {bytes} bytes instead of {wanted}, different from byte {same}; moved {:?}",
        answer.resumed
    ))
}

/// The longest silence of a stream that began or ended between two moments.
fn silence_within(answer: &Answer, from: Instant, to: Instant) -> Duration {
    let pairs = answer.arrivals.windows(2).map(|pair| (pair[0].0, pair[1].0));
    let touching = pairs.filter(|&(before, after)| after > from && before < to);
    touching.map(|(before, after)| after - before).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with a token at each of these milliseconds, told after `told` that it goes on.
    fn answer(start: Instant, tokens: &[u64], told: Option<(u64, u64)>) -> Answer {
        let mut answer = Answer::default();
        let at = |ms: u64| start + Duration::from_millis(ms);
        answer.arrivals = tokens.iter().zip(1..).map(|(&ms, count)| (at(ms), count)).collect();
        answer.tokens = tokens.len() as u64;
        answer.text = "text".to_owned();
        answer.reason = Some("length".to_owned());
        let resumed = |(ms, shown)| pomona_tests::answer::Resumed {
            at: at(ms),
            shown,
            cause: "node_suspect".to_owned(),
            node: "n2".to_owned(),
        };
        answer.resumed = told.map(resumed).into_iter().collect();
        answer
    }

    fn kill(start: Instant, kind: Fault, at: u64, over: u64) -> Kill {
        let moment = |ms| start + Duration::from_millis(ms);
        Kill { kind, at: moment(at), noticed: None, over: moment(over), turns: 1 }
    }

    #[test]
    fn times_count_from_the_fault_to_what_the_stream_saw() {
        let start = Instant::now();
        let moved = answer(start, &[100, 200, 900, 1000], Some((800, 2)));
        let untouched = answer(start, &[100, 200, 300, 400], None);
        let seen = [moved, untouched].map(|answer| Seen { question: 0, answer });
        let kills = [kill(start, Fault::KillNode, 150, 2000)];
        let report = Report::new(1, &kills, &seen, &["text".to_owned()], Counted::default());
        assert!(report.is_intact());
        assert_eq!((report.detection.at(0.5), report.next_token.at(0.5)), (650.0, 750.0));
        let row = &report.rows[&Fault::KillNode];
        assert_eq!((row.kills, row.moved, row.silence.at(0.5)), (1, 1, 700.0));
        assert!(report.markdown().contains("| kill -9 node | 1 | 1 | 1 |"), "{}", report.markdown());
    }

    #[test]
    fn the_gap_of_a_drain_is_the_silence_around_the_move() {
        let start = Instant::now();
        let seen = [Seen { question: 0, answer: answer(start, &[100, 200, 300, 380], Some((310, 3))) }];
        let kills = [kill(start, Fault::Drain, 150, 500)];
        let report = Report::new(1, &kills, &seen, &["text".to_owned()], Counted::default());
        assert_eq!(report.drain.at(0.95), 80.0);
        assert_eq!(report.detection.count(), 0);
    }

    #[test]
    fn a_text_that_differs_or_breaks_a_rule_is_found() {
        let start = Instant::now();
        let mut broken = answer(start, &[1, 2], None);
        broken.broken.push("index 5, expected 4".to_owned());
        let seen = [answer(start, &[1], None), broken].map(|answer| Seen { question: 0, answer });
        let report = Report::new(1, &[], &seen, &["texts".to_owned()], Counted::default());
        assert_eq!(report.differing(), 2);
        assert!(!report.is_intact());
    }

    #[test]
    fn a_spread_takes_the_value_at_its_share() {
        let spread = Spread((1..=100).map(f64::from).collect());
        assert_eq!(
            [spread.at(0.5), spread.at(0.95), spread.at(0.99), spread.at(1.0)],
            [50.0, 95.0, 99.0, 100.0]
        );
        assert_eq!(Spread::default().at(0.95), 0.0);
    }
}
