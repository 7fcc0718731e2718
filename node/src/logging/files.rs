//! Lines of log files, from their end towards the start or from a moment on. A budget of bytes bounds what one question
//! reads.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Bytes that are read at once.
const BLOCK_BYTES: u64 = 256 * 1024;
/// Bytes of one line; longer ones are never written, and are passed over.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes that may still be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(pub(super) u64);

impl Budget {
    /// Takes some; false when there are not as many.
    fn take(&mut self, bytes: u64) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// How a reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// At the end of the file, or at its start.
    AtEnd,
    /// Whoever looks has seen enough.
    Enough,
    /// The budget is spent.
    Spent,
}

/// Shows the lines of a file, the last one first, until `look` says that it has seen enough.
pub(super) fn backward(
    path: &Path,
    budget: &mut Budget,
    mut look: impl FnMut(&str) -> bool,
) -> io::Result<Ended> {
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut rest: Vec<u8> = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(BLOCK_BYTES);
        if !budget.take(end - begin) {
            return Ok(Ended::Spent);
        }
        let mut block = vec![0; usize::try_from(end - begin).unwrap_or(0)];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut block)?;
        block.append(&mut rest);
        // The first line of a block may begin before it.
        let behind_first = || block.iter().position(|byte| *byte == b'\n').map_or(block.len(), |at| at + 1);
        let whole = if begin == 0 { 0 } else { behind_first() };
        for line in block[whole..].split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty()) {
            if !look(&String::from_utf8_lossy(line)) {
                return Ok(Ended::Enough);
            }
        }
        block.truncate(whole);
        if block.len() as u64 > LINE_BYTES_MAX {
            block.clear();
        }
        rest = block;
        end = begin;
    }
    Ok(Ended::AtEnd)
}

/// Shows the lines of a file from about a moment on, in order, until `look` says that it has seen enough. Some lines of
/// before may be among the first. `time_of` reads the moment of a line.
pub(super) fn forward(
    path: &Path,
    after_us: u64,
    budget: &mut Budget,
    time_of: impl Fn(&str) -> Option<u64>,
    mut look: impl FnMut(&str) -> bool,
) -> io::Result<Ended> {
    let mut file = File::open(path)?;
    let start = start_of(&mut file, after_us, time_of)?;
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::with_capacity(BLOCK_BYTES as usize, file);
    while let Some((line, bytes)) = next_line(&mut reader)? {
        if !budget.take(bytes) {
            return Ok(Ended::Spent);
        }
        if !line.is_empty() && !look(&line) {
            return Ok(Ended::Enough);
        }
    }
    Ok(Ended::AtEnd)
}

/// Whether every line of a file was written before a moment.
pub(super) fn is_before(path: &Path, after_us: u64) -> bool {
    let written = path.metadata().and_then(|metadata| metadata.modified());
    let since = written.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    // A line is stamped before it is written, and a coarse clock stamps files.
    since.is_some_and(|since| since.as_micros() + 1_000_000 < u128::from(after_us))
}

/// An offset before the first line behind a moment, at the start of a line and not far before. Lines are in order but
/// for a few, so halves are looked at.
fn start_of(file: &mut File, after_us: u64, time_of: impl Fn(&str) -> Option<u64>) -> io::Result<u64> {
    let (mut low, mut high) = (0, file.metadata()?.len());
    while high - low > BLOCK_BYTES {
        let middle = low + (high - low) / 2;
        file.seek(SeekFrom::Start(middle))?;
        let mut reader = BufReader::new(&mut *file);
        // The rest of the line that the middle cuts.
        let Some((_, skipped)) = next_line(&mut reader)? else { break };
        match next_line(&mut reader)? {
            Some((line, _)) if time_of(&line).is_some_and(|at_us| at_us <= after_us) => {
                low = middle + skipped
            }
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The next line without its end, and its bytes with it; a line that is too long comes in pieces.
fn next_line(reader: &mut impl BufRead) -> io::Result<Option<(String, u64)>> {
    let mut line = Vec::new();
    let bytes = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok((bytes > 0).then(|| (String::from_utf8_lossy(&line).into_owned(), bytes as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_of(line: &str) -> Option<u64> {
        line.split(' ').next()?.parse().ok()
    }

    /// A file with `count` lines, each with its number.
    fn file(count: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: String = (0..count).map(|number| format!("{number} {}\n", "x".repeat(90))).collect();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn every_line_comes_once_from_either_side() {
        for count in [0, 1, 2, 3000, 20_000] {
            let file = file(count);
            let mut seen = Vec::new();
            let ended = backward(file.path(), &mut Budget(u64::MAX), |line| {
                seen.push(time_of(line).unwrap());
                true
            });
            assert_eq!(ended.unwrap(), Ended::AtEnd);
            assert_eq!(seen, (0..count).rev().collect::<Vec<_>>());
            let mut seen = Vec::new();
            forward(file.path(), 0, &mut Budget(u64::MAX), time_of, |line| {
                seen.push(time_of(line).unwrap());
                true
            })
            .unwrap();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_moment_is_found_without_reading_all() {
        let file = file(100_000);
        for after in [0, 1, 17, 50_000, 99_998, 99_999, 200_000] {
            let mut first_behind = None;
            let mut before = 0;
            forward(file.path(), after, &mut Budget(u64::MAX), time_of, |line| {
                let at = time_of(line).unwrap();
                before += u64::from(at <= after);
                if at > after {
                    first_behind = Some(at);
                }
                first_behind.is_none()
            })
            .unwrap();
            assert_eq!(first_behind, (after < 99_999).then_some(after + 1));
            assert!(before * 90 < 2 * BLOCK_BYTES, "{before} lines of before were read");
        }
    }

    #[test]
    fn a_budget_ends_the_reading() {
        let file = file(20_000);
        assert_eq!(backward(file.path(), &mut Budget(300_000), |_| true).unwrap(), Ended::Spent);
        assert_eq!(forward(file.path(), 0, &mut Budget(1000), time_of, |_| true).unwrap(), Ended::Spent);
        assert_eq!(backward(file.path(), &mut Budget(300_000), |_| false).unwrap(), Ended::Enough);
    }

    #[test]
    fn a_line_without_end_is_survived() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [b"1 a\n".to_vec(), vec![b'x'; 3_000_000], b"\n2 b\n".to_vec()].concat())
            .unwrap();
        let mut seen = Vec::new();
        let mut look = |line: &str| {
            seen.extend(time_of(line));
            true
        };
        backward(file.path(), &mut Budget(u64::MAX), &mut look).unwrap();
        forward(file.path(), 0, &mut Budget(u64::MAX), time_of, &mut look).unwrap();
        assert_eq!(seen, [2, 1, 1, 2]);
    }
}
