//! What every backend checks of a step before it computes: sizes, tokens, and that no two sequences write to one block.

use std::ops::Range;

use super::{BLOCK_TOKENS, BackendError, BackendShape, BlockId, SequenceStep};

/// Checks a step against the model's shape. Whether blocks were written before is the backend's own matter.
pub fn check_batch(sequences: &[SequenceStep<'_>], shape: BackendShape) -> Result<(), BackendError> {
    check_writers(sequences)?;
    sequences.iter().try_for_each(|sequence| check_sequence(sequence, shape))
}

fn check_sequence(sequence: &SequenceStep<'_>, shape: BackendShape) -> Result<(), BackendError> {
    let refuse = |message: String| Err(BackendError { message });
    if sequence.tokens.is_empty() {
        return refuse("a sequence without tokens".to_owned());
    }
    let end = sequence.position.saturating_add(sequence.tokens.len());
    if end > shape.context_tokens {
        return refuse(format!("{end} tokens in a sequence; the context holds {}", shape.context_tokens));
    }
    if sequence.logit_rows > sequence.tokens.len() {
        let (rows, tokens) = (sequence.logit_rows, sequence.tokens.len());
        return refuse(format!("{rows} rows of logits for {tokens} tokens"));
    }
    let needed = end.div_ceil(BLOCK_TOKENS);
    if sequence.blocks.len() < needed {
        return refuse(format!("{} KV blocks for {end} tokens, expected {needed}", sequence.blocks.len()));
    }
    if let Some(id) = sequence.blocks[..needed].iter().find(|id| id.0 as usize >= shape.kv_blocks) {
        return refuse(format!("KV block {} does not exist; there are {}", id.0, shape.kv_blocks));
    }
    check_pictures(sequence, shape)?;
    let is_shown = |position| sequence.pictures.iter().any(|picture| picture.positions().contains(&position));
    let mut tokens = (sequence.position..).zip(sequence.tokens);
    match tokens.find(|&(at, &token)| token as usize >= shape.vocabulary && !is_shown(at)) {
        Some((_, token)) => {
            refuse(format!("token {token} is not below the vocabulary's {}", shape.vocabulary))
        }
        None => Ok(()),
    }
}

/// Pictures are in order, end in this step, and have a row for each place.
fn check_pictures(sequence: &SequenceStep<'_>, shape: BackendShape) -> Result<(), BackendError> {
    let refuse = |message: String| Err(BackendError { message });
    let Some(first) = sequence.pictures.first() else { return Ok(()) };
    let Some(vision) = shape.vision else {
        return refuse(format!("a picture at {} for a model without eyes", first.position));
    };
    let end = sequence.position + sequence.tokens.len();
    let mut seen = 0;
    for picture in sequence.pictures {
        let Range { start, end: last } = picture.positions();
        if start < seen || last <= sequence.position || last > end {
            return refuse(format!("a picture from {start} to {last} in a step that ends at {end}"));
        }
        if picture.places != vision.places || picture.rows.len() != vision.places * vision.width {
            let (numbers, places) = (picture.rows.len(), picture.places);
            return refuse(format!("{numbers} numbers for {places} places, expected {vision:?}"));
        }
        seen = last;
    }
    Ok(())
}

/// Two sequences that write to the same block would race.
fn check_writers(sequences: &[SequenceStep<'_>]) -> Result<(), BackendError> {
    let mut written: Vec<_> = sequences.iter().flat_map(written_blocks).collect();
    written.sort_unstable();
    match written.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(BackendError { message: format!("KV block {} has two writers", pair[0].0) }),
        None => Ok(()),
    }
}

fn written_blocks<'a>(sequence: &SequenceStep<'a>) -> &'a [BlockId] {
    let end = sequence.position.saturating_add(sequence.tokens.len()).div_ceil(BLOCK_TOKENS);
    let end = end.min(sequence.blocks.len());
    &sequence.blocks[(sequence.position / BLOCK_TOKENS).min(end)..end]
}
