//! The two frames of a first contact on a stream.

use bytes::BytesMut;
use pomona_protocol::limits::GREETING_FRAME_BYTES_MAX;
use pomona_protocol::{FrameDecoder, FrameError, encode_frame};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that are taken from the stream at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameIoError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Read(#[from] quinn::ReadError),
    #[error(transparent)]
    Write(#[from] quinn::WriteError),
    #[error("the other side ended the stream before its frame was whole")]
    Ended,
}

/// Writes one frame and ends the stream.
pub(super) async fn write<T: Serialize>(
    stream: &mut quinn::SendStream,
    value: &T,
) -> Result<(), FrameIoError> {
    let mut buffer = BytesMut::new();
    encode_frame(value, &mut buffer, GREETING_FRAME_BYTES_MAX)?;
    stream.write_chunk(buffer.freeze()).await?;
    // It fails when the other side has stopped the stream; then reading tells why.
    let _ = stream.finish();
    Ok(())
}

/// Reads one frame; what comes after it is left alone.
pub(super) async fn read<T: DeserializeOwned>(stream: &mut quinn::RecvStream) -> Result<T, FrameIoError> {
    let mut decoder = FrameDecoder::new(GREETING_FRAME_BYTES_MAX);
    loop {
        if let Some(value) = decoder.next_frame()? {
            return Ok(value);
        }
        let chunk = stream.read_chunk(CHUNK_BYTES, true).await?.ok_or(FrameIoError::Ended)?;
        decoder.buffer().extend_from_slice(&chunk.bytes);
    }
}
