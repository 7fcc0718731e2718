//! The decisions of Pomona, pure: what a turn does next, who is admitted, which replica answers, when a child
//! is restarted, when an engine counts as stuck.
//!
//! Nothing here knows a clock, a socket or randomness: time and seeds come in as arguments, effects go out as
//! data. Each machine has the face `handle(input, now) -> effects`; the actors around them decide nothing.

pub mod turn;

pub mod ledger;

pub mod admission;

pub mod routing;

pub mod health;

pub mod restart;
