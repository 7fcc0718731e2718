//! What every store keeps, whatever database it lies in. Runs on SQLite always, and on PostgreSQL when
//! `POMONA_TEST_POSTGRES` holds the URL of a database in which schemas can be made.

#![expect(clippy::unwrap_used, reason = "a failed step ends its test")]

mod lists;
mod logs;
mod many;
mod place;
mod upkeep;
