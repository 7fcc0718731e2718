//! The CPU backend on tiny checkpoints of every family.

mod invariance;
mod reference;
mod refusals;
pub(crate) mod support;
mod variants;
