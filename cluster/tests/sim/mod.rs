//! The simulator: whole clusters on virtual time, from a seed that is printed when something does not hold.
//!
//! The machines of `cluster` run as they are; everything around them (processes, network, engines, clients) is a model in
//! these files, and the oracle in `check.rs` watches. Shared by the test `it.rs`, which runs a bounded number of seeds,
//! and by `examples/sim.rs`, which `cargo xtask sim` runs with as many as one likes.

mod broken;
mod chaos;
mod check;
mod engine;
mod event;
mod faults;
mod gateway;
mod network;
mod node;
pub(crate) mod random;
mod report;
mod shape;
mod turns;
mod world;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub(crate) use broken::Break;
pub(crate) use check::Failure;
pub(crate) use report::Stats;
use world::World;

/// Runs one seed. A run that fails is run once more, to tell the story of the turn that it is about.
pub(crate) fn run_seed(seed: u64, broken: Option<Break>) -> (Stats, Option<Failure>) {
    let mut world = World::new(seed, broken, None);
    world.run();
    let Some(failure) = world.failure else { return (world.stats, None) };
    let mut again = World::new(seed, broken, failure.turn);
    again.run();
    (world.stats, Some(again.failure.unwrap_or(failure)))
}

/// Runs `count` seeds from `first` on, on as many threads as there are cores, up to the first that fails.
pub(crate) fn run_seeds(first: u64, count: u64, broken: Option<Break>) -> (Stats, Option<Failure>) {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let sum: Mutex<(Stats, Option<Failure>)> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let (stats, failure) = run_seed(first + index, broken);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.0.add(&stats);
                    if let Some(failure) = failure {
                        stop.store(true, Ordering::Relaxed);
                        // The smallest seed is reported, whichever thread was first.
                        if sum.1.as_ref().is_none_or(|other| failure.seed < other.seed) {
                            sum.1 = Some(failure);
                        }
                    }
                }
            });
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}
