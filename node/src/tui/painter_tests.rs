//! The painter beside a terminal that reads nothing for a while.

use std::sync::mpsc;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::{TerminalOptions, Viewport};

use super::*;

const AREA: Rect = Rect { x: 0, y: 0, width: 8, height: 1 };
const LIMIT: Duration = Duration::from_secs(10);

/// Takes a piece whenever it is allowed to, and keeps it.
struct Slow {
    allowed: mpsc::Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.allowed.recv().map_err(|_| io::Error::other("the reader left"))?;
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn picture(text: &str) -> Arc<Picture> {
    let mut buffer = Buffer::empty(AREA);
    buffer.set_string(0, 0, text, Style::new());
    Arc::new(Picture { buffer, cursor: None })
}

fn slow() -> (Painter, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
    let (allow, allowed) = mpsc::channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let to = Slow { allowed, written: Arc::clone(&written) };
    let backend = CrosstermBackend::new(io::BufWriter::with_capacity(1 << 16, to));
    let terminal =
        Terminal::with_options(backend, TerminalOptions { viewport: Viewport::Fixed(AREA) }).unwrap();
    (Painter::start(terminal).unwrap(), allow, written)
}

#[test]
fn a_terminal_that_reads_nothing_holds_up_nobody_and_gets_the_newest_picture() {
    let (painter, allow, written) = slow();
    for number in 0..1000 {
        painter.show(picture(&format!("n{number}")));
    }
    // Shares no cell with the others, so it is written whole, whichever of them was shown before.
    painter.show(picture("the_last"));
    assert!(!painter.close(Duration::from_millis(20)), "the terminal has taken nothing yet");
    for _ in 0..10 {
        // Fewer may be enough; then the thread has ended and nobody takes the rest.
        let _ = allow.send(());
    }
    assert!(painter.close(LIMIT));
    let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    assert!(text.contains("the_last"), "{text:?}");
    // One that the thread took while others came, not more.
    assert!(!(text.contains("500") && text.contains("700")), "{text:?}");
}

#[tokio::test]
async fn a_terminal_that_is_gone_is_told() {
    let (painter, allow, _) = slow();
    drop(allow);
    painter.show(picture("x"));
    let why = tokio::time::timeout(LIMIT, painter.failed()).await.unwrap();
    assert!(why.contains("the reader left"), "{why}");
}

#[test]
fn a_gate_that_is_shut_lets_nothing_through() {
    let (mut gate, shut) = Gate::new(Vec::new());
    assert_eq!(gate.write(&[b'x'; PIECE_BYTES + 1]).unwrap(), PIECE_BYTES);
    shut.store(true, Ordering::Release);
    assert!(gate.write(b"y").is_err());
    assert_eq!(gate.to.len(), PIECE_BYTES);
}
