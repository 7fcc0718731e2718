//! Inference on MLX, the backend of Apple's machines: the same engine above, the same checkpoints below, other
//! arithmetic.
//!
//! Built on macOS always, and elsewhere only under the feature `mlx`: there MLX computes on the CPU, which is how it is
//! tested (`cargo xtask mlx-linux`). All but `machine/apple.rs` is the same on both. The node hands it to the engine;
//! nothing else imports it.

#[cfg(any(target_os = "macos", feature = "mlx"))]
mod accelerator;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod attention;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod backend;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod budget;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod decoder;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod device;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod experts;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod kv;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod lines;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod machine;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod masks;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod matrix;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod pass;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod quantised;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod rows;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod selftest;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod tensor;
#[cfg(any(target_os = "macos", feature = "mlx"))]
mod weights;

use pomona_engine::backend::Accelerator;

#[cfg(any(target_os = "macos", feature = "mlx"))]
pub use backend::{MlxBackend, MlxOptions};
#[cfg(any(target_os = "macos", feature = "mlx"))]
pub use selftest::{Fault, check as check_device};

/// MLX for the engine, if this build has it.
pub fn accelerator() -> Option<&'static dyn Accelerator> {
    #[cfg(any(target_os = "macos", feature = "mlx"))]
    {
        Some(&accelerator::Mlx)
    }
    #[cfg(not(any(target_os = "macos", feature = "mlx")))]
    {
        None
    }
}
