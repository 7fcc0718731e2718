//! The serving half: turns in, events out, over a fake backend whose logits follow from the KV it was given.

mod fake;
pub(crate) mod fixture;
mod forms;
mod guessing;
mod isolation;
mod keeping;
mod killing;
mod process;
mod resuming;
mod socket;
mod sprout;
mod turns;
