//! Givers and takers over in-process pipes, on virtual time: shared work, every kind of bad source, cuts and
//! resumption, bandwidth.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking, helpers included")]

mod bad_sources;
mod giving;
mod kit;
mod resuming;
mod sharing;
