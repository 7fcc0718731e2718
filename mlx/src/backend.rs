//! The backend: checks a step, cuts it into passes, runs them, and hands out logits.
//!
//! Everything of MLX that it owns was made on the engine's thread and stays there: arrays that are not evaluated yet
//! and the streams that would evaluate them belong to a thread.

use std::fmt::{self, Debug, Formatter};
use std::time::Instant;

use mlx_rs::Array;
use mlx_rs::error::Exception;
use pomona_engine::backend::{Backend, BackendError, BackendShape, PictureRows, SequenceStep, check_batch};
use pomona_engine::checkpoint::{Checkpoint, DecoderConfig, LoadError};
use pomona_engine::vision::{Picture, Tower};

use crate::decoder::Decoder;
use crate::device;
use crate::kv::{KvLayout, KvMemory, failed};
use crate::machine::Watch;
use crate::pass::{Part, Pass};
use crate::weights::Progress;

/// Rows of one pass. Longer prompts run in several, so that what a pass needs besides weights stays small.
const PASS_ROWS_MAX: usize = 1024;

/// How to load the backend.
pub struct MlxOptions<'a> {
    /// KV blocks that there are, 1 to 2^32 - 1; each takes memory when it is first written.
    pub kv_blocks: usize,
    /// Told of bytes done and bytes in all while weights are read.
    pub progress: Progress<'a>,
}

/// A loaded model on MLX.
pub struct MlxBackend {
    config: DecoderConfig,
    decoder: Decoder,
    kv: KvMemory,
    watch: Watch,
    eyes: Option<Box<dyn Tower>>,
}

impl Debug for MlxBackend {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MlxBackend").field("config", &self.config).finish_non_exhaustive()
    }
}

impl MlxBackend {
    /// Reads the weights into memory of the device. Stays on the thread that calls this.
    pub fn load(checkpoint: &Checkpoint, options: MlxOptions<'_>) -> Result<MlxBackend, LoadError> {
        if options.kv_blocks == 0 || options.kv_blocks > u32::MAX as usize {
            let (found, expected) = (options.kv_blocks.to_string(), "1 to 2^32 - 1".to_owned());
            return Err(LoadError::Option { option: "kv_blocks", found, expected });
        }
        let dtype = device::compute_dtype(checkpoint)?;
        let config = checkpoint.config.clone();
        let decoder = Decoder::load(checkpoint, dtype, options.progress)?;
        let layout =
            KvLayout { layers: config.layers.len(), heads: config.kv_heads, width: config.head_width, dtype };
        let kv = KvMemory::new(layout, options.kv_blocks);
        Ok(MlxBackend { config, decoder, kv, watch: Watch::new(), eyes: None })
    }

    /// Lets it see.
    pub fn with_eyes(self, eyes: Box<dyn Tower>) -> MlxBackend {
        MlxBackend { eyes: Some(eyes), ..self }
    }

    /// Runs the pieces of one pass and appends their logits.
    fn pass(
        &mut self,
        sequences: &[SequenceStep<'_>],
        pieces: &[Piece],
        logits: &mut Vec<f32>,
    ) -> Result<(), BackendError> {
        self.kv.begin_pass();
        let (mut tokens, mut positions, mut parts, mut wanted) = (vec![], vec![], vec![], vec![]);
        for piece in pieces {
            let sequence = &sequences[piece.sequence];
            let position = sequence.position + piece.from;
            let end = sequence.position + piece.to;
            let line = self.kv.acquire(sequence.blocks, position, end)?;
            let first = tokens.len();
            // Places of pictures are no tokens; what stands there is put into the stream afterwards.
            let known = |&token: &u32| if (token as usize) < self.config.vocabulary { token } else { 0 };
            tokens.extend(sequence.tokens[piece.from..piece.to].iter().map(known));
            positions.extend(position as i32..end as i32);
            let seen = |picture: &&PictureRows<'_>| {
                picture.positions().start < end && picture.positions().end > position
            };
            let pictures = sequence.pictures.iter().filter(seen).copied().collect();
            parts.push(Part { rows: first..tokens.len(), position, line, pictures });
            let first_wanted = sequence.tokens.len() - sequence.logit_rows;
            let rows = first_wanted.max(piece.from)..piece.to;
            wanted.extend(rows.map(|row| (first + row - piece.from) as u32));
        }
        self.compute(&tokens, &positions, &parts, &wanted, logits).map_err(failed)
    }

