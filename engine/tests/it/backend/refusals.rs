//! What the backend refuses instead of computing nonsense.

use pomona_engine::backend::{Backend, BackendError, BlockId, SequenceStep};
use pomona_engine::checkpoint::{Checkpoint, LoadError};
use pomona_engine::cpu::{CpuBackend, CpuOptions, budget, kv_bytes_per_block};

use super::support::{folder, load};

fn refusal(sequences: &[SequenceStep<'_>]) -> String {
    let BackendError { message } = load("llama", 1, None).step(sequences, &mut Vec::new()).unwrap_err();
    message
}

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
        (SequenceStep { tokens: &many[..40], blocks: &[BlockId(7), BlockId(7)], ..good }, "two writers"),
    ];
    for (sequence, reason) in cases {
        let message = refusal(&[sequence]);
        assert!(message.contains(reason), "{message:?} should mention {reason:?}");
    }
}

#[test]
fn two_sequences_may_not_write_to_one_block() {
    let step =
        SequenceStep { tokens: &[1], position: 0, blocks: &[BlockId(3)], pictures: &[], logit_rows: 1 };
    assert!(refusal(&[step, step]).contains("KV block 3 has two writers"));
}

#[test]
fn an_empty_step_gives_no_logits() {
    let mut logits = vec![1.0];
    load("llama", 2, None).step(&[], &mut logits).unwrap();
    assert!(logits.is_empty());
}

#[test]
fn what_does_not_fit_the_memory_is_refused_with_the_numbers() {
    let checkpoint = Checkpoint::open(&folder("llama")).unwrap();
    let fitting = budget(&checkpoint, 10, u64::MAX).unwrap();
    assert_eq!(fitting.kv_bytes, 10 * kv_bytes_per_block(&checkpoint.config));
    assert!(budget(&checkpoint, 10, fitting.total_bytes()).is_ok());
    let error = budget(&checkpoint, 10, fitting.total_bytes() - 1).unwrap_err();
    assert!(matches!(error, LoadError::Memory { weight_bytes, .. } if weight_bytes == fitting.weight_bytes));
    assert!(budget(&checkpoint, usize::MAX, u64::MAX - 1).is_err());
}

#[test]
fn options_out_of_range_are_refused() {
    let checkpoint = Checkpoint::open(&folder("llama")).unwrap();
    for (threads, kv_blocks) in [(1025, 1), (1, 0)] {
        let options = CpuOptions { threads, kv_blocks, ..CpuOptions::default() };
        let error = CpuBackend::load(&checkpoint, options).unwrap_err();
        assert!(matches!(error, LoadError::Option { .. }), "{error}");
    }
}

#[test]
fn progress_ends_at_the_total() {
    let checkpoint = Checkpoint::open(&folder("qwen2")).unwrap();
    let mut seen = Vec::new();
    let mut progress = |done, total| seen.push((done, total));
    let options =
        CpuOptions { threads: 1, kv_blocks: 1, progress: Some(&mut progress), ..CpuOptions::default() };
    CpuBackend::load(&checkpoint, options).unwrap();
    assert!(seen.is_sorted());
    let (done, total) = *seen.last().unwrap();
    assert_eq!(done, total);
}
