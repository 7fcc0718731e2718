//! HTTP/1.1 as a load generator needs it: one request at a time over one connection, and the answer read into a buffer
//! that all connections of a thread share. So a stream that waits costs its socket and little else, and a token one
//! read of the system.
//!
//! A library would do more (a task and a channel per connection, buffers that grow), and it would hide the moment at which the
//! first byte leaves.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::broken::Broken;
use super::framing::Framing;
use super::stream::Stream;

/// Bytes that one read may bring.
const READ_BYTES_MAX: usize = 16 * 1024;
/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most headers of an answer.
const HEADERS_MAX: usize = 64;
/// Longest answer that is no stream.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into_boxed_slice());
}

/// A connection on which one request is under way at most.
pub(super) struct Connection {
    stream: Stream,
    /// What was read and not looked at.
    ahead: Vec<u8>,
    /// Whether an answer came over it before.
    pub(super) is_used: bool,
}

/// The beginning of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// Whether the connection may be used again.
    pub(super) keeps: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, ahead: Vec::new(), is_used: false }
    }

    /// The bare connection, for another protocol.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Whether it is of no use for a next request.
    pub(super) fn is_stale(&self) -> bool {
        !self.ahead.is_empty() || self.stream.is_stale()
    }

    /// Sends a request, head and body in one piece.
    pub(super) async fn send(&mut self, request: &[u8]) -> Result<(), Broken> {
        self.stream.write_all(request).await.map_err(Broken::Lost)?;
        self.stream.flush().await.map_err(Broken::Lost)
    }

    /// Reads up to the body of the answer.
    pub(super) async fn head(&mut self) -> Result<Head, Broken> {
        loop {
            if let Some((head, length)) = parse(&self.ahead)? {
                self.ahead.drain(..length);
                // What comes before the answer itself (100, 103) has no body.
                if head.status >= 200 {
                    self.is_used = true;
                    return Ok(head);
                }
                continue;
            }
            if self.ahead.len() > HEAD_BYTES_MAX {
                return Err(Broken::Garbled("a head of more than 32 KiB"));
            }
            let mut ahead = std::mem::take(&mut self.ahead);
            let read = self.read(READ_BYTES_MAX, |bytes| ahead.extend_from_slice(bytes)).await;
            self.ahead = ahead;
            if read? == 0 {
                return Err(Broken::NoEnd);
            }
        }
    }

    /// Hands over the next piece of a body, of at most `most` bytes, and says whether more may come.
    pub(super) async fn piece(
        &mut self,
        framing: &mut Framing,
        most: usize,
        mut body: impl FnMut(&[u8]),
    ) -> Result<bool, Broken> {
        if framing.is_over() {
            return Ok(false);
        }
        if !self.ahead.is_empty() {
            let ahead = std::mem::take(&mut self.ahead);
            let taken = framing.take(&ahead, &mut body)?;
            self.ahead = ahead[taken..].to_vec();
            return Ok(!framing.is_over());
        }
        let mut outcome = Ok(0);
        let mut rest = Vec::new();
        let count = self
            .read(most, |bytes| {
                outcome = framing.take(bytes, &mut body);
                rest = bytes[*outcome.as_ref().unwrap_or(&0)..].to_vec();
            })
            .await?;
        outcome?;
        self.ahead = rest;
        match (count, &*framing) {
            (0, Framing::UntilEnd) => Ok(false),
            (0, _) => Err(Broken::NoEnd),
            _ => Ok(!framing.is_over()),
        }
    }

    /// Reads all of a body.
    pub(super) async fn body(&mut self, head: &mut Head) -> Result<Vec<u8>, Broken> {
        let mut all = Vec::new();
        while self.piece(&mut head.framing, READ_BYTES_MAX, |bytes| all.extend_from_slice(bytes)).await? {
            if all.len() > BODY_BYTES_MAX {
                return Err(Broken::Garbled("an answer of more than 16 MiB"));
            }
        }
        Ok(all)
    }

    /// One read of the system, looked at before anything else happens; says how many bytes came, 0 at the end.
    async fn read(&mut self, most: usize, mut look: impl FnMut(&[u8])) -> Result<usize, Broken> {
        poll_fn(|context| {
            SCRATCH.with_borrow_mut(|scratch| {
                let most = most.min(scratch.len());
                let mut buffer = ReadBuf::new(&mut scratch[..most]);
                let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
                Poll::Ready(read.map_err(Broken::Lost).map(|()| {
                    look(buffer.filled());
                    buffer.filled().len()
                }))
            })
        })
        .await
    }
}

/// A head and its length, once it is complete.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(bytes).map_err(|_| Broken::Garbled("the head of the answer"))?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let status = answer.code.unwrap_or_default();
    let has = |name: &str, word: &[u8]| {
        let mut named = answer.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.any(|header| header.value.to_ascii_lowercase().windows(word.len()).any(|part| part == word))
    };
    let said_length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let said_length = said_length.map(|header| {
        let text = std::str::from_utf8(header.value).ok();
        text.and_then(|text| text.trim().parse().ok()).ok_or(Broken::Garbled("the length of the answer"))
    });
    let framing = match said_length.transpose()? {
        _ if matches!(status, 100..200 | 204 | 304) => Framing::Length(0),
        _ if has("transfer-encoding", b"chunked") => Framing::chunked(),
        Some(length) => Framing::Length(length),
        None => Framing::UntilEnd,
    };
    let keeps = answer.version == Some(1) && !has("connection", b"close") && framing != Framing::UntilEnd;
    Ok(Some((Head { status, framing, keeps }, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_the_body_ends_and_whether_the_connection_stays() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5";
        let (head, length) = parse(chunked).unwrap().unwrap();
        assert_eq!((head.status, head.framing, head.keeps, length), (200, Framing::chunked(), true, 47));
        let closed = b"HTTP/1.1 429 Too Many\r\ncontent-length: 12\r\nConnection: Close\r\n\r\n";
        let (head, _) = parse(closed).unwrap().unwrap();
        assert_eq!((head.status, head.framing, head.keeps), (429, Framing::Length(12), false));
        let (head, _) = parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.framing, head.keeps), (Framing::Length(0), true));
        let (head, _) = parse(b"HTTP/1.1 200 OK\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.framing, head.keeps), (Framing::UntilEnd, false));
        assert!(parse(b"HTTP/1.1 200 OK\r\nA: b\r\n").unwrap().is_none());
        assert!(parse(b"SSH-2.0-x\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
    }
}
