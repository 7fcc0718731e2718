//! Givers and takers over in-process pipes, on virtual time: shared work, every kind of bad source, cuts and
//! resumption, bandwidth. And pulls from a hub over loopback, and questions to it.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking, helpers included")]

mod asking;
mod bad_sources;
mod fake_hub;
mod giving;
mod kit;
mod pull;
mod pull_faults;
mod pull_kit;
mod resuming;
mod sharing;
