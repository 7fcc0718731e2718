//! A `config.json` of a model, and what follows from it: its tensors, the bytes of its context, its positions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_engine::checkpoint::bytes::{Config, config};
use pomona_fuzz::{models, sentence};

fuzz_target!(|data: &[u8]| {
    match config(data) {
        Ok(Config::Decoder(config)) => models::decoder(&config),
        Ok(Config::Encoder(config)) => assert!(config.head_width() > 0, "heads without a width"),
        Err(error) => sentence(&error, data),
    }
});
