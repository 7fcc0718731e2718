//! The two frames of a first contact: the only ones that come from machines without a certificate.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_fuzz::frames;
use pomona_protocol::join::{JoinAnswer, JoinRequest};
use pomona_protocol::limits::GREETING_FRAME_BYTES_MAX;

fuzz_target!(|data: &[u8]| {
    frames::<JoinRequest>(data, GREETING_FRAME_BYTES_MAX);
    for answer in frames::<JoinAnswer>(data, GREETING_FRAME_BYTES_MAX) {
        if let JoinAnswer::Refused(refusal) = answer {
            assert!(!refusal.code().is_empty() && !refusal.to_string().is_empty());
        }
    }
});
