//! Load as people and programs make it, through the gateway's public API alone, and an honest account of what it met.
//!
//! A [`plan`] is written before the run from a seed; the run turns each planned request into a [`record`]; the
//! [`report`] is computed from the plan and the records, and everything that is printed, drawn or compared is read from
//! it: [`words`] in a terminal, [`html`] as a page, [`csv`] and [`junit`] for programs. `pomona loadtest` is the command;
//! nothing here knows the insides of a gateway or a node.

pub mod plan;
pub mod record;
pub mod report;

pub mod load;

pub mod arrival;

mod arrival_text;

pub mod lengths;

pub mod mix;

pub mod trace;

mod random;

pub mod run;

pub mod figures;

pub mod slo;

pub mod verdict;

pub mod sweep;

pub mod find;

pub mod compare;

pub mod soak;

pub mod shares;

mod statistics;

pub mod csv;
pub mod html;
pub mod junit;
mod markup;
pub mod words;
