//! A `tokenizer.json`, and a text through it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_fuzz::models;

fuzz_target!(|data: &[u8]| models::tokenizer(data, data));