    fn compute(
        &mut self,
        tokens: &[u32],
        positions: &[i32],
        parts: &[Part<'_>],
        wanted: &[u32],
        logits: &mut Vec<f32>,
    ) -> Result<(), Exception> {
        let column = [tokens.len() as i32];
        let positions = Array::from_slice(positions, &column);
        let pass = Pass::new(&self.config, &self.decoder, parts, positions);
        let stream = pass.run(&Array::from_slice(tokens, &column), &mut self.kv)?;
        let mut results = Vec::new();
        for part in parts {
            self.kv.complete(part.line, part.end(), &mut results)?;
        }
        if !wanted.is_empty() {
            let wanted = Array::from_slice(wanted, &[wanted.len() as i32]);
            results.push(pass.logits(&stream, &wanted)?);
        }
        let lines: Vec<_> = parts.iter().map(|part| part.line).collect();
        mlx_rs::transforms::eval(results.iter().chain(self.kv.arrays(&lines)))?;
        if let Some(rows) = results.last().filter(|_| !wanted.is_empty()) {
            let rows = rows.try_as_slice::<f32>().map_err(|error| Exception::custom(error.to_string()))?;
            logits.extend_from_slice(rows);
        }
        Ok(())
    }
}

impl Backend for MlxBackend {
    fn shape(&self) -> BackendShape {
        BackendShape {
            vocabulary: self.config.vocabulary,
            context_tokens: self.config.context_tokens,
            kv_blocks: self.kv.blocks_max(),
            vision: self.eyes.as_ref().map(|eyes| eyes.shape()),
        }
    }

    fn step(&mut self, sequences: &[SequenceStep<'_>], logits: &mut Vec<f32>) -> Result<(), BackendError> {
        logits.clear();
        self.watch.look(Instant::now());
        check_batch(sequences, self.shape())?;
        for pieces in passes(sequences, &self.kv) {
            self.pass(sequences, &pieces, logits)?;
        }
        Ok(())
    }

    fn look(&mut self, picture: &Picture) -> Result<Vec<f32>, BackendError> {
        match &mut self.eyes {
            Some(eyes) => eyes.look(picture),
            None => Err(BackendError { message: "the model has no eyes".to_owned() }),
        }
    }
}

/// Some of the tokens of one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    sequence: usize,
    from: usize,
    to: usize,
}

/// Cuts a step where a pass would get too long, or its lines would need more memory than there is.
fn passes(sequences: &[SequenceStep<'_>], kv: &KvMemory) -> Vec<Vec<Piece>> {
    let mut passes: Vec<Vec<Piece>> = Vec::new();
    let (mut rows, mut line_tokens) = (PASS_ROWS_MAX, 0);
    for (sequence, step) in sequences.iter().enumerate() {
        let mut from = 0;
        while from < step.tokens.len() {
            let capacity = kv.capacity_for(step.position + step.tokens.len());
            if rows >= PASS_ROWS_MAX || line_tokens + capacity > kv.line_tokens_max() {
                passes.push(Vec::new());
                (rows, line_tokens) = (0, 0);
            }
            let to = uncut(step, from, step.tokens.len().min(from + PASS_ROWS_MAX - rows));
            let pass = passes.last_mut().expect("invariant: the first round begins a pass");
            pass.push(Piece { sequence, from, to });
            rows += to - from;
            line_tokens += capacity;
            from = to;
        }
    }
    passes
}

/// The end of a piece, moved out of a picture if it lies in one: all places of a picture see each other, so they are
/// computed in one pass.
fn uncut(step: &SequenceStep<'_>, from: usize, to: usize) -> usize {
    let in_step = |position: usize| position.saturating_sub(step.position);
    let cut = step.pictures.iter().find_map(|picture| {
        let (start, end) = (in_step(picture.positions().start), in_step(picture.positions().end));
        (start < to && to < end).then_some(if start > from { start } else { end })
    });
    cut.unwrap_or(to)
}
