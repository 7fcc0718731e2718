//! Inference: from a turn's request to its events.
//!
//! A [`backend::Backend`] runs one step over a batch; everything else is written once, here, for all backends.

pub mod backend;

pub mod checkpoint;
pub mod cpu;

pub mod tokenizer;

pub mod detokenizer;
pub mod stop;
pub mod template;

pub mod philox;
pub mod sampler;
pub mod validate;

pub mod prefix;
pub mod scheduler;

pub mod generation;
pub mod serve;

pub mod builtin;
