//! Server-sent events from bytes, without I/O: feed what arrives, however it is cut, and take events.
//!
//! Follows the event stream of the HTML standard: lines end with CR, LF or CRLF, `data` lines of an event are
//! joined by line feeds, comments and unknown fields are skipped, an event without its blank line is dropped.
//! `id` and `retry` are skipped: a chat stream cannot be resumed by them.

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// Its type; `message` when the server names none.
    pub name: String,
    /// Its data.
    pub data: String,
}

/// The stream holds more than was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct SseTooLong {
    /// The limit.
    pub limit: usize,
}

/// The state between two pieces of a stream.
#[derive(Debug)]
pub struct SseParser {
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// A CR ended the last line, so a LF that follows belongs to it.
    after_cr: bool,
    /// No line was complete yet, so a byte order mark may stand at the start.
    first_line: bool,
    name: String,
    data: String,
    has_data: bool,
    bytes_max: usize,
}

impl SseParser {
    /// A parser for one stream. A line, and the data of one event, may have `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            name: String::new(),
            data: String::new(),
            has_data: false,
            bytes_max,
        }
    }

    /// Takes the next bytes and appends the events that they complete. After an error the stream is of no use.
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<SseEvent>) -> Result<(), SseTooLong> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            match rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                None => {
                    self.extend_line(rest)?;
                    break;
                }
                Some(end) => {
                    self.extend_line(&rest[..end])?;
                    self.after_cr = rest[end] == b'\r';
                    rest = &rest[end + 1..];
                    self.end_line(events)?;
                }
            }
        }
        Ok(())
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), SseTooLong> {
        if self.line.len() + bytes.len() > self.bytes_max {
            return Err(SseTooLong { limit: self.bytes_max });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<SseEvent>) -> Result<(), SseTooLong> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let marked = if std::mem::take(&mut self.first_line) { line.strip_prefix('\u{feff}') } else { None };
        let line = marked.unwrap_or(&line);
        if line.is_empty() {
            events.extend(self.take_event());
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => self.extend_data(value)?,
            "event" => self.name = value.to_owned(),
            _ => {}
        }
        Ok(())
    }

    fn extend_data(&mut self, value: &str) -> Result<(), SseTooLong> {
        if self.data.len() + value.len() + 1 > self.bytes_max {
            return Err(SseTooLong { limit: self.bytes_max });
        }
        if self.has_data {
            self.data.push('\n');
        }
        self.data.push_str(value);
        self.has_data = true;
        Ok(())
    }

    fn take_event(&mut self) -> Option<SseEvent> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        let name = if name.is_empty() { "message".to_owned() } else { name };
        std::mem::take(&mut self.has_data).then_some(SseEvent { name, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(name: &str, data: &str) -> SseEvent {
        SseEvent { name: name.to_owned(), data: data.to_owned() }
    }

    fn parse(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut parser = SseParser::new(1000);
        let mut events = Vec::new();
        for piece in pieces {
            parser.feed(piece, &mut events).unwrap();
        }
        events
    }

    #[test]
    fn a_stream_means_what_the_standard_says() {
        for (text, expected) in [
            ("data: a\n\n", vec![event("message", "a")]),
            ("data:a\n\n", vec![event("message", "a")]),
            ("data:  a\n\n", vec![event("message", " a")]),
            ("data: a\r\n\r\n", vec![event("message", "a")]),
            ("data: a\r\rdata: b\r\r", vec![event("message", "a"), event("message", "b")]),
            ("data: a\ndata: b\n\n", vec![event("message", "a\nb")]),
            ("data\n\n", vec![event("message", "")]),
            ("data\ndata\n\n", vec![event("message", "\n")]),
            (": comment\n\ndata: a\n\n", vec![event("message", "a")]),
            ("event: error\ndata: x\n\ndata: y\n\n", vec![event("error", "x"), event("message", "y")]),
            ("event: nothing\n\ndata: y\n\n", vec![event("message", "y")]),
            ("id: 1\nretry: 2\nother: 3\ndata: a\n\n", vec![event("message", "a")]),
            ("\u{feff}data: a\n\n", vec![event("message", "a")]),
            ("data: {\"a\": \"b:c\"}\n\n", vec![event("message", "{\"a\": \"b:c\"}")]),
            ("data: cut off", vec![]),
            ("data: cut off\n", vec![]),
        ] {
            assert_eq!(parse(&[text.as_bytes()]), expected, "{text:?}");
        }
    }

    #[test]
    fn a_character_cut_in_two_is_whole_again() {
        let bytes = "data: ä\n\n".as_bytes();
        let cut = bytes.iter().position(|byte| *byte > 127).unwrap() + 1;
        assert_eq!(parse(&[&bytes[..cut], &bytes[cut..]]), [event("message", "ä")]);
    }

    #[test]
    fn a_line_or_an_event_over_the_limit_is_refused() {
        let mut parser = SseParser::new(10);
        assert_eq!(parser.feed(b"data: 01234", &mut Vec::new()), Err(SseTooLong { limit: 10 }));
        let mut parser = SseParser::new(10);
        assert_eq!(parser.feed(b"data: 0123\ndata: 0123\n", &mut Vec::new()), Ok(()));
        assert_eq!(parser.feed(b"data: 0123\n", &mut Vec::new()), Err(SseTooLong { limit: 10 }));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            events in prop::collection::vec(("[a-z]{1,8}", "[ -~äß€]{0,20}(\n[ -~äß€]{0,20}){0,2}"), 1..6),
            endings in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r"]), 1..8),
            cuts in prop::collection::vec(1usize..9, 1..20),
        ) {
            let mut lines = Vec::new();
            for (name, data) in &events {
                lines.extend([": keep-alive".to_owned(), format!("event: {name}")]);
                lines.extend(data.split('\n').map(|line| format!("data: {line}")));
                lines.push(String::new());
            }
            let mut wire = String::new();
            for (index, line) in lines.iter().enumerate() {
                wire.push_str(line);
                // A lone CR before an empty line that ends with LF would read as one CRLF.
                let ending = endings[index % endings.len()];
                wire.push_str(if ending == "\r" && lines.get(index + 1).is_some_and(String::is_empty) { "\n" } else { ending });
            }
            let mut parser = SseParser::new(1000);
            let mut parsed = Vec::new();
            let mut rest = wire.as_bytes();
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                parser.feed(piece, &mut parsed).unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let expected: Vec<SseEvent> = events.iter().map(|(name, data)| event(name, data)).collect();
            prop_assert_eq!(parsed, expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = SseParser::new(100).feed(&bytes, &mut Vec::new());
        }
    }
}
