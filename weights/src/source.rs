//! Whom weights are taken from: one trait, and how to ask over a pair of byte streams. Whoever holds links
//! implements it with a stream of its own per question.

use std::pin::Pin;

use bytes::BytesMut;
use pomona_protocol::blob::BLOB_ANSWER_FRAME_BYTES_MAX;
use pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
use pomona_protocol::{BlobAnswer, BlobRequest, Open, encode_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const HEADER_BYTES: usize = 4;

/// The bytes behind an answer.
pub type ByteStream = Pin<Box<dyn AsyncRead + Send>>;
/// An answer that is awaited.
pub type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<(BlobAnswer, ByteStream), SourceError>> + Send + 'a>>;

/// A member that has the weights. Dropping what [`Source::ask`] returns, or the bytes behind it, has to end the
/// transfer at the other side too (a stream reset).
pub trait Source: Send + Sync {
    /// What people call it; stands in logs and errors.
    fn name(&self) -> &str;

    /// Asks one question. Behind [`BlobAnswer::Bytes`] the stream carries exactly that many bytes and ends.
    fn ask(&self, request: BlobRequest) -> Answering<'_>;
}

/// Why a source did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no way to it, or it broke; may be better later.
    #[error("the way to it broke: {message}")]
    Broken {
        /// What was seen.
        message: String,
    },
    /// It answered what is no answer.
    #[error("it answered garbage: {message}")]
    Garbage {
        /// What was seen.
        message: String,
    },
}

/// Asks over a stream of its own: sends [`Open::Blob`], ends the sending side, reads the answer.
pub async fn ask_over<R, W>(
    receive: R,
    mut send: W,
    request: BlobRequest,
) -> Result<(BlobAnswer, ByteStream), SourceError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Unpin,
{
    let mut frame = BytesMut::new();
    encode_frame(&Open::Blob(request), &mut frame, REQUEST_FRAME_BYTES_MAX)
        .map_err(|error| SourceError::Garbage { message: error.to_string() })?;
    send.write_all(&frame).await.map_err(broken)?;
    send.shutdown().await.map_err(broken)?;
    read_answer(receive).await
}

/// Reads an answer and not one byte more, so that what is left is what follows it.
pub async fn read_answer<R>(mut receive: R) -> Result<(BlobAnswer, ByteStream), SourceError>
where
    R: AsyncRead + Send + Unpin + 'static,
{
    let mut header = [0; HEADER_BYTES];
    receive.read_exact(&mut header).await.map_err(broken)?;
    let bytes = u32::from_be_bytes(header) as usize;
    if bytes > BLOB_ANSWER_FRAME_BYTES_MAX {
        let message = format!("a frame of {bytes} bytes, at most {BLOB_ANSWER_FRAME_BYTES_MAX}");
        return Err(SourceError::Garbage { message });
    }
    let mut body = vec![0; bytes];
    receive.read_exact(&mut body).await.map_err(broken)?;
    let answer =
        rmp_serde::from_slice(&body).map_err(|error| SourceError::Garbage { message: error.to_string() })?;
    Ok((answer, Box::pin(receive)))
}

fn broken(error: std::io::Error) -> SourceError {
    SourceError::Broken { message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn what_follows_an_answer_stays_in_the_stream() {
        let mut wire = BytesMut::new();
        encode_frame(&BlobAnswer::Bytes { length: 3 }, &mut wire, 100).unwrap();
        wire.extend_from_slice(b"abc");
        let (answer, mut rest) = read_answer(std::io::Cursor::new(wire)).await.unwrap();
        assert_eq!(answer, BlobAnswer::Bytes { length: 3 });
        let mut bytes = Vec::new();
        rest.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"abc");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(read_answer(std::io::Cursor::new(bytes)));
        }
    }
}
