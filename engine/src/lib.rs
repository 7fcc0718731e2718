//! Inference: from a turn's request to its events.
//!
//! A [`backend::Backend`] runs one step over a batch; everything else is written once, here, for all backends.

pub mod backend;

pub mod checkpoint;
pub mod cpu;
pub mod gguf;

pub mod tokenizer;
pub mod vision;

pub mod channels;
pub mod detokenizer;
pub mod grammar;
pub mod stop;
pub mod template;

pub mod philox;
pub mod sampler;
pub mod validate;

pub mod prefix;
pub mod speculation;
pub mod tier;

pub mod scheduler;

pub mod embedding;
pub mod generation;
pub mod serve;

pub mod builtin;
