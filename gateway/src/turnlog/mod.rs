//! One turn on its way to a client that speaks of answers and not of sessions: the Responses and the Messages API.
//!
//! A turn is asked in a session ([`lasting`]) or by itself ([`passing`]); either way it is followed as the events of a
//! log ([`source`]), which a dialect writes into a body ([`body`]). Who leaves takes their turn along ([`leaving`]).

pub(crate) mod blocks;
pub(crate) mod body;
pub(crate) mod lasting;
pub(crate) mod leaving;
pub(crate) mod passing;
pub(crate) mod source;
#[cfg(test)]
pub(crate) mod testing;
