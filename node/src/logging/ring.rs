//! The newest lines, in memory: what questions are answered from first, also where no file is written.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use super::lossy;
use super::redact::redact;

/// Lines of JSON up to a number of bytes; the oldest go first.
#[derive(Debug)]
pub(crate) struct Ring {
    held: Mutex<Held>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Held {
    lines: VecDeque<Box<str>>,
    bytes: usize,
}

impl Ring {
    /// An empty one.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { held: Mutex::default(), bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX) }
    }

    /// Takes a line, without its end.
    pub(super) fn push(&self, line: &str) {
        // What a line takes besides its bytes.
        let cost = |line: &str| line.len() + size_of::<Box<str>>();
        let mut held = self.lock();
        if cost(line) > self.bytes_max {
            return;
        }
        held.bytes += cost(line);
        held.lines.push_back(line.into());
        while held.bytes > self.bytes_max {
            let Some(oldest) = held.lines.pop_front() else { return };
            held.bytes -= cost(&oldest);
        }
    }

    /// Looks at the lines, the newest first, until `look` says that it has seen enough. False when it never did: files may
    /// have older lines, of earlier processes as well.
    pub(super) fn newest(&self, mut look: impl FnMut(&str) -> bool) -> bool {
        let held = self.lock();
        held.lines.iter().rev().any(|line| !look(line))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes each line of JSON into the ring, and into the file where there is one, without secrets.
#[derive(Clone)]
pub(super) struct Tee {
    pub(super) ring: Arc<Ring>,
    pub(super) file: Option<lossy::Handle>,
}

impl Write for Tee {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let clean = redact(&text);
        self.ring.push(clean.trim_end_matches('\n'));
        if let Some(file) = &mut self.file {
            file.write_all(clean.as_bytes())?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Tee {
    type Writer = Tee;

    fn make_writer(&'a self) -> Tee {
        self.clone()
    }
}

/// Writes lines for people, without secrets.
#[derive(Clone)]
pub(super) struct Clean(pub(super) lossy::Handle);

impl Write for Clean {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(redact(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Clean {
    type Writer = Clean;

    fn make_writer(&'a self) -> Clean {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ring: &Ring) -> Vec<String> {
        let mut lines = Vec::new();
        let has_seen_enough = ring.newest(|line| {
            lines.push(line.to_owned());
            true
        });
        assert!(!has_seen_enough);
        lines
    }

    #[test]
    fn the_oldest_lines_go_when_there_is_no_room() {
        let ring = Ring::new(100);
        ring.push("one");
        ring.push("two");
        assert_eq!(all(&ring), ["two", "one"]);
        for number in 0..100 {
            ring.push(&number.to_string());
        }
        let lines = all(&ring);
        assert_eq!(lines[0], "99");
        assert!(lines.len() < 10 && ring.lock().bytes <= 100, "{lines:?}");
        ring.push(&"x".repeat(200));
        assert_eq!(all(&ring)[0], "99", "a line that does not fit is not kept");
    }

    #[test]
    fn who_has_seen_enough_needs_no_file() {
        let ring = Ring::new(60);
        (0..10).for_each(|number| ring.push(&number.to_string()));
        assert!(ring.newest(|_| false));
        assert!(!ring.newest(|_| true));
    }

    #[test]
    fn a_secret_reaches_no_ring() {
        let ring = Arc::new(Ring::new(1000));
        let mut tee = Tee { ring: Arc::clone(&ring), file: None };
        tee.write_all(b"{\"fields\":{\"message\":\"x\",\"password\":\"hunter2\"}}\n").unwrap();
        assert_eq!(all(&ring), [r#"{"fields":{"message":"x","password":"***"}}"#]);
    }
}
