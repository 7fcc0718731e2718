//! What the machine allows and how it fares: memory limits for MLX, and pressure that makes answers slower.
//!
//! What only macOS knows is asked in `machine/apple.rs`; elsewhere the answer is that nothing is known.

#[cfg(target_os = "macos")]
mod apple;

use std::time::{Duration, Instant};

use mlx_rs::memory;
use pomona_engine::checkpoint::LoadError;

use crate::weights::refused;

/// Freed memory that MLX keeps for the next step: this share of what there is, within bounds. Without a limit it
/// keeps as much as it ever used, which on unified memory is taken from everybody.
const CACHE_SHARE: u64 = 16;
const CACHE_BYTES_MIN: u64 = 128 << 20;
const CACHE_BYTES_MAX: u64 = 2 << 30;
/// Between two looks at the temperature.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// How much a machine slows itself down to cool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thermal {
    /// Not at all, or nobody knows.
    #[default]
    Nominal,
    /// A little.
    Moderate,
    /// Much.
    Heavy,
    /// As much as it can.
    Critical,
}

impl Thermal {
    /// By the number that the system gives.
    fn of_level(level: u64) -> Thermal {
        match level {
            0 => Thermal::Nominal,
            1 => Thermal::Moderate,
            2 => Thermal::Heavy,
            _ => Thermal::Critical,
        }
    }
}

/// Bytes that the GPU may use, where that is less than the memory.
pub(crate) fn usable_bytes() -> Option<u64> {
    #[cfg(target_os = "macos")]
    {
        apple::recommended_bytes()
    }
    #[cfg(not(target_os = "macos"))]
    {
        None
    }
}

/// Sets the limits of MLX for a model that takes `wanted` of `memory` bytes.
pub(crate) fn limit(wanted: u64, memory: u64) -> Result<(), LoadError> {
    let cache = (memory / CACHE_SHARE).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX);
    memory::set_cache_limit(bytes(cache)).map_err(refused)?;
    // What is wired is neither compressed nor written to disk: a little more than the model, so that it all is.
    let wired = wanted.saturating_add(wanted / 8).min(memory);
    match memory::set_wired_limit(bytes(wired)) {
        Ok(_) => tracing::info!(wired_bytes = wired, cache_bytes = cache, "memory of mlx is limited"),
        // Older systems cannot; the model runs all the same, slower under pressure.
        Err(error) => tracing::warn!(error = error.what(), "memory of mlx is not wired"),
    }
    Ok(())
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Says in the log when the machine gets too hot, and what the process takes of its memory.
#[derive(Debug)]
pub(crate) struct Watch {
    next_look: Instant,
    thermal: Thermal,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch { next_look: Instant::now() + LOOK_EVERY, thermal: Thermal::Nominal }
    }

    /// Called once a step; mostly does nothing.
    pub(crate) fn look(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        self.hear(Thermal::of_level(thermal_level().unwrap_or(0)), footprint_bytes());
    }

    fn hear(&mut self, thermal: Thermal, footprint_bytes: u64) {
        if thermal > self.thermal {
            tracing::warn!(?thermal, footprint_bytes, "the machine is hot and slows itself down");
        } else if thermal < self.thermal {
            tracing::info!(?thermal, footprint_bytes, "the machine has cooled down");
        }
        self.thermal = thermal;
    }
}

/// How hot the system says that it is, where it says so.
fn thermal_level() -> Option<u64> {
    #[cfg(target_os = "macos")]
    {
        apple::thermal_level()
    }
    #[cfg(not(target_os = "macos"))]
    {
        None
    }
}

/// Memory of this process as the system counts it, or at least that of MLX.
fn footprint_bytes() -> u64 {
    #[cfg(target_os = "macos")]
    if let Some(bytes) = apple::footprint_bytes() {
        return bytes;
    }
    let counted = memory::active_memory().and_then(|active| Ok(active + memory::cache_memory()?));
    counted.unwrap_or(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_rare() {
        let mut watch = Watch::new();
        let first = watch.next_look;
        watch.look(first - Duration::from_secs(1));
        assert_eq!(watch.next_look, first);
        watch.look(first);
        assert_eq!(watch.next_look, first + LOOK_EVERY);
    }

    #[test]
    fn limits_are_taken() {
        limit(1 << 30, 4 << 30).unwrap();
        // The library answers with the limit that was in force.
        assert_eq!(memory::set_cache_limit(256 << 20).unwrap(), 256 << 20);
        let mut watch = Watch::new();
        watch.hear(Thermal::Heavy, footprint_bytes());
        assert_eq!(watch.thermal, Thermal::Heavy);
    }
}
