//! A GGUF file: where its tensors lie, and the description, tokenizer and template that it has.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_engine::checkpoint::bytes::gguf_config;
use pomona_engine::gguf::{Header, stop_ids, template, tokenizer};
use pomona_fuzz::{models, sentence};

fuzz_target!(|data: &[u8]| {
    let header = match Header::read(data) {
        Ok(header) => header,
        Err(error) => return sentence(&error, data),
    };
    for (name, tensor) in header.tensors() {
        assert!(tensor.start <= tensor.end && tensor.end <= data.len(), "{name} lies outside: {tensor:?}");
    }
    match gguf_config(&header) {
        Ok(config) => {
            models::decoder(&config);
            match stop_ids(&header, config.vocabulary) {
                Ok(ids) => assert!(ids.iter().all(|id| (*id as usize) < config.vocabulary)),
                Err(error) => sentence(&error, data),
            }
        }
        Err(error) => sentence(&error, data),
    }
    match tokenizer(&header) {
        Ok(json) => models::tokenizer(json.to_string().as_bytes(), data),
        Err(error) => sentence(&error, data),
    }
    match template(&header) {
        Ok((source, special)) => models::template(source, &special, data),
        Err(error) => sentence(&error, data),
    }
});
