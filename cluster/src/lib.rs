//! The decisions of Pomona, pure: what a turn does next, who is a member and alive, who is admitted, which
//! replica answers, where models are loaded, when a child is restarted, when an engine counts as stuck.
//!
//! Nothing here knows a clock, a socket or randomness: time and seeds come in as arguments, effects go out as
//! data. Each machine has the face `handle(input, now) -> effects`; the actors around them decide nothing.

pub mod turn;

pub mod ledger;

pub mod membership;

mod membership_words;

mod membership_member;

pub mod admission;

mod admission_words;

mod admission_book;

mod admission_queue;

pub mod routing;

pub mod affinity;

pub mod placement;

mod placement_words;

pub mod health;

pub mod restart;
pub mod retention;

pub mod path;

pub mod rendezvous;

pub mod session;

mod session_words;

mod session_state;

mod session_record;

mod session_commands;

mod session_accept;

mod session_import;

mod session_turns;

mod session_prompt;

mod session_view;

pub mod fleet_watch;

mod fleet_turns;

pub mod fleet_rates;

pub mod notices;

mod notice_rules;

pub mod downloads;

pub mod log_query;
