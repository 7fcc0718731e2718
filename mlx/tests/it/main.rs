//! The MLX backend on tiny checkpoints. Without the backend in the build there is nothing to test.
#![cfg(any(target_os = "macos", feature = "mlx"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod batches;
mod reference;
mod refusals;
mod serving;
mod support;
