//! The log files of one folder: `pomona-2026-01-31.0.jsonl` and so on, a new one each day and at a size, old ones
//! removed. Called by the log's own thread, so it may block and fail; [`super::lossy`] deals with both.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::clock::Day;
use crate::paths::make_private;

/// Where the next line goes.
pub(super) struct RollingFile {
    folder: PathBuf,
    bytes_max: u64,
    keep_days: u32,
    today: fn() -> Day,
    current: Option<Current>,
}

/// The file that is written.
struct Current {
    file: File,
    day: Day,
    bytes: u64,
    /// A line was cut off by an error; the next one starts on a line of its own.
    cut: bool,
}

impl RollingFile {
    /// Opens nothing yet: the folder is made with the first line.
    pub(super) fn new(folder: &Path, bytes_max: u64, keep_days: u32) -> Self {
        Self { folder: folder.to_owned(), bytes_max, keep_days, today: Day::today, current: None }
    }

    /// The file for `bytes` more, a new one when the day or the size asks for it.
    fn current_for(&mut self, bytes: u64) -> io::Result<&mut Current> {
        let day = (self.today)();
        let fits = |current: &Current| {
            current.day == day && (current.bytes + bytes <= self.bytes_max || current.bytes == 0)
        };
        let current = match self.current.take().filter(fits) {
            Some(current) => current,
            None => {
                make_private(&self.folder).map_err(|error| io::Error::other(format!("{error:#}")))?;
                self.remove_old(day);
                self.open(day, bytes)?
            }
        };
        Ok(self.current.insert(current))
    }

    /// The last file of the day if it has room, else the next one.
    fn open(&self, day: Day, bytes: u64) -> io::Result<Current> {
        let numbers =
            files(&self.folder).into_iter().filter(|(of, _, _)| *of == day).map(|(_, number, _)| number);
        let last = numbers.max().unwrap_or(0);
        let current = self.open_numbered(day, last)?;
        let has_room = current.bytes == 0 || current.bytes + bytes <= self.bytes_max;
        if has_room { Ok(current) } else { self.open_numbered(day, last + 1) }
    }

    fn open_numbered(&self, day: Day, number: u32) -> io::Result<Current> {
        let path = self.folder.join(format!("pomona-{day}.{number}.jsonl"));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Current { file, day, bytes, cut: false })
    }

    /// Removes files of days that are no longer kept. One that cannot be removed is tried again at the next turn.
    fn remove_old(&self, today: Day) {
        let oldest = today.before(self.keep_days.saturating_sub(1));
        for (day, _, path) in files(&self.folder) {
            if day < oldest {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// The log files of a folder, the newest first.
pub(super) fn newest_first(folder: &Path) -> Vec<PathBuf> {
    let mut files = files(folder);
    files.sort_by(|a, b| b.cmp(a));
    files.into_iter().map(|(_, _, path)| path).collect()
}

/// Day, number and path of every log file; what is called otherwise is not ours.
fn files(folder: &Path) -> Vec<(Day, u32, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let parsed = entries.filter_map(|entry| {
        let name = entry.file_name();
        let rest = name.to_str()?.strip_prefix("pomona-")?.strip_suffix(".jsonl")?;
        let (day, number) = rest.split_once('.')?;
        Some((Day::parse(day)?, number.parse().ok()?, entry.path()))
    });
    parsed.collect()
}

impl Write for RollingFile {
    /// Takes a whole line or fails; a line that was cut off is ended before the next.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let current = self.current_for(line.len() as u64)?;
        if current.cut {
            current.file.write_all(b"\n")?;
        }
        current.cut = true;
        current.file.write_all(line)?;
        current.cut = false;
        current.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.current.as_mut().map_or(Ok(()), |current| current.file.flush())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn on(day: fn() -> Day, folder: &Path) -> RollingFile {
        RollingFile { today: day, ..RollingFile::new(folder, 10, 2) }
    }

    fn first() -> Day {
        Day::parse("2026-01-30").unwrap()
    }

    fn second() -> Day {
        Day::parse("2026-01-31").unwrap()
    }

    fn third() -> Day {
        Day::parse("2026-02-01").unwrap()
    }

    #[test]
    fn a_file_that_is_full_is_followed_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let mut file = on(first, &logs);
        for line in ["12345678\n", "2\n", "3\n", "a line longer than a file\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(
            names(&logs),
            ["pomona-2026-01-30.0.jsonl", "pomona-2026-01-30.1.jsonl", "pomona-2026-01-30.2.jsonl"]
        );
        assert_eq!(fs::read_to_string(logs.join("pomona-2026-01-30.1.jsonl")).unwrap(), "2\n3\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&logs), mode(&logs.join("pomona-2026-01-30.0.jsonl"))), (0o700, 0o600));
    }

    #[test]
    fn a_restart_goes_on_in_the_last_file() {
        let folder = tempfile::tempdir().unwrap();
        on(first, folder.path()).write_all(b"1\n").unwrap();
        on(first, folder.path()).write_all(b"2\n").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("pomona-2026-01-30.0.jsonl")).unwrap(), "1\n2\n");
    }

    #[test]
    fn a_new_day_starts_a_new_file_and_old_days_go() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let mut file = on(first, folder.path());
        file.write_all(b"1\n").unwrap();
        file.today = second;
        file.write_all(b"2\n").unwrap();
        assert_eq!(
            names(folder.path()),
            ["notes.txt", "pomona-2026-01-30.0.jsonl", "pomona-2026-01-31.0.jsonl"]
        );
        file.today = third;
        file.write_all(b"3\n").unwrap();
        assert_eq!(
            names(folder.path()),
            ["notes.txt", "pomona-2026-01-31.0.jsonl", "pomona-2026-02-01.0.jsonl"]
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        fs::write(&logs, "in the way").unwrap();
        let mut file = on(first, &logs);
        assert!(file.write_all(b"1\n").is_err());
        fs::remove_file(&logs).unwrap();
        file.write_all(b"2\n").unwrap();
        assert_eq!(fs::read_to_string(logs.join("pomona-2026-01-30.0.jsonl")).unwrap(), "2\n");
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_swallow_the_next() {
        let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return };
        let folder = tempfile::tempdir().unwrap();
        let mut file = on(first, folder.path());
        file.write_all(b"1\n").unwrap();
        let good = std::mem::replace(&mut file.current.as_mut().unwrap().file, full);
        assert!(file.write_all(b"lost\n").is_err());
        file.current.as_mut().unwrap().file = good;
        file.write_all(b"2\n").unwrap();
        let text = fs::read_to_string(folder.path().join("pomona-2026-01-30.0.jsonl")).unwrap();
        assert_eq!(text, "1\n\n2\n");
    }
}
