//! Engines of the whole fleet, by their last reports: steps, batches, KV, prefix cache, guesses.

use super::buckets::STEP_SECONDS;
use super::{Area, MODEL, NODE, counter, gauge, histogram};

pub(super) const AREA: Area = Area {
    title: "Engines",
    rows: &[
        histogram(
            "pomona_engine_step_seconds",
            STEP_SECONDS,
            &[MODEL, NODE],
            "Seconds of one engine step, prefill included.",
        ),
        counter(
            "pomona_engine_step_sequences_total",
            &[MODEL, NODE],
            "Sequences in the batches of all steps; by the number of steps, the mean batch.",
        ),
        gauge("pomona_engine_sequences", &[MODEL, NODE], "Sequences in the batch of an engine."),
        gauge(
            "pomona_engine_turns_waiting",
            &[MODEL, NODE],
            "Turns that wait inside an engine for a place in its batch.",
        ),
        gauge(
            "pomona_engine_kv_blocks_used",
            &[MODEL, NODE],
            "KV blocks that sequences or the prefix tree hold.",
        ),
        gauge(
            "pomona_engine_kv_blocks_held",
            &[MODEL, NODE],
            "KV blocks that sequences hold; the rest of those in use is cache and makes room when it is needed.",
        ),
        gauge("pomona_engine_kv_blocks", &[MODEL, NODE], "KV blocks of an engine in all."),
        counter(
            "pomona_engine_generated_tokens_total",
            &[MODEL, NODE],
            "Tokens that an engine made, those of running turns included.",
        ),
        counter(
            "pomona_prefix_queried_tokens_total",
            &[MODEL, NODE],
            "Prompt tokens that were looked up in the prefix tree.",
        ),
        counter(
            "pomona_prefix_hit_tokens_total",
            &[MODEL, NODE],
            "Prompt tokens that were found in the prefix tree, restored ones included.",
        ),
        counter(
            "pomona_prefix_restored_tokens_total",
            &[MODEL, NODE],
            "Prompt tokens whose KV came back from disk.",
        ),
        counter(
            "pomona_prefix_evicted_blocks_total",
            &[MODEL, NODE],
            "KV blocks that left the prefix tree to make room.",
        ),
        gauge("pomona_prefix_disk_bytes", &[MODEL, NODE], "Bytes of KV of a model that are on disk."),
        counter(
            "pomona_prefix_disk_evicted_files_total",
            &[MODEL, NODE],
            "Files of KV on disk that were removed to make room.",
        ),
        counter(
            "pomona_prefix_disk_broken_files_total",
            &[MODEL, NODE],
            "Files of KV on disk that were damaged, and were removed.",
        ),
        counter(
            "pomona_speculation_drafted_tokens_total",
            &[MODEL, NODE],
            "Tokens that were guessed and computed ahead.",
        ),
        counter(
            "pomona_speculation_accepted_tokens_total",
            &[MODEL, NODE],
            "Tokens that were guessed right; they are among the generated.",
        ),
    ],
};
