//! A join token as a person pastes it. An odd first byte puts the prefix and the right checksum around the rest, which
//! the fuzzer would never guess.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use pomona_protocol::JoinToken;
use sha2::{Digest, Sha256};

fuzz_target!(|data: &[u8]| {
    let Some((&how, rest)) = data.split_first() else { return };
    let text = if how & 1 == 1 {
        let mut bytes = rest.to_vec();
        bytes.extend_from_slice(&Sha256::digest(rest)[..4]);
        format!("pom1-{}", URL_SAFE_NO_PAD.encode(bytes))
    } else {
        String::from_utf8_lossy(rest).into_owned()
    };
    match text.parse::<JoinToken>() {
        Ok(token) => {
            assert_eq!(token.to_string().parse(), Ok(token.clone()), "a token changes on its way");
        }
        Err(error) => assert!(error.to_string().len() < 4096, "an error as long as what it is about"),
    }
});
