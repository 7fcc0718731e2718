//! What the backend refuses instead of computing nonsense.

use pomona_engine::backend::{Backend, BackendError, BlockId, SequenceStep};
use pomona_engine::checkpoint::{Checkpoint, LoadError};
use pomona_mlx::{MlxBackend, MlxOptions};

use super::support::{folder, load};

#[test]
fn a_bad_sequence_is_refused_with_a_reason() {
    let blocks = [BlockId(0), BlockId(1)];
    let good = SequenceStep { tokens: &[1, 2], position: 0, blocks: &blocks, pictures: &[], logit_rows: 1 };
    let many = [1; 65];
    let cases = [
        (SequenceStep { tokens: &[], ..good }, "without tokens"),
        (SequenceStep { tokens: &[1, 192], ..good }, "token 192"),
        (SequenceStep { position: 255, ..good }, "context"),
        (SequenceStep { position: usize::MAX, ..good }, "context"),
        (SequenceStep { tokens: &many, ..good }, "expected 3"),
        (SequenceStep { blocks: &[BlockId(64)], ..good }, "does not exist"),
        (SequenceStep { position: 32, ..good }, "never written"),
        (SequenceStep { logit_rows: 3, ..good }, "3 rows of logits for 2 tokens"),
        (SequenceStep { tokens: &many[..40], blocks: &[BlockId(7), BlockId(7)], ..good }, "two writers"),
    ];
    for (sequence, reason) in cases {
        let BackendError { message } = load("llama").step(&[sequence], &mut Vec::new()).unwrap_err();
        assert!(message.contains(reason), "{message:?} should mention {reason:?}");
    }
}

#[test]
fn an_empty_step_gives_no_logits() {
    let mut logits = vec![1.0];
    load("llama").step(&[], &mut logits).unwrap();
    assert!(logits.is_empty());
}

#[test]
fn no_blocks_at_all_are_refused() {
    let checkpoint = Checkpoint::open(&folder("llama")).unwrap();
    let error =
        MlxBackend::load(&checkpoint, MlxOptions { kv_blocks: 0, progress: &mut |_, _| {} }).unwrap_err();
    assert!(matches!(error, LoadError::Option { option: "kv_blocks", .. }), "{error}");
}

#[test]
fn progress_ends_at_the_total() {
    let checkpoint = Checkpoint::open(&folder("qwen2")).unwrap();
    let mut seen = Vec::new();
    let mut progress = |done, total| seen.push((done, total));
    MlxBackend::load(&checkpoint, MlxOptions { kv_blocks: 1, progress: &mut progress }).unwrap();
    assert!(seen.is_sorted());
    let (done, total) = *seen.last().unwrap();
    assert_eq!(done, total);
}
