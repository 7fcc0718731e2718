//! How a connection of a client ends before its time.

/// Why a connection is no longer served.
#[derive(Debug, thiserror::Error)]
pub enum Http3Error {
    /// The client closed it, vanished or broke the rules.
    #[error("the HTTP/3 connection ended: {0}")]
    Connection(#[from] h3::error::ConnectionError),
}

impl Http3Error {
    /// Whether the client simply left.
    pub fn is_close(&self) -> bool {
        let Http3Error::Connection(error) = self;
        error.is_h3_no_error()
    }
}
