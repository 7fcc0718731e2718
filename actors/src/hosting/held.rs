//! The events of one turn that a node keeps, so that whoever lost the stream can have them again from any token.
//! Pure: bytes in, bytes out.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use serde::Deserialize;
use serde::de::IgnoredAny;

const HEADER_BYTES: usize = 4;

/// What has to be known of an event to keep it. The rest of the frame is passed on as it came.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Peek {
    Queued(IgnoredAny),
    Started(IgnoredAny),
    Resumed(IgnoredAny),
    Prefill(IgnoredAny),
    Tokens { first: u32, ids: Vec<u32> },
    Finished(IgnoredAny),
    Failed(IgnoredAny),
}

/// What a frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Something on the way.
    Event,
    /// How far the prompt is: of no worth to who comes later, and so not kept.
    Prefill,
    /// Tokens.
    Tokens,
    /// The terminal event of an answer.
    Finished,
    /// The terminal event of a turn that failed.
    Failed,
    /// No event of ours.
    Broken,
}

/// A frame, and the index in the answer behind it.
#[derive(Debug)]
struct Frame {
    bytes: Bytes,
    /// Index of its first token; for other events, of the next one.
    first: u32,
}

/// Frames of one turn, oldest first.
#[derive(Debug)]
pub(super) struct Held {
    frames: VecDeque<Frame>,
    bytes: usize,
    bytes_max: usize,
    /// Index of the first token that is still held; tokens before it cannot be had again.
    oldest: u32,
    /// Index of the next token.
    next: u32,
}

