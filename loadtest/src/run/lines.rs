//! Server-sent events line by line, without I/O and, where a line comes in one piece, without copying.
//!
//! Each `data` line is taken as one event, with the name of the `event` line before it: JSON over several lines is
//! something that no gateway sends. Lines end with LF or CRLF.

use super::broken::Broken;

/// Longest line: an answer that comes as one event has some hundred kilobytes.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One line that says something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Data, and the name of its event; empty when it has none.
    Data(&'a [u8], &'a [u8]),
    /// A comment.
    Comment(&'a [u8]),
}

/// The state between two pieces of a stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The line that is not complete yet.
    rest: Vec<u8>,
    /// Name of the event whose data is to come.
    name: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes and hands over the lines that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8], mut told: impl FnMut(Line<'_>)) -> Result<(), Broken> {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let piece = &bytes[from..end];
            from = end + 1;
            if self.rest.is_empty() {
                read(piece, &mut self.name, &mut told);
            } else {
                self.rest.extend_from_slice(piece);
                read(&self.rest, &mut self.name, &mut told);
                self.rest.clear();
            }
        }
        if self.rest.len() + bytes.len() - from > LINE_BYTES_MAX {
            return Err(Broken::Garbled("a line of more than 4 MiB"));
        }
        self.rest.extend_from_slice(&bytes[from..]);
        Ok(())
    }
}

fn read(line: &[u8], name: &mut Vec<u8>, told: &mut impl FnMut(Line<'_>)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let value = |field: &[u8]| {
        let value = line.strip_prefix(field)?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    };
    if let Some(data) = value(b"data:") {
        told(Line::Data(name, data));
    } else if let Some(comment) = value(b":") {
        told(Line::Comment(comment));
    } else if let Some(value) = value(b"event:") {
        name.clear();
        name.extend_from_slice(value);
    } else if line.is_empty() {
        name.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        for piece in pieces {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            lines
                .feed(piece, |line| {
                    told.push(match line {
                        Line::Data(name, data) => format!("{}={}", text(name), text(data)),
                        Line::Comment(comment) => format!("#{}", text(comment)),
                    });
                })
                .unwrap();
        }
        told
    }

    #[test]
    fn a_name_belongs_to_the_data_behind_it() {
        let text = b": hello\n\ndata: a\n\nevent: x\r\ndata:b\r\n\r\ndata: c\nid: 7\n\ndata: cut off";
        assert_eq!(lines(&[text]), ["#hello", "=a", "x=b", "=c"]);
    }

    #[test]
    fn a_line_without_end_has_a_limit() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; LINE_BYTES_MAX];
        assert!(lines.feed(&piece, |_| ()).is_ok());
        assert!(matches!(lines.feed(b"x", |_| ()), Err(Broken::Garbled(_))));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(text in "((data|event|:): ?[a-zä ]{0,9}\r?\n{1,2}){0,6}", cut in 1usize..7) {
            let whole = lines(&[text.as_bytes()]);
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            prop_assert_eq!(lines(&pieces), whole);
        }
    }
}
