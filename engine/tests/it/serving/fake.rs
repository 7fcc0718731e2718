//! A backend without a model. It stores token ids where a real one stores KV and computes logits from the
//! whole history that a block table leads to, so a wrong table gives other logits, or an error.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pomona_engine::backend::{BLOCK_TOKENS, Backend, BackendError, BackendShape, SequenceStep};

use super::fixture::{EOS, LIKELY_BYTES, VOCABULARY};

/// A prompt that holds this id makes the fake misbehave as told.
pub(crate) const CURSED: u32 = b'!' as u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curse {
    None,
    NotANumber,
    Error,
    Panic,
}

/// How far back an echo comes from.
pub(crate) const ECHO_TOKENS: usize = 9;

pub(crate) struct FakeBackend {
    pub(crate) shape: BackendShape,
    pub(crate) blocks: Vec<Vec<u32>>,
    /// How long a step takes.
    pub(crate) pace: Duration,
    pub(crate) curse: Curse,
    /// Added to the logit of the end-of-text token.
    pub(crate) eos_bias: f32,
    /// Added to the logit of the token that stood [`ECHO_TOKENS`] before.
    pub(crate) echo: f32,
    pub(crate) tokens_computed: Arc<AtomicU64>,
}

impl FakeBackend {
    pub(crate) fn new(kv_blocks: usize) -> Self {
        Self {
            shape: BackendShape { vocabulary: VOCABULARY, context_tokens: 512, kv_blocks, vision: None },
            blocks: vec![Vec::new(); kv_blocks],
            pace: Duration::ZERO,
            curse: Curse::None,
            eos_bias: -100.0,
            echo: 0.0,
            tokens_computed: Arc::default(),
        }
    }

    fn store(&mut self, step: &SequenceStep<'_>) -> Result<(), BackendError> {
        for (offset, token) in step.tokens.iter().enumerate() {
            let position = step.position + offset;
            let block = step.blocks[position / BLOCK_TOKENS].0 as usize;
            let place = position % BLOCK_TOKENS;
            let stored = &mut self.blocks[block];
            if place == 0 {
                stored.clear();
            }
            if stored.len() < place {
                let message = format!("block {block} has {} tokens and {place} were expected", stored.len());
                return Err(BackendError { message });
            }
            // What is behind was a guess that did not come true.
            stored.truncate(place);
            stored.push(*token);
        }
        Ok(())
    }

    fn history(&self, step: &SequenceStep<'_>) -> Vec<u32> {
        let tokens = step.position + step.tokens.len();
        // A block may be longer than its sequence knows: by guesses that did not come true.
        let stored = step.blocks.iter().flat_map(|block| &self.blocks[block.0 as usize]);
        stored.take(tokens).copied().collect()
    }

    fn row(&self, history: &[u32]) -> Vec<f32> {
        let mut hasher = DefaultHasher::new();
        history.hash(&mut hasher);
        let key = hasher.finish();
        let echoed = history.len().checked_sub(ECHO_TOKENS).map(|place| u64::from(history[place]));
        (0..VOCABULARY as u64)
            .map(|id| {
                let mut mixed =
                    (key ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed ^= mixed >> 31;
                let noise = (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f32 / (1u64 << 24) as f32;
                let likely = if LIKELY_BYTES.contains(&(id as u8)) && id < 256 { 6.0 } else { 0.0 };
                let echo = if echoed == Some(id) { self.echo } else { 0.0 };
                noise * 4.0 + likely + echo + if id == u64::from(EOS) { self.eos_bias } else { 0.0 }
            })
            .collect()
    }
}

impl Backend for FakeBackend {
    fn shape(&self) -> BackendShape {
        self.shape
    }

    fn step(&mut self, sequences: &[SequenceStep<'_>], logits: &mut Vec<f32>) -> Result<(), BackendError> {
        std::thread::sleep(self.pace);
        logits.clear();
        for step in sequences {
            assert!(!step.tokens.is_empty());
            self.store(step)?;
            self.tokens_computed.fetch_add(step.tokens.len() as u64, Ordering::Relaxed);
        }
        for step in sequences {
            let history = self.history(step);
            assert_eq!(history.len(), step.position + step.tokens.len(), "a table has a hole");
            if step.logit_rows == 0 {
                continue;
            }
            let is_cursed = history.contains(&CURSED);
            for end in history.len() + 1 - step.logit_rows..=history.len() {
                match self.curse {
                    Curse::NotANumber if is_cursed => logits.extend([f32::NAN; VOCABULARY]),
                    Curse::Error if is_cursed => {
                        return Err(BackendError { message: "out of luck".to_owned() });
                    }
                    Curse::Panic if is_cursed => panic!("out of luck"),
                    _ => logits.extend(self.row(&history[..end])),
                }
            }
        }
        Ok(())
    }
}
