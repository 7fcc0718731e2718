//! Load as people and programs make it, through the gateway's public API alone, and an honest account of what it met.
//!
//! A [`plan`] is written before the run from a seed; the run turns each planned request into a [`record`]; the
//! [`report`] is computed from the plan and the records, and everything that is printed, drawn or compared is read from
//! it. `pomona loadtest` is the command; nothing here knows the insides of a gateway or a node.

pub mod plan;
pub mod record;
pub mod report;
