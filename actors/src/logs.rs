//! Logs of the fleet: a gateway asks every machine at once, and names those that do not answer in time. What a machine
//! has is behind [`LogSource`]; the process gives it to its [`Handle`] when it starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use pomona_cluster::log_query::merge;
use pomona_protocol::limits::{LOG_LINES_MAX, LOG_PAGE_BYTES_MAX};
use pomona_protocol::{Cause, FleetLogs, LogLine, LogMissing, LogPage, LogQuery, NodeId, NodeStatus};

use crate::Handle;
use crate::links::control::{ControlMessage, Rmp};
use crate::shared::Shared;

/// Where the lines of this machine are.
pub trait LogSource: Send + Sync + 'static {
    /// Lines that answer a question, the oldest first. May block on the disk.
    fn query(&self, query: &LogQuery) -> LogPage;
}

/// How far a reader has come on each machine, so that what one of them says late is not missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCursors(BTreeMap<NodeId, u64>);

impl LogCursors {
    /// The last line that the reader has of this machine, in Unix microseconds.
    fn of(&self, node: &NodeId) -> Option<u64> {
        self.0.get(node).copied()
    }
}

impl Handle {
    /// From now on questions about the logs of this machine are answered from there.
    pub fn set_logs(&self, source: Arc<dyn LogSource>) {
        self.shared.logs.store(Some(Arc::new(source)));
    }

    /// Lines of one machine, by id or name, or of all.
    pub async fn logs(&self, query: &LogQuery, node: Option<&str>) -> Result<FleetLogs, Cause> {
        let (pages, missing) = self.ask_all(query, node, &LogCursors::default()).await?;
        Ok(merge(query, pages.into_iter().map(|(_, page)| page).collect(), missing))
    }

    /// The next lines behind what a reader has of each machine. Behind a fresh cursor the question's own start counts.
    pub async fn next_logs(
        &self,
        query: &LogQuery,
        node: Option<&str>,
        cursors: &mut LogCursors,
    ) -> Result<FleetLogs, Cause> {
        let (pages, missing) = self.ask_all(query, node, cursors).await?;
        let mut logs = FleetLogs { missing, ..FleetLogs::default() };
        for (node, page) in pages {
            if let Some(next_us) = page.next_us() {
                cursors.0.insert(node, next_us);
            }
            logs.is_cut |= page.is_cut;
            logs.lines.extend(page.lines);
        }
        logs.lines.sort_by(|a, b| (a.at_us, &a.node).cmp(&(b.at_us, &b.node)));
        Ok(logs)
    }

    async fn ask_all(
        &self,
        query: &LogQuery,
        node: Option<&str>,
        cursors: &LogCursors,
    ) -> Result<(Vec<(NodeId, LogPage)>, Vec<LogMissing>), Cause> {
        let asked = match node {
            Some(node) => vec![self.node(node).await?],
            None => self.nodes().await?,
        };
        let questions = asked.into_iter().map(|node| {
            let after_us = cursors.of(&node.node).or(query.after_us);
            let query = LogQuery { after_us, limit: query.limit.clamp(1, LOG_LINES_MAX), ..query.clone() };
            async move {
                let page = self.ask(&node, query).await;
                (node, page)
            }
        });
        let (mut pages, mut missing) = (Vec::new(), Vec::new());
        for (node, page) in futures::future::join_all(questions).await {
            match page {
                Ok(mut page) => {
                    page.lines.iter_mut().for_each(|line| line.node.clone_from(&node.name));
                    pages.push((node.node, page));
                }
                Err(cause) => missing.push(LogMissing { node: node.name, message: cause.to_string() }),
            }
        }
        Ok((pages, missing))
    }

    async fn ask(&self, node: &NodeStatus, query: LogQuery) -> Result<LogPage, Cause> {
        if node.is_here {
            return own(&self.shared, query).await;
        }
        let order = |key, reply| ControlMessage::Logs(key, Rmp::new(query), reply);
        self.shared.peers.order(&node.node, order).await
    }
}

/// What this machine answers.
pub(crate) async fn own(shared: &Shared, query: LogQuery) -> Result<LogPage, Cause> {
    let internal = |message: &str| Cause::Internal { message: message.to_owned() };
    let source = shared.logs.load_full().ok_or_else(|| internal("this machine keeps no log"))?;
    let query = LogQuery { limit: query.limit.clamp(1, LOG_LINES_MAX), ..query };
    let is_behind_cursor = query.after_us.is_some();
    let asked = tokio::task::spawn_blocking(move || source.query(&query)).await;
    asked.map(|page| bounded(page, is_behind_cursor)).map_err(|_| internal("reading the log failed"))
}

/// As many lines as one message holds. Lines of one moment stay together, since its time is the cursor behind them.
fn bounded(page: LogPage, is_behind_cursor: bool) -> LogPage {
    let LogPage { lines, mut is_cut, until_us } = page;
    let mut bytes = 0;
    let mut fits = |line: &LogLine| {
        bytes += serde_json::to_vec(line).map_or(0, |line| line.len());
        bytes <= LOG_PAGE_BYTES_MAX
    };
    let count = if is_behind_cursor {
        lines.iter().take_while(|line| fits(line)).count()
    } else {
        lines.iter().rev().take_while(|line| fits(line)).count()
    };
    let all = lines.len();
    is_cut |= count < all;
    let until_us = until_us.filter(|_| count == all);
    let mut lines = lines;
    if is_behind_cursor {
        let mut keep = count;
        // A moment that does not fit whole comes next time; one that fills a message alone is cut.
        while keep > 1 && keep < all && lines[keep - 1].at_us == lines[keep].at_us {
            keep -= 1;
        }
        lines.truncate(if keep > 1 { keep } else { count });
    } else {
        lines.drain(..all - count);
    }
    LogPage { lines, is_cut, until_us }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::LogLevel;

    use super::*;

    fn line(at_us: u64, bytes: usize) -> LogLine {
        LogLine {
            at_us,
            time: String::new(),
            level: LogLevel::Info,
            node: String::new(),
            target: String::new(),
            message: "x".repeat(bytes),
            fields: BTreeMap::new(),
        }
    }

    fn times(page: &LogPage) -> Vec<u64> {
        page.lines.iter().map(|line| line.at_us).collect()
    }

    #[test]
    fn a_page_fits_into_a_message_and_says_that_there_is_more() {
        let lines: Vec<_> = (1..=40).map(|at| line(at, 16_000)).collect();
        let oldest = bounded(LogPage { lines: lines.clone(), is_cut: false, until_us: None }, true);
        assert!(oldest.is_cut && times(&oldest).len() < 20);
        assert_eq!(times(&oldest)[0], 1);
        let newest = bounded(LogPage { lines: lines.clone(), is_cut: false, until_us: None }, false);
        assert_eq!((newest.is_cut, times(&newest).last()), (true, Some(&40)));
        let few = bounded(LogPage { lines: lines[..3].to_vec(), is_cut: false, until_us: None }, true);
        assert_eq!((few.is_cut, few.lines.len()), (false, 3));
    }

    #[test]
    fn a_moment_is_not_cut_in_two() {
        let lines: Vec<_> = [1, 2, 3].into_iter().chain([4; 20]).map(|at| line(at, 16_000)).collect();
        assert_eq!(times(&bounded(LogPage { lines, is_cut: false, until_us: None }, true)), [1, 2, 3]);
    }
}
