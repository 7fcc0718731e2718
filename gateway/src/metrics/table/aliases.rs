//! vLLM's names for what is measured here under our own, so that dashboards and autoscalers made for it work. The same
//! numbers, written a second time; buckets are ours. `model_name` is our `model`.

use super::Kind::{self, Counter, Gauge};

/// A second name.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// vLLM's name.
    pub name: &'static str,
    /// What it does over time; of histograms, the row says the buckets.
    pub kind: Kind,
    /// The row of the table that it repeats, or the rows that it is computed from.
    pub of: &'static str,
    /// vLLM's meaning, where ours is another.
    pub help: &'static str,
}

const fn histogram(name: &'static str, of: &'static str, help: &'static str) -> Alias {
    Alias { name, kind: Kind::Histogram(&[]), of, help }
}

const fn counter(name: &'static str, of: &'static str, help: &'static str) -> Alias {
    Alias { name, kind: Counter, of, help }
}

const fn gauge(name: &'static str, of: &'static str, help: &'static str) -> Alias {
    Alias { name, kind: Gauge, of, help }
}

/// Every alias.
pub const ALIASES: &[Alias] = &[
    gauge(
        "vllm:num_requests_running",
        "pomona_engine_sequences",
        "Sequences in the batches of all replicas.",
    ),
    gauge(
        "vllm:num_requests_waiting",
        "pomona_engine_turns_waiting",
        "Turns that wait inside engines; those that wait at the gateway are in pomona_turns_queued.",
    ),
    gauge(
        "vllm:kv_cache_usage_perc",
        "pomona_engine_kv_blocks_held / pomona_engine_kv_blocks",
        "Share of KV blocks that sequences hold over all replicas, 0 to 1; cached ones are free.",
    ),
    counter(
        "vllm:prefix_cache_queries_total",
        "pomona_prefix_queried_tokens_total",
        "Prompt tokens looked up.",
    ),
    counter("vllm:prefix_cache_hits_total", "pomona_prefix_hit_tokens_total", "Prompt tokens found."),
    counter(
        "vllm:spec_decode_num_draft_tokens_total",
        "pomona_speculation_drafted_tokens_total",
        "Tokens guessed ahead.",
    ),
    counter(
        "vllm:spec_decode_num_accepted_tokens_total",
        "pomona_speculation_accepted_tokens_total",
        "Tokens guessed right.",
    ),
    counter("vllm:prompt_tokens_total", "pomona_prompt_tokens_total", "Prompt tokens of ended turns."),
    counter("vllm:generation_tokens_total", "pomona_generated_tokens_total", "Answer tokens of ended turns."),
    counter(
        "vllm:request_success_total",
        "pomona_turns_ended_total",
        "Turns ended, by finished_reason: stop, length, or abort for everything else.",
    ),
    histogram(
        "vllm:time_to_first_token_seconds",
        "pomona_time_to_first_token_seconds",
        "Seconds to the first token, the gateway's queue included.",
    ),
    histogram(
        "vllm:inter_token_latency_seconds",
        "pomona_inter_token_seconds",
        "Seconds between tokens, at the gateway.",
    ),
    histogram(
        "vllm:e2e_request_latency_seconds",
        "pomona_turn_duration_seconds",
        "Seconds from acceptance to the end.",
    ),
    histogram(
        "vllm:request_queue_time_seconds",
        "pomona_queue_wait_seconds",
        "Seconds in the gateway's queue.",
    ),
    histogram(
        "vllm:request_prefill_time_seconds",
        "pomona_prefill_seconds",
        "Seconds from the place at a replica to the first token.",
    ),
    histogram(
        "vllm:request_decode_time_seconds",
        "pomona_decode_seconds",
        "Seconds from the first token to the last.",
    ),
    histogram("vllm:request_prompt_tokens", "pomona_turn_prompt_tokens", "Prompt tokens of one turn."),
    histogram("vllm:request_generation_tokens", "pomona_turn_answer_tokens", "Answer tokens of one turn."),
];
