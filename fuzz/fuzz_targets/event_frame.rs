//! What a turn answers, as a gateway hears it from an engine or a peer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_fuzz::frames;
use pomona_protocol::TurnEvent;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;

fuzz_target!(|data: &[u8]| {
    frames::<TurnEvent>(data, EVENT_FRAME_BYTES_MAX);
});
