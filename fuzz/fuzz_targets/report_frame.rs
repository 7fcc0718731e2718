//! What an engine process reports of itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_fuzz::frames;
use pomona_protocol::EngineReport;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;

fuzz_target!(|data: &[u8]| {
    frames::<EngineReport>(data, EVENT_FRAME_BYTES_MAX);
});
