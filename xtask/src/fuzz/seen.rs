//! What one target did, read from what libFuzzer says, and the table of all.

use std::fmt::Write as _;

/// What a target did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) target: String,
    /// Inputs that were run.
    executions: u64,
    /// Edges of the code that some input went over, as `cov` counts them.
    edges: u64,
    /// Inputs that are kept because each covers something of its own.
    kept: u64,
    /// Files of inputs that broke something, new in this run.
    pub(super) found: Vec<String>,
    /// Whether it ended as it should.
    has_ended_well: bool,
}

impl Seen {
    /// Reads the log of a run.
    pub(super) fn read(target: &str, log: &str, found: Vec<String>, has_ended_well: bool) -> Self {
        let mut stat = log.lines().filter_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        // A run that broke has no statistics; its last line of progress has them nearly.
        let mut progress = log.lines().filter(|line| line.starts_with('#') && line.contains(" cov: "));
        let last = progress.next_back().unwrap_or_default();
        let counted =
            || last.trim_start_matches('#').split_whitespace().next().and_then(|word| word.parse().ok());
        let executions =
            stat.next_back().and_then(|count| count.trim().parse().ok()).or_else(counted).unwrap_or(0);
        let kept = behind(last, "corp:").and_then(|word| word.split('/').next());
        Self {
            target: target.to_owned(),
            executions,
            edges: behind(last, "cov:").and_then(|word| word.parse().ok()).unwrap_or(0),
            kept: kept.and_then(|count| count.parse().ok()).unwrap_or(0),
            found,
            has_ended_well,
        }
    }

    /// Whether nothing broke.
    pub(super) fn is_clean(&self) -> bool {
        self.found.is_empty() && self.has_ended_well
    }
}

/// The word behind another one.
fn behind<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let mut words = line.split_whitespace();
    words.find(|other| *other == word)?;
    words.next()
}

/// All of them, as Markdown.
pub(super) fn table(all: &[Seen]) -> String {
    let mut text =
        "| target | executions | coverage (edges) | inputs kept | crashes |\n|---|--:|--:|--:|--:|\n"
            .to_owned();
    for seen in all {
        let broken = match (seen.found.len(), seen.has_ended_well) {
            (0, false) => "ended badly".to_owned(),
            (count, _) => count.to_string(),
        };
        let Seen { target, executions, edges, kept, .. } = seen;
        let _ = writeln!(text, "| {target} | {executions} | {edges} | {kept} | {broken} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO: Seed: 1\n#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #4096\tpulse  cov: 31 ft: 40 corp: 7/90b lim: 8 exec/s: 2048 rss: 31Mb\n";

    #[test]
    fn a_run_to_its_end_is_counted_by_its_statistics() {
        let log = format!(
            "{LOG}#5000\tDONE   cov: 32 ft: 41 corp: 8/99b lim: 8 exec/s: 9 rss: 31Mb\nstat::number_of_executed_units: 5001\n"
        );
        let seen = Seen::read("config", &log, Vec::new(), true);
        assert!(seen.is_clean());
        assert!(table(&[seen]).ends_with("| config | 5001 | 32 | 8 | 0 |\n"));
    }

    #[test]
    fn a_run_that_broke_is_counted_by_its_last_line_of_progress() {
        let seen = Seen::read("config", LOG, vec!["crash-1".to_owned()], false);
        assert!(!seen.is_clean());
        assert!(table(&[seen]).ends_with("| config | 4096 | 31 | 7 | 1 |\n"));
        let killed = Seen::read("config", "", Vec::new(), false);
        assert!(!killed.is_clean());
        assert!(table(&[killed]).ends_with("| config | 0 | 0 | 0 | ended badly |\n"));
    }
}
