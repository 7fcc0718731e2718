//! Counts the tokens of a stream of server-sent events. A token of the mock upstream and of the scripted engine ends
//! with a space and has no other, so the tokens of an event are the spaces of its text, however many a gateway puts
//! into one event.

/// What a piece of a stream brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) tokens: u32,
    /// Whether the stream said that it is over.
    pub(super) is_done: bool,
}

/// The line that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
}

impl Events {
    /// Takes the next bytes of the stream.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Seen {
        let mut seen = Seen::default();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            if self.line.is_empty() {
                seen.count(&bytes[..end]);
            } else {
                self.line.extend_from_slice(&bytes[..end]);
                seen.count(&self.line);
                self.line.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.line.extend_from_slice(bytes);
        seen
    }
}

impl Seen {
    fn count(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        if data.trim_ascii() == b"[DONE]" {
            self.is_done = true;
        } else {
            self.tokens += spaces_of_content(data);
        }
    }
}

fn spaces_of_content(data: &[u8]) -> u32 {
    const NAME: &[u8] = b"\"content\":";
    let Some(at) = data.windows(NAME.len()).position(|window| window == NAME) else { return 0 };
    let value = data[at + NAME.len()..].trim_ascii_start();
    let Some(text) = value.strip_prefix(b"\"") else { return 0 };
    let mut spaces = 0;
    let mut is_escaped = false;
    for &byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => break,
            b' ' => spaces += 1,
            _ => {}
        }
    }
    spaces
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        ": keep-alive of several words\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"one \"}}]}\r\n\r\n",
        "data: {\"choices\": [{\"delta\": {\"content\": \"t\\\"wo three \", \"x\": \"a b\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":null},\"finish_reason\":\"length\"}]}\n\n",
        "data: [DONE]\n\n"
    );

    #[test]
    fn tokens_are_counted_however_they_are_packed() {
        assert_eq!(Events::default().take(STREAM.as_bytes()), Seen { tokens: 3, is_done: true });
    }

    #[test]
    fn events_may_be_cut_anywhere() {
        for cut in 0..STREAM.len() {
            let mut events = Events::default();
            let [first, second] = [&STREAM[..cut], &STREAM[cut..]].map(|piece| events.take(piece.as_bytes()));
            let is_done = first.is_done || second.is_done;
            assert_eq!((first.tokens + second.tokens, is_done), (3, true), "cut at {cut}");
        }
    }
}
