//! The serving half: turns in, events out, over a fake backend whose logits follow from the KV it was given.

mod fake;
mod fixture;
mod process;
mod resuming;
mod socket;
mod sprout;
mod turns;
