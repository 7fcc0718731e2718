//! The framing of an HTTP/1.1 answer: its head, and the bytes of its body without chunk sizes.

use anyhow::{Context, Result, bail};

/// Headers of an answer; gateways add a dozen.
const HEADERS_MAX: usize = 96;

/// What an answer's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) body: Body,
    /// Bytes that the head takes.
    pub(super) bytes: usize,
}

/// How the rest of a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(usize),
    /// Chunks; so many bytes of the present one are to come, its line end included.
    Chunk(usize),
    /// Chunks; the next thing is a size.
    Size,
    /// The line behind the last chunk.
    Last,
    /// Whatever comes until the connection closes.
    UntilClosed,
    /// Nothing more.
    Ended,
}

impl Head {
    /// `None` when the head is not complete.
    pub(super) fn parse(input: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(bytes) = response.parse(input).context("the answer is no HTTP")?
        else {
            return Ok(None);
        };
        let status = response.code.context("the answer has no status")?;
        let value = |name: &str| {
            let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            header.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let is_chunked = value("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let body = match value("content-length") {
            _ if is_chunked => Body::Size,
            Some(length) => Body::Length(length.trim().parse().context("the length is no number")?),
            None => Body::UntilClosed,
        };
        Ok(Some(Self { status, body, bytes }))
    }
}

impl Body {
    /// Moves what belongs to the body from `input` to `out`; what is left in `input` is incomplete.
    pub(super) fn take(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match *self {
                Body::Length(0) => *self = Body::Ended,
                Body::Length(left) => {
                    let count = left.min(rest.len());
                    out.extend_from_slice(&rest[..count]);
                    at += count;
                    if count < left {
                        *self = Body::Length(left - count);
                        break;
                    }
                    *self = Body::Ended;
                }
                Body::Chunk(left) => {
                    // The last two bytes are the line end.
                    let count = left.min(rest.len());
                    out.extend_from_slice(&rest[..count.min(left.saturating_sub(2))]);
                    at += count;
                    if count < left {
                        *self = Body::Chunk(left - count);
                        break;
                    }
                    *self = Body::Size;
                }
                Body::Size => {
                    let Some(end) = line_end(rest) else { break };
                    let size = std::str::from_utf8(&rest[..end]).context("a chunk size is no text")?;
                    let size = size.split(';').next().unwrap_or_default().trim();
                    let Ok(size) = usize::from_str_radix(size, 16) else {
                        bail!("{size:?} is no chunk size")
                    };
                    at += end + 2;
                    *self = if size == 0 { Body::Last } else { Body::Chunk(size + 2) };
                }
                Body::Last => {
                    let Some(end) = line_end(rest) else { break };
                    at += end + 2;
                    // Lines before the empty one are trailers.
                    if end == 0 {
                        *self = Body::Ended;
                    }
                }
                Body::UntilClosed => {
                    out.extend_from_slice(rest);
                    at = input.len();
                    break;
                }
                Body::Ended => break,
            }
        }
        input.drain(..at);
        Ok(())
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(mut body: Body, pieces: &[&str]) -> (Body, String, usize) {
        let (mut input, mut out) = (Vec::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece.as_bytes());
            body.take(&mut input, &mut out).unwrap();
        }
        (body, String::from_utf8(out).unwrap(), input.len())
    }

    #[test]
    fn a_head_says_status_and_framing() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";
        let head = Head { status: 200, body: Body::Size, bytes: text.len() - 3 };
        assert_eq!(Head::parse(text).unwrap(), Some(head));
        assert_eq!(Head::parse(&text[..30]).unwrap(), None);
        let head = Head::parse(b"HTTP/1.1 503 No\r\nContent-Length: 12\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.status, head.body), (503, Body::Length(12)));
        assert!(Head::parse(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn chunks_are_joined_wherever_they_are_cut() {
        let text = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
        assert_eq!(fed(Body::Size, &[text]), (Body::Ended, "hello world".to_owned(), 0));
        for cut in 1..text.len() {
            let pieces = [&text[..cut], &text[cut..]];
            assert_eq!(fed(Body::Size, &pieces), (Body::Ended, "hello world".to_owned(), 0), "cut at {cut}");
        }
        assert!(Body::Size.take(&mut b"zz\r\n".to_vec(), &mut Vec::new()).is_err());
    }

    #[test]
    fn a_body_of_known_length_leaves_what_follows() {
        assert_eq!(fed(Body::Length(3), &["a", "bcHTTP"]), (Body::Ended, "abc".to_owned(), 4));
        assert_eq!(fed(Body::UntilClosed, &["a", "b"]), (Body::UntilClosed, "ab".to_owned(), 0));
    }
}
