//! Puts pictures on the terminal, on a thread of its own: a terminal that reads slowly holds up this thread and nobody
//! else. It always draws the newest picture; those that it had no time for are never drawn.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use tokio::sync::Notify;

/// Bytes that are written at once; between two such pieces the painter looks whether it is to stop.
const PIECE_BYTES: usize = 2048;

/// What the terminal is to show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    /// Every cell.
    pub(super) buffer: Buffer,
    /// Where the cursor stands; `None` hides it.
    pub(super) cursor: Option<Position>,
}

/// The thread, seen from outside. Dropping it asks the thread to end and does not wait.
pub(super) struct Painter {
    slot: Arc<Slot>,
}

/// What both sides see.
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
    /// Told when the thread has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    next: Option<Arc<Picture>>,
    is_closed: bool,
    has_ended: bool,
    trouble: Option<String>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Painter {
    /// Starts the thread.
    pub(super) fn start<B>(terminal: Terminal<B>) -> io::Result<Self>
    where
        B: Backend + Send + 'static,
    {
        let slot = Arc::new(Slot { state: Mutex::default(), changed: Condvar::new(), ended: Notify::new() });
        let shared = Arc::clone(&slot);
        let paint = move || {
            let _ended = Ended(&shared);
            let painted = paint(terminal, &shared);
            shared.lock().trouble = painted.err();
        };
        // Not joined: a terminal that reads nothing would hold up the end of the program.
        std::thread::Builder::new().name("painter".to_owned()).spawn(paint)?;
        Ok(Self { slot })
    }

    /// Shows a picture as soon as the terminal takes it, instead of any that waits. Never blocks.
    pub(super) fn show(&self, picture: Arc<Picture>) {
        self.slot.lock().next = Some(picture);
        self.slot.changed.notify_one();
    }

    /// Waits until the thread has ended by itself; says why.
    pub(super) async fn failed(&self) -> String {
        self.slot.ended.notified().await;
        self.slot.lock().trouble.take().unwrap_or_else(|| "drawing has ended".to_owned())
    }

    /// Lets the thread draw what waits and end; whether it did within the limit.
    pub(super) fn close(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.slot.lock();
        state.is_closed = true;
        self.slot.changed.notify_all();
        while !state.has_ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.slot.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.slot.lock().is_closed = true;
        self.slot.changed.notify_all();
    }
}

/// Says that the thread has ended, also when it panics.
struct Ended<'a>(&'a Slot);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_all();
        self.0.ended.notify_one();
    }
}

fn paint<B: Backend>(mut terminal: Terminal<B>, slot: &Slot) -> Result<(), String> {
    loop {
        let picture = {
            let mut state = slot.lock();
            loop {
                if let Some(picture) = state.next.take() {
                    break picture;
                }
                if state.is_closed {
                    return Ok(());
                }
                state = slot.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let drawn = terminal.draw(|frame| {
            copy(&picture.buffer, frame.buffer_mut());
            if let Some(cursor) = picture.cursor {
                frame.set_cursor_position(cursor);
            }
        });
        drawn.map_err(|error| error.to_string())?;
    }
}

/// Copies what both have; between a change of size and the next picture they differ.
fn copy(from: &Buffer, to: &mut Buffer) {
    let both = from.area().intersection(*to.area());
    for y in both.top()..both.bottom() {
        for x in both.left()..both.right() {
            to[(x, y)].clone_from(&from[(x, y)]);
        }
    }
}

/// Writes in pieces, and nothing any more once it is shut.
pub(super) struct Gate<W> {
    to: W,
    is_shut: Arc<AtomicBool>,
}

impl<W> Gate<W> {
    /// A gate, and what shuts it.
    pub(super) fn new(to: W) -> (Self, Arc<AtomicBool>) {
        let is_shut = Arc::new(AtomicBool::new(false));
        (Self { to, is_shut: Arc::clone(&is_shut) }, is_shut)
    }
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_shut.load(Ordering::Acquire) {
            return Err(io::Error::other("the screen is closed"));
        }
        self.to.write(&bytes[..bytes.len().min(PIECE_BYTES)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
#[path = "painter_tests.rs"]
mod tests;
