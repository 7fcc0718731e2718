//! Frames: a 4-byte big-endian length, then MessagePack with named fields. Unknown fields are ignored, so
//! that versions mix. Sans I/O: shells feed bytes and take values.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, BytesMut};
use serde::{Serialize, de::DeserializeOwned};

const HEADER_BYTES: usize = 4;
/// Room for received bytes at first, some frames of a stream. Every stream of tokens has this much.
const BUFFER_BYTES: usize = 1024;

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is over the limit of this stream.
    #[error("frame of {bytes} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// Claimed or encoded length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The body is not what was expected.
    #[error("frame does not decode: {message}")]
    Malformed {
        /// What the decoder said.
        message: String,
    },
}

/// Appends `value` as one frame; leaves `buffer` as it was on error.
pub fn encode_frame<T: Serialize>(value: &T, buffer: &mut BytesMut, limit: usize) -> Result<(), FrameError> {
    let start = buffer.len();
    buffer.put_u32(0);
    let written = rmp_serde::encode::write_named(&mut buffer.writer(), value);
    let bytes = buffer.len() - start - HEADER_BYTES;
    let error = match written {
        Err(error) => Some(FrameError::Malformed { message: error.to_string() }),
        Ok(()) if bytes > limit.min(u32::MAX as usize) => Some(FrameError::TooLarge { bytes, limit }),
        Ok(()) => None,
    };
    if let Some(error) = error {
        buffer.truncate(start);
        return Err(error);
    }
    buffer[start..start + HEADER_BYTES].copy_from_slice(&(bytes as u32).to_be_bytes());
    Ok(())
}

/// Cuts a byte stream into values. Feed [`FrameDecoder::buffer`], then call [`FrameDecoder::next_frame`]
/// until it says `None`. After an error the stream is of no further use.
#[derive(Debug)]
pub struct FrameDecoder<T> {
    buffer: BytesMut,
    limit: usize,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> FrameDecoder<T> {
    /// A decoder for frames of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::with_capacity(BUFFER_BYTES), limit, value: PhantomData }
    }

    /// Where received bytes go.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next value, or `None` when more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<T>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let bytes = u32::from_be_bytes(*header) as usize;
        if bytes > self.limit {
            return Err(FrameError::TooLarge { bytes, limit: self.limit });
        }
        if self.buffer.len() < HEADER_BYTES + bytes {
            self.buffer.reserve(HEADER_BYTES + bytes - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        let body = self.buffer.split_to(bytes);
        rmp_serde::from_slice(&body)
            .map(Some)
            .map_err(|error| FrameError::Malformed { message: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Open, TurnEvent};

    fn tokens(first: u32, ids: Vec<u32>, text: String) -> TurnEvent {
        TurnEvent::Tokens { first, ids, text, marks: Vec::new(), logprobs: Vec::new() }
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(texts in prop::collection::vec(".{0,40}", 1..8), cut in 1usize..7) {
            let sent: Vec<_> = texts.into_iter().enumerate().map(|(i, text)| tokens(i as u32, vec![7], text)).collect();
            let mut wire = BytesMut::new();
            for event in &sent {
                encode_frame(event, &mut wire, 4096).unwrap();
            }
            let mut decoder = FrameDecoder::<TurnEvent>::new(4096);
            let mut received = Vec::new();
            for piece in wire.chunks(cut) {
                decoder.buffer().extend_from_slice(piece);
                while let Some(event) = decoder.next_frame().unwrap() {
                    received.push(event);
                }
            }
            prop_assert_eq!(received, sent);
        }

        #[test]
        fn garbage_is_an_error_or_silence_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let mut decoder = FrameDecoder::<Open>::new(128);
            decoder.buffer().extend_from_slice(&bytes);
            while let Ok(Some(_)) = decoder.next_frame() {}
        }
    }

    #[test]
    fn a_frame_over_its_limit_is_refused_on_both_sides() {
        let event = tokens(0, vec![1], "x".repeat(200));
        let mut wire = BytesMut::new();
        assert!(matches!(encode_frame(&event, &mut wire, 100), Err(FrameError::TooLarge { limit: 100, .. })));
        assert!(wire.is_empty());
        encode_frame(&event, &mut wire, 1000).unwrap();
        let mut decoder = FrameDecoder::<TurnEvent>::new(100);
        decoder.buffer().extend_from_slice(&wire);
        assert!(matches!(decoder.next_frame(), Err(FrameError::TooLarge { limit: 100, .. })));
    }

    #[test]
    fn an_unknown_field_is_ignored() {
        #[derive(Serialize)]
        #[serde(rename_all = "snake_case")]
        enum Newer {
            Queued { ahead: u32, mood: &'static str },
        }
        let mut wire = BytesMut::new();
        encode_frame(&Newer::Queued { ahead: 3, mood: "calm" }, &mut wire, 1000).unwrap();
        let mut decoder = FrameDecoder::<TurnEvent>::new(1000);
        decoder.buffer().extend_from_slice(&wire);
        assert_eq!(decoder.next_frame(), Ok(Some(TurnEvent::Queued { ahead: 3 })));
    }
}
