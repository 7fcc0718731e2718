//! The terminal: taken over at the start, given back as it was at the end, also after a panic and when it reads nothing
//! any more.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::termios::{QueueSelector, tcflush};

use super::painter::{Gate, Painter};

/// Bytes of a picture that are gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long the last picture may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// How long the end of the screen may take.
const LEAVE_LIMIT: Duration = Duration::from_millis(300);
/// Between two tries of that.
const LEAVE_EVERY: Duration = Duration::from_millis(10);

/// Whether the terminal is ours now.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives the terminal back.
pub(super) struct Screen {
    painter: Painter,
    shut: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn take() -> anyhow::Result<Self> {
        let what = "cannot use this terminal";
        restore_on_panic();
        // A handle of its own: the lock of standard output would be held while the terminal reads nothing.
        let handle = File::from(io::stdout().as_fd().try_clone_to_owned().context(what)?);
        terminal::enable_raw_mode().context(what)?;
        IS_TAKEN.store(true, Ordering::Release);
        let (gate, shut) = Gate::new(handle);
        let begun = begin(gate);
        match begun {
            Ok(painter) => Ok(Self { painter, shut }),
            Err(error) => {
                restore();
                Err(error).context(what)
            }
        }
    }

    /// Draws on it.
    pub(super) fn painter(&self) -> &Painter {
        &self.painter
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !self.painter.close(CLOSE_LIMIT) {
            // What the terminal has not read is worth nothing any more, and would hide the end.
            self.shut.store(true, Ordering::Release);
            let _ = tcflush(io::stdout(), QueueSelector::OFlush);
            // Linux wakes a writer, which keeps all others out, for this and not for the flush.
            let _ = terminal::disable_raw_mode();
            self.painter.close(LEAVE_LIMIT);
        }
        restore();
    }
}

fn begin(gate: Gate<File>) -> io::Result<Painter> {
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, gate);
    // Terminals that do not know the flags ignore them; those that do tell Shift+Enter from Enter.
    let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES;
    queue!(writer, EnterAlternateScreen, EnableBracketedPaste, PushKeyboardEnhancementFlags(flags), Hide)?;
    writer.flush()?;
    Painter::start(Terminal::new(CrosstermBackend::new(writer))?)
}

/// Gives the terminal back, once. Takes no lock that the painter may hold, and never waits long.
fn restore() {
    if !IS_TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    let mut bytes = Vec::new();
    let queued = queue!(
        bytes,
        PopKeyboardEnhancementFlags,
        DisableBracketedPaste,
        ResetColor,
        LeaveAlternateScreen,
        Show
    );
    if queued.is_ok() {
        write_within(LEAVE_LIMIT, &bytes);
    }
    let _ = terminal::disable_raw_mode();
}

/// Writes what the terminal takes in time.
fn write_within(limit: Duration, bytes: &[u8]) {
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open("/dev/tty");
    let Ok(mut tty) = opened else {
        let _ = io::stdout().write_all(bytes);
        let _ = io::stdout().flush();
        return;
    };
    let deadline = Instant::now() + limit;
    let mut rest = bytes;
    while !rest.is_empty() {
        match tty.write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(LEAVE_EVERY);
            }
            Err(_) => return,
        }
    }
}

/// A panic is told on a terminal that shows it.
fn restore_on_panic() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        previous(panic);
    }));
}
