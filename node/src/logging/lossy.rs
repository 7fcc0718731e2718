//! A writer that never blocks and never fails: lines go into a bounded queue, a thread writes them.
//!
//! When the queue is full or the sink fails (a full disk, a pipe that nobody reads), lines are dropped and
//! counted, and that is said once when it starts and once, with the number, when it is over.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use anyhow::Context;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait. At 200 bytes each that is 1.6 MiB, and at 10,000 lines a second nearly a second of a
/// disk that stands still.
const QUEUE_LINES_MAX: usize = 8192;
/// Bytes of one line; with the queue it bounds what a sink that stands still can pin.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// How long the end of the process waits for what is queued.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

enum Job {
    Line(Vec<u8>),
    /// Everything before it was written; the sender is dropped to say so.
    Flush(SyncSender<()>),
}

/// The owner of the thread. Dropping it waits for what is queued, for a second at most.
pub(super) struct Lossy {
    jobs: SyncSender<Job>,
    dropped: Arc<AtomicU64>,
}

impl Lossy {
    /// Starts the thread. `name` is what remarks call the sink.
    pub(super) fn start(name: &'static str, sink: impl Write + Send + 'static) -> anyhow::Result<Self> {
        let remark = |text: &str| {
            let _ = writeln!(io::stderr(), "pomona: {text}");
        };
        Self::start_with(name, sink, QUEUE_LINES_MAX, remark)
    }

    fn start_with(
        name: &'static str,
        sink: impl Write + Send + 'static,
        lines_max: usize,
        remark: impl Fn(&str) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (jobs, queue) = sync_channel(lines_max);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer { name, sink, remark, dropped: Arc::clone(&dropped), failing: false };
        let thread = std::thread::Builder::new().name(format!("log {name}"));
        thread.spawn(move || writer.run(&queue)).context("cannot start the thread that writes the log")?;
        Ok(Self { jobs, dropped })
    }

    /// A handle for a `tracing` layer.
    pub(super) fn handle(&self) -> Handle {
        Handle { jobs: self.jobs.clone(), dropped: Arc::clone(&self.dropped) }
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        let (done, written) = sync_channel(0);
        if self.jobs.try_send(Job::Flush(done)).is_ok() {
            let ended: Result<(), RecvTimeoutError> = written.recv_timeout(FLUSH_TIMEOUT);
            // Only the thread's dropping of its end ends the wait early; both outcomes lead to the end.
            let _ = ended;
        }
    }
}

/// Takes one line per write and returns at once.
#[derive(Clone)]
pub(super) struct Handle {
    jobs: SyncSender<Job>,
    dropped: Arc<AtomicU64>,
}

impl Write for Handle {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let sent = line.len() <= LINE_BYTES_MAX
            && !matches!(
                self.jobs.try_send(Job::Line(line.to_vec())),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
            );
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Handle {
    type Writer = Handle;

    fn make_writer(&'a self) -> Handle {
        self.clone()
    }
}

/// The thread's side.
struct Writer<W, R> {
    name: &'static str,
    sink: W,
    remark: R,
    dropped: Arc<AtomicU64>,
    failing: bool,
}

impl<W: Write, R: Fn(&str)> Writer<W, R> {
    fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(job) = queue.recv() {
            match job {
                Job::Line(line) => self.write(&line),
                Job::Flush(done) => {
                    let _ = self.sink.flush();
                    drop(done);
                }
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        match self.sink.write_all(line) {
            Ok(()) => self.say_what_was_lost(),
            Err(error) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    (self.remark)(&format!(
                        "the {} cannot be written: {error}; lines are dropped until it can",
                        self.name
                    ));
                }
            }
        }
    }

    /// After a line that was written: whether lines before it were not.
    fn say_what_was_lost(&mut self) {
        self.failing = false;
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            (self.remark)(&format!("the {} is written again; {dropped} lines were dropped", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What a test sees of the sink and of the remarks.
    #[derive(Clone, Default)]
    struct Seen {
        written: Arc<Mutex<String>>,
        remarks: Arc<Mutex<Vec<String>>>,
        full: Arc<AtomicU64>,
        gate: Arc<Mutex<()>>,
    }

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _open = self.gate.lock().unwrap();
            if self.full.load(Ordering::SeqCst) > 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.written.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seen {
        fn start(&self, lines_max: usize) -> Lossy {
            let remarks = Arc::clone(&self.remarks);
            let remark = move |text: &str| remarks.lock().unwrap().push(text.to_owned());
            Lossy::start_with("log file", self.clone(), lines_max, remark).unwrap()
        }
    }

    fn flush(lossy: &Lossy) {
        let (done, written) = sync_channel(0);
        lossy.jobs.send(Job::Flush(done)).unwrap();
        let _ = written.recv_timeout(Duration::from_secs(5));
    }

    #[test]
    fn lines_are_written_in_order_and_the_end_waits_for_them() {
        let seen = Seen::default();
        let lossy = seen.start(100);
        for line in ["a\n", "b\n"] {
            lossy.handle().write_all(line.as_bytes()).unwrap();
        }
        drop(lossy);
        assert_eq!(*seen.written.lock().unwrap(), "a\nb\n");
        assert!(seen.remarks.lock().unwrap().is_empty());
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_so_twice() {
        let seen = Seen::default();
        let lossy = seen.start(100);
        let mut handle = lossy.handle();
        seen.full.store(1, Ordering::SeqCst);
        for _ in 0..3 {
            handle.write_all(b"lost\n").unwrap();
        }
        flush(&lossy);
        seen.full.store(0, Ordering::SeqCst);
        for _ in 0..2 {
            handle.write_all(b"kept\n").unwrap();
        }
        flush(&lossy);
        assert_eq!(*seen.written.lock().unwrap(), "kept\nkept\n");
        let remarks = seen.remarks.lock().unwrap();
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert!(remarks[0].starts_with("the log file cannot be written: "), "{remarks:?}");
        assert_eq!(remarks[1], "the log file is written again; 3 lines were dropped");
    }

    #[test]
    fn a_sink_that_stands_still_blocks_nobody() {
        let seen = Seen::default();
        let lossy = seen.start(4);
        let mut handle = lossy.handle();
        let closed = seen.gate.lock().unwrap();
        let start = std::time::Instant::now();
        for _ in 0..1000 {
            handle.write_all(b"x\n").unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(2));
        drop(closed);
        flush(&lossy);
        handle.write_all(b"y\n").unwrap();
        flush(&lossy);
        let written = seen.written.lock().unwrap().lines().count() as u64;
        assert!((5..=7).contains(&written), "{written}");
        let remarks = seen.remarks.lock().unwrap();
        assert!(remarks.iter().all(|text| text.ends_with("lines were dropped")), "{remarks:?}");
    }

    #[test]
    fn a_device_without_room_is_survived() {
        let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
        let remarks = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&remarks);
        let lossy = Lossy::start_with("log file", full, 100, move |_| *counted.lock().unwrap() += 1).unwrap();
        for _ in 0..10 {
            lossy.handle().write_all(b"x\n").unwrap();
        }
        flush(&lossy);
        assert_eq!(lossy.dropped.load(Ordering::SeqCst), 10);
        assert_eq!(*remarks.lock().unwrap(), 1);
    }
}
