//! Why a key or a certificate is of no use. Made by [`crate::authority`] and [`crate::identity`]; each message names
//! the file and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a machine has no identity, or an authority no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{} is damaged ({message}); {remedy}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Two files are each in order and do not belong together.
    #[error("{} does not belong to {}; {remedy}", path.display(), other.display())]
    Foreign {
        /// The one.
        path: PathBuf,
        /// The other.
        other: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// A file is there without the one that it needs.
    #[error("{} is there without {}; {remedy}", path.display(), missing.display())]
    Missing {
        /// The one that is there.
        path: PathBuf,
        /// The one that is not.
        missing: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// Others may read a private key.
    #[error(
        "{} can be read by other users (mode {mode:04o}); run `chmod 600 {0}`",
        path.display()
    )]
    Exposed {
        /// The key.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The name does not fit into a certificate.
    #[error("cluster name `{given}`: expected 1 to {limit} letters, digits, dots, hyphens or underscores")]
    ClusterName {
        /// What was given, shortened.
        given: String,
        /// Longest name, in bytes.
        limit: usize,
    },
    /// A signing request is not acceptable.
    #[error("the signing request is not acceptable: {message}")]
    SigningRequest {
        /// Why.
        message: String,
    },
    /// A certificate that somebody sent is not acceptable.
    #[error("the certificate is not acceptable: {message}")]
    Certificate {
        /// Why.
        message: String,
    },
    /// The machine's cryptography refused; its source of randomness is broken, for instance.
    #[error("cannot make {what}: {message}")]
    Crypto {
        /// A key or a certificate.
        what: &'static str,
        /// What the library said.
        message: String,
    },
}
