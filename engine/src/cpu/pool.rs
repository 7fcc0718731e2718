//! A few threads that share out the parts of one loop, with as little delay as threads can have.
//!
//! A step has five such loops per block of the model, each some microseconds long, so the workers wait for the next
//! one awake for a moment before they sleep. The caller works too, takes whatever no worker has taken, and waits
//! only for workers that are in the middle of a part: a worker that the system does not run delays nobody.
//! Which thread computes which part changes no result.
#![expect(unsafe_code, reason = "a loop body on the caller's stack is lent to the workers")]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::matrix::Prepared;

/// How long a worker waits awake. Longer than the pauses within a step; doubled, a neighbour on the same cores
/// loses that much more after every step.
const AWAKE: Duration = Duration::from_micros(60);

/// Parts per thread that a loop is cut into, so that a thread that is slowed down leaves its rest to others.
const PARTS_PER_THREAD: usize = 4;

/// A loop's body, called with the number of a part.
type Body<'a> = dyn Fn(usize) + Sync + 'a;

/// The threads.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    threads: Vec<Thread>,
    /// Buffers of the product that runs, kept here between products.
    pub(crate) prepared: Prepared,
}

struct Shared {
    /// The loop's body; valid while `is_open`, and as long as `active` is not zero after that.
    body: UnsafeCell<*const Body<'static>>,
    parts: AtomicUsize,
    next_part: AtomicUsize,
    is_open: AtomicBool,
    /// Workers that may be using `body`.
    active: AtomicUsize,
    /// Counts loops, so that a worker sees a new one.
    generation: AtomicUsize,
    sleeping: AtomicUsize,
    has_panicked: AtomicBool,
    is_stopping: AtomicBool,
}

// SAFETY: `body` is written by the caller alone, while no loop is open and no worker is active; workers read it only
// after they became active and saw the loop open. All of these are sequentially consistent.
unsafe impl Sync for Shared {}
// SAFETY: the pointer is used as above, wherever the structure lies.
unsafe impl Send for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

fn nothing(_: usize) {}

impl Pool {
    /// A pool of so many threads, the caller's included; fewer if the system refuses some.
    pub(crate) fn new(threads: usize) -> Pool {
        let idle: &'static Body<'static> = &nothing;
        let shared = Arc::new(Shared {
            body: UnsafeCell::new(idle),
            parts: AtomicUsize::new(0),
            next_part: AtomicUsize::new(0),
            is_open: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            has_panicked: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        });
        let start = |number: usize| {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name(format!("engine-cpu-{number}"));
            builder.spawn(move || shared.serve()).ok()
        };
        let workers: Vec<_> = (1..threads).map_while(start).collect();
        let threads = workers.iter().map(|worker| worker.thread().clone()).collect();
        Pool { shared, workers, threads, prepared: Prepared::default() }
    }

    /// Threads, the caller's included.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs the body over ranges that together are `0..count`, none (but the last) shorter than `least`.
    pub(crate) fn split(&mut self, count: usize, least: usize, body: impl Fn(Range<usize>) + Sync) {
        let share = count.div_ceil(self.threads() * PARTS_PER_THREAD).max(least).max(1);
        let parts = count.div_ceil(share);
        let part = |part: usize| body(part * share..((part + 1) * share).min(count));
        if parts <= 1 || self.workers.is_empty() {
            (0..parts).for_each(part);
        } else {
            self.run(parts, &part);
        }
    }

    /// Exclusive, so that no two loops meet.
    fn run(&mut self, parts: usize, body: &Body<'_>) {
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. The body stays alive until this function has seen every worker leave.
        let body = unsafe { std::mem::transmute::<&Body<'_>, &'static Body<'static>>(body) };
        // SAFETY: no loop is open and no worker is active: the previous call waited for that.
        unsafe { *shared.body.get() = body };
        shared.parts.store(parts, Ordering::SeqCst);
        shared.next_part.store(0, Ordering::SeqCst);
        shared.is_open.store(true, Ordering::SeqCst);
        shared.generation.fetch_add(1, Ordering::SeqCst);
        if shared.sleeping.load(Ordering::SeqCst) > 0 {
            self.threads.iter().for_each(Thread::unpark);
        }
        let result = catch_unwind(AssertUnwindSafe(|| shared.work(body)));
        shared.is_open.store(false, Ordering::SeqCst);
        shared.wait_until_idle();
        if let Err(panic) = result {
            resume_unwind(panic);
        }
        assert!(!shared.has_panicked.load(Ordering::SeqCst), "a worker of the compute pool panicked");
    }
}

impl Shared {
    /// Takes parts until none is left.
    fn work(&self, body: &Body<'_>) {
        let parts = self.parts.load(Ordering::SeqCst);
        loop {
            let part = self.next_part.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return;
            }
            body(part);
        }
    }

    fn wait_until_idle(&self) {
        let start = Instant::now();
        while self.active.load(Ordering::SeqCst) != 0 {
            if start.elapsed() < AWAKE {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }

    /// A worker's life: until the pool is dropped.
    fn serve(&self) {
        let mut seen = 0;
        while !self.is_stopping.load(Ordering::SeqCst) {
            seen = self.wait_for_loop(seen);
            self.active.fetch_add(1, Ordering::SeqCst);
            if self.is_open.load(Ordering::SeqCst) {
                // SAFETY: this worker is active and the loop is open, so the caller keeps the body alive.
                let body = unsafe { &**self.body.get() };
                if catch_unwind(AssertUnwindSafe(|| self.work(body))).is_err() {
                    self.has_panicked.store(true, Ordering::SeqCst);
                }
            }
            self.active.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Waits until there was a loop after the one seen last, or the pool stops.
    fn wait_for_loop(&self, seen: usize) -> usize {
        let start = Instant::now();
        loop {
            for _ in 0..32 {
                let generation = self.generation.load(Ordering::SeqCst);
                if generation != seen {
                    return generation;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > AWAKE {
                self.sleeping.fetch_add(1, Ordering::SeqCst);
                // Looked at once more after `sleeping` is visible: whoever opens a loop from now on wakes us.
                if self.generation.load(Ordering::SeqCst) == seen {
                    thread::park();
                }
                self.sleeping.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
        self.threads.iter().for_each(Thread::unpark);
        for worker in self.workers.drain(..) {
            // A worker catches every panic of a body, and has none of its own to tell.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_visited_once() {
        let mut pool = Pool::new(3);
        for count in [0, 1, 5, 64, 1000] {
            let visits: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            pool.split(count, 1, |range| {
                for index in range {
                    visits[index].fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(visits.iter().all(|visits| visits.load(Ordering::Relaxed) == 1), "{count}");
        }
    }

    #[test]
    fn many_short_loops_lose_nothing_when_workers_sleep_between() {
        let mut pool = Pool::new(2);
        let total = AtomicUsize::new(0);
        for round in 0..2000 {
            pool.split(8, 1, |range| {
                total.fetch_add(range.len(), Ordering::Relaxed);
            });
            if round % 500 == 0 {
                thread::sleep(3 * AWAKE);
            }
        }
        assert_eq!(total.into_inner(), 16_000);
    }

    #[test]
    fn a_panic_in_a_part_reaches_the_caller() {
        let mut pool = Pool::new(2);
        let result = catch_unwind(AssertUnwindSafe(|| pool.split(16, 1, |_| panic!("on purpose"))));
        assert!(result.is_err());
    }
}
