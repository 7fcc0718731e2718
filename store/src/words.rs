//! What is said to the store and what it answers.

use std::path::PathBuf;

use pomona_config::StoreConfig;
use pomona_protocol::{Principal, SessionEvent, SessionId, SessionSummary, TurnId};
use serde::{Deserialize, Serialize};

/// What a store is opened from.
#[derive(Clone, Debug)]
pub struct StoreParts {
    /// Where and how.
    pub config: StoreConfig,
    /// Folder of the SQLite file, `store.db`.
    pub data_dir: PathBuf,
}

/// Events for the end of one log, written whole or not at all.
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose log.
    pub session: SessionId,
    /// The writer's epoch, as [`Activation`] gave it; 1 together with `expected_seq` 0 makes the session.
    pub epoch: u64,
    /// Where the log must end before.
    pub expected_seq: u64,
    /// The events, dense from `expected_seq + 1`; may be empty when only the rest is to be written.
    pub events: Vec<SessionEvent>,
    /// Whether this must be on the disk, and not only with the system, before it is acknowledged.
    pub synced: bool,
    /// What lists show from now on, when that changed. `open_turns` above 0 makes [`crate::Store::unfinished`] name it.
    pub summary: Option<SessionSummary>,
    /// Texts that searches find from now on.
    pub texts: Vec<Indexed>,
    /// Lines of the audit.
    pub audit: Vec<AuditEntry>,
    /// The whole state behind these events, so that an activation need not read the log from its start.
    pub snapshot: Option<Vec<u8>>,
}

/// A text to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// Its turn, which leads to the session as well ([`crate::Store::session_of`]).
    pub turn: TurnId,
    /// 0: what was asked; 1: what was answered. A second text of the same turn and part replaces the first.
    pub part: u8,
    /// The text.
    pub text: String,
}

/// The right to write a log, taken from whoever had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// The writer's epoch; one more than the last one.
    pub epoch: u64,
    /// What there is to read.
    pub bounds: Bounds,
    /// The last snapshot: the number behind which it was taken, and its bytes. Events behind it have to be applied.
    pub snapshot: Option<(u64, Vec<u8>)>,
}

/// What there is to read of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest number that can be read; `head + 1` when nothing can.
    pub oldest_seq: u64,
    /// Where the log ends.
    pub head_seq: u64,
}

/// Somebody did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// Who.
    pub by: Principal,
    /// `session.created`, `turn.asked`, `turn.cancelled`, `session.exported`, `session.deleted`, …
    pub action: String,
    /// The session, and the turn where there is one.
    pub object: String,
    /// What else is worth knowing; never a prompt or an answer.
    pub detail: String,
}

/// A line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its number, from 1 without gaps.
    pub number: u64,
    /// What it says.
    pub entry: AuditEntry,
    /// SHA-256 over the hash before it and everything that it says, in hex.
    pub hash: String,
}

/// Whether the audit is as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerdict {
    /// Lines that were checked.
    pub lines: u64,
    /// Hash of the last one, to be noted elsewhere: who has it can tell later that no end was cut off.
    pub last_hash: String,
    /// The first line that is not as it was written, and what is wrong.
    pub broken: Option<(u64, String)>,
}

/// What a look at everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Version of the schema.
    pub schema: u32,
    /// Sessions.
    pub sessions: u64,
    /// Rows of events.
    pub events: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// What is wrong, one line each: gaps in a log, heads that do not fit, damaged pages, a broken audit.
    pub problems: Vec<String>,
}

/// What was gained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// Rows before.
    pub rows_before: u64,
    /// Rows after.
    pub rows_after: u64,
    /// Bytes before.
    pub bytes_before: u64,
    /// Bytes after.
    pub bytes_after: u64,
}

/// What was let go by age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Sessions that were deleted.
    pub sessions_deleted: u64,
    /// Rows of events that were deleted from sessions that stay.
    pub events_deleted: u64,
}