impl Held {
    /// Nothing yet, of an answer that goes on at index `next`.
    pub(super) fn new(next: u32, bytes_max: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, bytes_max, oldest: next, next }
    }

    /// Cuts the next whole frame off `buffer` and keeps it; `None` when more bytes are needed.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Option<(Bytes, Kept)> {
        let length = u32::from_be_bytes(*buffer.first_chunk::<HEADER_BYTES>()?) as usize;
        if length > EVENT_FRAME_BYTES_MAX {
            // Nothing behind it can be read; what stays would be found broken again, for ever.
            buffer.clear();
            return Some((Bytes::new(), Kept::Broken));
        }
        if buffer.len() < HEADER_BYTES + length {
            buffer.reserve(HEADER_BYTES + length - buffer.len());
            return None;
        }
        let bytes = buffer.split_to(HEADER_BYTES + length).freeze();
        let kept = match rmp_serde::from_slice(&bytes[HEADER_BYTES..]) {
            Ok(Peek::Tokens { first, ids }) if first == self.next => {
                self.keep(bytes.clone());
                self.next = first.saturating_add(ids.len() as u32);
                Kept::Tokens
            }
            Ok(Peek::Queued(_) | Peek::Started(_) | Peek::Resumed(_)) => {
                self.keep(bytes.clone());
                Kept::Event
            }
            Ok(Peek::Prefill(_)) => Kept::Prefill,
            Ok(Peek::Finished(_)) => {
                self.keep(bytes.clone());
                Kept::Finished
            }
            Ok(Peek::Failed(_)) => {
                self.keep(bytes.clone());
                Kept::Failed
            }
            Ok(Peek::Tokens { .. }) | Err(_) => Kept::Broken,
        };
        Some((bytes, kept))
    }

    fn keep(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.frames.push_back(Frame { bytes, first: self.next });
        while self.bytes > self.bytes_max {
            let Some(gone) = self.frames.pop_front() else { return };
            self.bytes -= gone.bytes.len();
            self.oldest = self.frames.front().map_or(self.next, |frame| frame.first);
        }
    }

    /// Everything from token `from` on, or `None` when it is not held (any more, or yet).
    pub(super) fn from(&self, from: u32) -> Option<BytesMut> {
        if from < self.oldest || from > self.next {
            return None;
        }
        let is_boundary = from == self.next || self.frames.iter().any(|frame| frame.first == from);
        let wanted = self.frames.iter().filter(|frame| frame.first >= from);
        is_boundary.then(|| {
            let mut bytes = BytesMut::new();
            wanted.for_each(|frame| bytes.extend_from_slice(frame.bytes.chunk()));
            bytes
        })
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{FrameDecoder, TurnEvent, Usage, encode_frame};

    use super::*;

    fn tokens(first: u32, count: u32) -> TurnEvent {
        let ids = (first..first + count).collect();
        TurnEvent::Tokens { first, ids, text: "x".to_owned(), marks: Vec::new(), logprobs: Vec::new() }
    }

    fn wire(events: &[TurnEvent]) -> BytesMut {
        let mut bytes = BytesMut::new();
        events.iter().for_each(|event| encode_frame(event, &mut bytes, EVENT_FRAME_BYTES_MAX).unwrap());
        bytes
    }

    fn held(events: &[TurnEvent], bytes_max: usize) -> Held {
        let mut held = Held::new(0, bytes_max);
        let mut bytes = wire(events);
        while let Some((_, kept)) = held.take(&mut bytes) {
            assert_ne!(kept, Kept::Broken);
        }
        held
    }

    fn firsts(bytes: BytesMut) -> Vec<u32> {
        let mut decoder = FrameDecoder::<TurnEvent>::new(EVENT_FRAME_BYTES_MAX);
        decoder.buffer().extend_from_slice(&bytes);
        let mut firsts = Vec::new();
        while let Ok(Some(event)) = decoder.next_frame() {
            if let TurnEvent::Tokens { first, .. } = event {
                firsts.push(first);
            }
        }
        firsts
    }

    #[test]
    fn what_was_held_is_given_again_from_any_boundary() {
        let started = TurnEvent::Started { prompt_tokens: 3, cached_tokens: 0 };
        let held = held(&[started, tokens(0, 1), tokens(1, 2), tokens(3, 1)], 10_000);
        assert_eq!(firsts(held.from(0).unwrap()), [0, 1, 3]);
        assert_eq!(firsts(held.from(1).unwrap()), [1, 3]);
        assert!(firsts(held.from(4).unwrap()).is_empty());
        assert!(held.from(2).is_none(), "the middle of a frame");
        assert!(held.from(5).is_none(), "not said yet");
    }

    #[test]
    fn the_oldest_are_forgotten_at_the_limit() {
        let events: Vec<_> = (0..100).map(|first| tokens(first, 1)).collect();
        let held = held(&events, 1000);
        assert!(held.from(0).is_none());
        assert!(held.bytes <= 1000 && held.from(95).is_some());
    }

    #[test]
    fn the_terminal_event_comes_again_too() {
        let finished = TurnEvent::Finished {
            reason: pomona_protocol::FinishReason::Stop,
            text: String::new(),
            usage: Usage::default(),
            marks: Vec::new(),
            stop: None,
            embedding: Vec::new(),
        };
        let held = held(&[tokens(0, 2), finished.clone()], 10_000);
        let mut decoder = FrameDecoder::<TurnEvent>::new(EVENT_FRAME_BYTES_MAX);
        decoder.buffer().extend_from_slice(&held.from(2).unwrap());
        assert_eq!(decoder.next_frame(), Ok(Some(finished)));
    }

    #[test]
    fn how_far_a_prompt_was_is_passed_on_and_not_held() {
        let mut bytes = wire(&[TurnEvent::Prefill { done: 1, total: 2 }, tokens(0, 1)]);
        let mut held = Held::new(0, 10_000);
        assert!(matches!(held.take(&mut bytes), Some((frame, Kept::Prefill)) if !frame.is_empty()));
        assert!(matches!(held.take(&mut bytes), Some((_, Kept::Tokens))));
        assert_eq!(held.frames.len(), 1);
    }

    #[test]
    fn gaps_repeats_and_garbage_are_broken() {
        for events in [&[tokens(1, 1)][..], &[tokens(0, 2), tokens(1, 1)]] {
            let mut held = Held::new(0, 1000);
            let mut bytes = wire(events);
            let last = std::iter::from_fn(|| held.take(&mut bytes)).last();
            assert!(matches!(last, Some((_, Kept::Broken))), "{events:?}");
        }
        let mut held = Held::new(0, 1000);
        assert!(matches!(held.take(&mut BytesMut::from(&b"\0\0\0\x02hi"[..])), Some((_, Kept::Broken))));
        let mut endless = BytesMut::from(&b"\xff\0\0\0"[..]);
        assert!(matches!(held.take(&mut endless), Some((_, Kept::Broken))));
        assert!(held.take(&mut endless).is_none(), "a frame that is too large is broken once");
        assert!(held.take(&mut BytesMut::from(&b"\0\0"[..])).is_none());
    }
}
