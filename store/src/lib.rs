//! What lasts: the logs of sessions, what is found in them, and the audit.
//!
//! `node` opens a [`Store`] and hands it to the actors. Writes of all sessions are gathered by one writer into one
//! commit; each is checked against the log's end and the writer's epoch in the same transaction, so a log cannot fork.
//! SQLite and PostgreSQL behave the same, which one suite of tests holds.

mod audit;
mod backend;
mod encoding;
mod error;
mod figures;
mod postgres;
mod search;
mod sqlite;
mod store;
mod words;

pub use error::{AppendError, StoreError};
pub use figures::{StoreFigures, TIME_BOUNDS_MICROS, Times};
pub use store::Store;
pub use words::{
    Activation, Append, AuditEntry, AuditRecord, AuditVerdict, Bounds, CheckReport, Compacted, Indexed, Kept,
    StoreParts,
};
