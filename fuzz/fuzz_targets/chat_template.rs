//! A chat template, and a conversation through it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_fuzz::models;

fuzz_target!(|data: &[u8]| {
    let tokens = serde_json::json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}});
    models::template(Some(String::from_utf8_lossy(data).into_owned()), &tokens, data);
});
