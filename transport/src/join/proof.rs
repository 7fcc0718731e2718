//! How a machine shows that it knows a token's secret without saying it: a MAC over keying material of the very
//! connection. Made by the machine that joins, verified by the registry. A proof that somebody else receives is worth
//! nothing on any other connection.

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use sha2::{Digest, Sha256};

/// Names the keying material that a first contact is bound to.
pub(crate) const EXPORTER_LABEL: &[u8] = b"pomona join";

/// What the registry stores of a secret, and the key of the proof.
pub(crate) fn digest_of(secret: &[u8; 16]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The proof for one connection.
pub(crate) fn make(secret_sha256: &[u8; 32], exporter: &[u8; 32]) -> [u8; 32] {
    let tag = hmac::sign(&Key::new(HMAC_SHA256, secret_sha256), exporter);
    let mut proof = [0; 32];
    proof.copy_from_slice(tag.as_ref());
    proof
}

/// Whether `proof` belongs to this connection and this secret; takes the same time either way.
pub(crate) fn verify(secret_sha256: &[u8; 32], exporter: &[u8; 32], proof: &[u8]) -> bool {
    hmac::verify(&Key::new(HMAC_SHA256, secret_sha256), exporter, proof).is_ok()
}

/// Keying material of a connection, the same on both of its ends and on no other connection.
pub(crate) fn exporter_of(connection: &quinn::Connection) -> Option<[u8; 32]> {
    let mut exporter = [0; 32];
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
    Some(exporter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_one_secret_and_one_connection() {
        let digest = digest_of(&[1; 16]);
        let proof = make(&digest, &[2; 32]);
        assert!(verify(&digest, &[2; 32], &proof));
        assert!(!verify(&digest, &[3; 32], &proof));
        assert!(!verify(&digest_of(&[4; 16]), &[2; 32], &proof));
        assert!(!verify(&digest, &[2; 32], &proof[..31]));
        assert!(!verify(&digest, &[2; 32], &[]));
    }
}
