//! What targets have in common: what holds of every stream of frames, and of every error. Called by the targets; knows nothing of libFuzzer.
//!
//! The first byte of an input says how the rest is fed: its lowest bit puts the length of one frame before it, so that
//! the fuzzer does not have to guess lengths; the others are the size of the pieces that it arrives in.

pub mod models;
mod panics;

use bytes::{BufMut, BytesMut};
use pomona_protocol::{FrameDecoder, FrameError, encode_frame};
use serde::{Serialize, de::DeserializeOwned};

/// Bytes of a frame's length.
const HEADER_BYTES: usize = 4;
/// What a decoder sets aside before anything came.
const FIRST_BYTES: usize = 4096;
/// What an error may say besides quoting.
const SENTENCE_BYTES_MAX: usize = 4096;

/// Feeds `data` to a decoder and gives what came out.
///
/// # Panics
/// When the size of the pieces changes what comes out, when a value changes on its way out and in again, or when
/// the decoder sets aside more memory than one frame of `limit` bytes takes.
pub fn frames<T: Serialize + DeserializeOwned>(data: &[u8], limit: usize) -> Vec<T> {
    let Some((&how, rest)) = data.split_first() else { return Vec::new() };
    let mut stream = BytesMut::with_capacity(HEADER_BYTES + rest.len());
    if how & 1 == 1 {
        stream.put_u32(u32::try_from(rest.len()).unwrap_or(u32::MAX));
    }
    stream.put_slice(rest);
    let (values, error) = decode::<T>(&stream, stream.len().max(1), limit);
    let (in_pieces, same_error) = decode::<T>(&stream, usize::from(how >> 1) + 1, limit);
    let encoded: Vec<BytesMut> = values.iter().map(encode).collect();
    assert_eq!(encoded, in_pieces.iter().map(encode).collect::<Vec<_>>(), "the pieces change the values");
    assert_eq!(error, same_error, "the pieces change the error");
    for bytes in &encoded {
        let (again, error) = decode::<T>(bytes, bytes.len(), usize::MAX);
        assert!(error.is_none(), "what was written does not read back: {error:?}");
        assert_eq!(again.iter().map(encode).collect::<Vec<_>>(), [bytes], "a value changes on its way");
    }
    values
}

/// Every value of `stream` up to its end or the first error.
fn decode<T: DeserializeOwned>(stream: &[u8], piece: usize, limit: usize) -> (Vec<T>, Option<FrameError>) {
    let mut decoder = FrameDecoder::<T>::new(limit);
    let mut values = Vec::new();
    for piece in stream.chunks(piece) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(value)) => values.push(value),
                Ok(None) => break,
                Err(error) => return (values, Some(error)),
            }
        }
        let most = limit.saturating_add(HEADER_BYTES + FIRST_BYTES + stream.len()).saturating_mul(2);
        assert!(decoder.buffer().capacity() <= most, "too much memory for a frame");
    }
    (values, None)
}

fn encode<T: Serialize>(value: &T) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode_frame(value, &mut bytes, usize::MAX).expect("invariant: what was decoded can be written");
    bytes
}

/// What an error says may quote what it is about, and be little longer.
///
/// # Panics
/// When it says nothing, or endlessly much.
pub fn sentence(error: &dyn std::fmt::Display, about: &[u8]) {
    let text = error.to_string();
    assert!(!text.is_empty(), "an error without words");
    // What cannot be printed is quoted in up to ten characters each.
    assert!(
        text.len() <= SENTENCE_BYTES_MAX + 10 * about.len(),
        "an error much longer than what it is about"
    );
}
