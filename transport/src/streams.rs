//! Streams of a link: their types, what matters more than what, and the numbers that say why one was cut off.

use quinn::VarInt;

/// What is written. Implements tokio's `AsyncWrite`; dropping it finishes the stream.
pub type SendStream = quinn::SendStream;
/// What is read. Implements tokio's `AsyncRead`; dropping it tells the other side to stop.
pub type RecvStream = quinn::RecvStream;
/// A connection that is no link: a first contact, or a client's HTTP/3.
pub type Connection = quinn::Connection;
/// A number that says why a stream or a connection ended.
pub type Code = VarInt;

/// Control messages overtake everything: they are few, small and decide about the rest.
pub const PRIORITY_CONTROL: i32 = 10;
/// Turns: people are waiting.
pub const PRIORITY_TURN: i32 = 0;
/// Weights take what is left.
pub const PRIORITY_BULK: i32 = -10;

/// Nobody wants the rest: the client left, or the turn moved.
pub const CANCELLED: Code = VarInt::from_u32(1);
/// No such turn here.
pub const UNKNOWN_TURN: Code = VarInt::from_u32(2);
/// The opener may not open this; a node does not open turns, for instance.
pub const NOT_ALLOWED: Code = VarInt::from_u32(3);
/// A frame is over its limit.
pub const OVER_LIMIT: Code = VarInt::from_u32(4);
/// A frame does not decode, or comes out of order.
pub const MALFORMED: Code = VarInt::from_u32(5);
/// A newer attempt took over.
pub const SUPERSEDED: Code = VarInt::from_u32(6);
/// The side that cuts off is going down.
pub const SHUTTING_DOWN: Code = VarInt::from_u32(7);
/// A deadline passed.
pub const TOO_LATE: Code = VarInt::from_u32(8);

/// Why a connection was closed; told to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// Nobody holds it any more; also what a lost race looks like.
    Dropped,
    /// The process goes down.
    Shutdown,
    /// The member was removed.
    Revoked,
    /// A member link without a certificate.
    NoCertificate,
    /// The greeting was none.
    Greeting,
    /// The greeting was understood and refused.
    Refused,
    /// Another connection of the same two took over.
    Superseded,
    /// The greeting took too long.
    TooLate,
    /// The owner had a reason; it stands in the text.
    Other,
}

impl CloseCode {
    pub(crate) fn code(self) -> Code {
        VarInt::from_u32(match self {
            CloseCode::Dropped => 0,
            CloseCode::Shutdown => 1,
            CloseCode::Revoked => 2,
            CloseCode::NoCertificate => 3,
            CloseCode::Greeting => 4,
            CloseCode::Refused => 5,
            CloseCode::Superseded => 6,
            CloseCode::TooLate => 7,
            CloseCode::Other => 8,
        })
    }

    pub(crate) fn from_code(code: Code) -> Self {
        match code.into_inner() {
            0 => CloseCode::Dropped,
            1 => CloseCode::Shutdown,
            2 => CloseCode::Revoked,
            3 => CloseCode::NoCertificate,
            4 => CloseCode::Greeting,
            5 => CloseCode::Refused,
            6 => CloseCode::Superseded,
            7 => CloseCode::TooLate,
            _ => CloseCode::Other,
        }
    }
}
