//! What is asked of the logs of a machine or of the fleet, and what comes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How loud a line is, the quietest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// Something changed.
    Info,
    /// Something was decided.
    Debug,
    /// Everything else.
    Trace,
}

impl LogLevel {
    /// Every level, the quietest first.
    pub const ALL: [LogLevel; 5] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

    /// The word of queries and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }

    /// The level of a word, however it is written.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| word.eq_ignore_ascii_case(level.as_str()))
    }
}

/// Which lines are wanted. What is `None` or empty asks for nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogQuery {
    /// This level and those that are quieter.
    pub level: Option<LogLevel>,
    /// Lines from this moment on, in Unix milliseconds.
    pub since_unix_ms: Option<u64>,
    /// Lines before this moment, in Unix milliseconds.
    pub until_unix_ms: Option<u64>,
    /// A part of the program: one of the names in its path (`peer`, `fleet`, `guard`).
    pub actor: Option<String>,
    /// A turn's id.
    pub turn: Option<String>,
    /// A text in the message or in a field, whatever its case.
    pub text: Option<String>,
    /// Lines behind this moment, in Unix microseconds: then the oldest come, and otherwise the newest.
    pub after_us: Option<u64>,
    /// Lines at most.
    pub limit: u32,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, in Unix microseconds. Lines of one machine have different ones unless they came at the same moment.
    pub at_us: u64,
    /// The same for people, in UTC.
    pub time: String,
    /// How loud it is.
    pub level: LogLevel,
    /// The machine that wrote it, as people call it.
    #[serde(default)]
    pub node: String,
    /// The part of the program that wrote it.
    pub target: String,
    /// What it says.
    pub message: String,
    /// What else it says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, serde_json::Value>,
}

/// Some lines of one machine, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// There are more: the limit of lines, or of bytes that are looked at, was reached.
    pub is_cut: bool,
    /// Behind a cursor: nothing up to this moment is missing, in Unix microseconds. The last line's where it is `None`.
    #[serde(default)]
    pub until_us: Option<u64>,
}

impl LogPage {
    /// Where a question behind these lines goes on; `None` when nothing was found.
    pub fn next_us(&self) -> Option<u64> {
        self.until_us.or(self.lines.last().map(|line| line.at_us))
    }
}

/// A machine whose log is not in the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMissing {
    /// The machine, as people call it.
    pub node: String,
    /// Why.
    pub message: String,
}

/// Lines of several machines, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetLogs {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// There are more.
    pub is_cut: bool,
    /// Machines that did not answer.
    pub missing: Vec<LogMissing>,
}
