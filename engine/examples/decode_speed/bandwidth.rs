//! What the memory gives when threads only read.

use std::hint::black_box;
use std::time::Instant;

/// Numbers per thread: far more than caches hold.
const NUMBERS: usize = 32 << 20;

/// The best of some passes over a buffer per thread, all at once.
pub(crate) fn bytes_per_second(threads: usize) -> f64 {
    let buffers: Vec<Vec<u64>> = (0..threads).map(|thread| vec![thread as u64 + 1; NUMBERS]).collect();
    let pass = || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for buffer in &buffers {
                scope.spawn(|| black_box(sum(buffer)));
            }
        });
        start.elapsed().as_secs_f64()
    };
    let fastest = (0..5).map(|_| pass()).fold(f64::INFINITY, f64::min);
    (threads * NUMBERS * size_of::<u64>()) as f64 / fastest
}

/// In independent lanes, so that the additions are not what takes the time.
fn sum(numbers: &[u64]) -> u64 {
    let mut lanes = [0u64; 32];
    for chunk in numbers.chunks_exact(lanes.len()) {
        for (lane, number) in lanes.iter_mut().zip(chunk) {
            *lane = lane.wrapping_add(*number);
        }
    }
    lanes.into_iter().fold(0, u64::wrapping_add)
}
