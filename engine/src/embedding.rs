//! Embeddings: from texts to vectors.
//!
//! A model of this kind is no [`Backend`](crate::backend::Backend): it reads each text once and whole, keeps no KV and
//! generates nothing. An [`Encoder`] gives the hidden state behind each token; what becomes of them is said by the
//! folder ([`Pooling`]); [`EmbeddingQueue`] batches the turns of an engine.

mod folder;
mod pooling;
mod queue;

use crate::backend::BackendError;

pub use pooling::Pooling;
pub use queue::EmbeddingQueue;

/// What an encoder says of its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderShape {
    /// Token ids are below this.
    pub vocabulary: usize,
    /// Most tokens in a text, special ones included.
    pub context_tokens: usize,
    /// Numbers behind a token.
    pub width: usize,
}

/// Computes hidden states. Lives on one thread, which may use others.
pub trait Encoder {
    /// Fixed facts about the model.
    fn shape(&self) -> EncoderShape;

    /// Reads whole texts. `hidden` is cleared and receives `width` numbers per token, text after text.
    ///
    /// The same bits come out for a text whatever else is read with it.
    fn encode(&mut self, texts: &[&[u32]], hidden: &mut Vec<f32>) -> Result<(), BackendError>;
}
