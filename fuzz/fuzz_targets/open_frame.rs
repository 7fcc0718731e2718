//! How a stream to an engine or a peer opens: any bytes, in any pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_fuzz::frames;
use pomona_protocol::Open;
use pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;

fuzz_target!(|data: &[u8]| {
    frames::<Open>(data, REQUEST_FRAME_BYTES_MAX);
});
