//! OpenAI's Responses API on sessions: a response is a turn, a chain of `previous_response_id` is a branch of a session.
//!
//! A request is checked ([`request`], [`input`]), asked and answered ([`create`]); what it says is made of the events of
//! its turn alone ([`object`], [`sequence`]), so a stream can be had again from any of its numbers ([`stored`]).
//!
//! What differs from OpenAI's: every stored response can be streamed again and cancelled, not those in the background
//! alone; a response that is one of several of a conversation cannot be deleted by itself; a follow-up to a response
//! that is not complete yet waits for it.

pub(crate) mod asked_form;
pub(crate) mod create;
pub(crate) mod input;
pub(crate) mod listed;
pub(crate) mod object;
pub(crate) mod output;
pub(crate) mod request;
pub(crate) mod sequence;
pub(crate) mod stored;
