//! The signature of what is sent: HMAC-SHA256 over the time and the body, so that a receiver can tell that it
//! is ours and not an old one that somebody sends again.

use std::fmt::Write;

use crate::hmac::hmac_sha256;

/// `sha256=` and the HMAC in hex, over `<unix seconds>.<body>`.
pub(super) fn signature(secret: &[u8], at_unix_s: u64, body: &[u8]) -> String {
    let mut text = "sha256=".to_owned();
    for byte in hmac_sha256(secret, &[at_unix_s.to_string().as_bytes(), b".", body]) {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_body_are_both_signed() {
        let signed = signature(b"s", 1, b"{}");
        assert!(signed.starts_with("sha256=") && signed.len() == 7 + 64, "{signed}");
        for other in [signature(b"t", 1, b"{}"), signature(b"s", 2, b"{}"), signature(b"s", 1, b"{ }")] {
            assert_ne!(other, signed);
        }
    }
}
