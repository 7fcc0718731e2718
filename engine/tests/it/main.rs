//! The engine's parts together, on tiny checkpoints.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod backend;
mod checkpoint;
mod embedding;
mod serving;
mod sprout;
mod vision;
