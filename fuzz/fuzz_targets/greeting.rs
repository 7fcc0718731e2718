//! The first frame of a link, and its answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_fuzz::frames;
use pomona_protocol::limits::GREETING_FRAME_BYTES_MAX;
use pomona_protocol::{Hello, HelloAnswer};

fuzz_target!(|data: &[u8]| {
    frames::<Hello>(data, GREETING_FRAME_BYTES_MAX);
    for answer in frames::<HelloAnswer>(data, GREETING_FRAME_BYTES_MAX) {
        if let HelloAnswer::Refused(refusal) = answer {
            assert!(!refusal.code().is_empty() && !refusal.to_string().is_empty());
        }
    }
});
