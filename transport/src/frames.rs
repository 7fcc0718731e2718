//! Single frames at the head of a stream, read and written whole. Used by greetings and first contacts; what follows
//! on the stream is left to others.

use bytes::BytesMut;
use pomona_protocol::encode_frame;
use pomona_protocol::limits::GREETING_FRAME_BYTES_MAX;
use quinn::{ReadError, ReadExactError, WriteError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::greeting::AttemptError;
use crate::streams::{RecvStream, SendStream};

/// Writes one frame.
pub(crate) async fn write_frame<T: Serialize>(send: &mut SendStream, value: &T) -> Result<(), AttemptError> {
    let mut frame = BytesMut::new();
    encode_frame(value, &mut frame, GREETING_FRAME_BYTES_MAX)
        .map_err(|error| AttemptError::Malformed { message: error.to_string() })?;
    send.write_all(&frame).await.map_err(|error| match error {
        WriteError::ConnectionLost(error) => AttemptError::Link(error.into()),
        other => AttemptError::Malformed { message: other.to_string() },
    })
}

/// Reads one frame.
pub(crate) async fn read_frame<T: DeserializeOwned>(recv: &mut RecvStream) -> Result<T, AttemptError> {
    decode(&read_body(recv).await?)
}

/// Reads one frame and not a byte more: the stream goes on.
pub(crate) async fn read_body(recv: &mut RecvStream) -> Result<Vec<u8>, AttemptError> {
    let mut header = [0; 4];
    recv.read_exact(&mut header).await.map_err(cut)?;
    let bytes = u32::from_be_bytes(header) as usize;
    if bytes > GREETING_FRAME_BYTES_MAX {
        let message = format!("a frame of {bytes} bytes (limit {GREETING_FRAME_BYTES_MAX})");
        return Err(AttemptError::Malformed { message });
    }
    let mut body = vec![0; bytes];
    recv.read_exact(&mut body).await.map_err(cut)?;
    Ok(body)
}

fn cut(error: ReadExactError) -> AttemptError {
    match error {
        ReadExactError::ReadError(ReadError::ConnectionLost(error)) => AttemptError::Link(error.into()),
        other => AttemptError::Malformed { message: other.to_string() },
    }
}

/// Reads the body of a frame.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, AttemptError> {
    rmp_serde::from_slice(body).map_err(|error| AttemptError::Malformed { message: error.to_string() })
}
