//! Anthropic's Messages API: a question with its whole conversation in, one message out.
//!
//! A request is checked ([`request`]), asked and answered ([`create`]), worded as Anthropic words it ([`events`],
//! [`message`]), refusals included ([`error`]); [`count`] counts the tokens of a prompt.
//!
//! A request is a turn by itself, which ends with the client. With an `Idempotency-Key` it is a turn of a session of its
//! own: it goes on without the client, the same request is answered with the same message, and its stream carries `id:`
//! lines, behind any of which `Last-Event-ID` goes on.
//!
//! Conversations are read in [`conversation`], tools and thinking in [`tools`].
//!
//! What differs from Anthropic's: thoughts have no signature and come back without one; the budget of thinking is not
//! looked at; a last message of the assistant is answered and not continued; tools are the client's own.

pub(crate) mod conversation;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod message;
pub(crate) mod request;
pub(crate) mod tools;
