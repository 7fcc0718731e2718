//! Says when each chain is due. A thread of its own, since the timers of the runtime are a millisecond coarse and wait for
//! whatever else it does, and since nothing that the server does may hold a start up.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;

use tokio::sync::mpsc as channel;

use crate::plan::Plan;

use super::tally::Clock;

/// The thread; it ends with its last chain, or when this is dropped.
pub(super) struct Starter {
    /// Nobody waits any more when it is dropped.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Starter {
    /// Starts to tell the chains of a plan by their numbers, in the order in which they are due.
    pub(super) fn start(plan: &Plan, clock: Clock) -> io::Result<(Self, channel::Receiver<u32>)> {
        let mut due: Vec<_> = plan.chains.iter().map(|chain| chain.at).zip(0u32..).collect();
        due.sort();
        let (tell, told) = channel::channel(due.len().max(1));
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("loadtest-start".to_owned()).spawn(move || {
            for (at, chain) in due {
                loop {
                    let left = at.saturating_sub(clock.now());
                    if left.is_zero() {
                        break;
                    }
                    if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
                // There is room for all of them; an error means that nobody listens.
                if tell.try_send(chain).is_err() {
                    return;
                }
            }
        })?;
        Ok((Self { stop: Some(stop), thread: Some(thread) }, told))
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
