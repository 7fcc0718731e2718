//! Turns as the gateway sees them: queue, tokens, ends, moves.

use super::buckets::{FAILOVER_SECONDS, GAP_SECONDS, TOKENS, TURN_SECONDS, WAIT_SECONDS};
use super::values::{CAUSES, OUTCOMES};
use super::{Area, MODEL, counter, gauge, histogram, label};

pub(super) const AREA: Area = Area {
    title: "Turns",
    rows: &[
        gauge("pomona_turns_active", &[], "Turns accepted and not ended, waiting ones included."),
        gauge(
            "pomona_turns_queued",
            &[],
            "Turns that wait at the gateway; those waiting inside an engine are not counted.",
        ),
        histogram(
            "pomona_queue_wait_seconds",
            WAIT_SECONDS,
            &[MODEL],
            "Seconds from acceptance of a turn, or from the loss of its replica, to its place at one. Turns that never got one are not counted.",
        ),
        histogram(
            "pomona_time_to_first_token_seconds",
            WAIT_SECONDS,
            &[MODEL],
            "Seconds from acceptance of a turn to its first token at the gateway; the way to the client is not counted.",
        ),
        histogram(
            "pomona_inter_token_seconds",
            GAP_SECONDS,
            &[MODEL],
            "Seconds between two events with tokens of one turn, at the gateway; an event mostly holds one token.",
        ),
        histogram(
            "pomona_prefill_seconds",
            WAIT_SECONDS,
            &[MODEL],
            "Seconds from a turn's first place at a replica to its first token, the queue of the engine included.",
        ),
        histogram(
            "pomona_decode_seconds",
            TURN_SECONDS,
            &[MODEL],
            "Seconds from a turn's first token to its last one.",
        ),
        histogram(
            "pomona_turn_duration_seconds",
            TURN_SECONDS,
            &[MODEL],
            "Seconds from acceptance of a turn to its terminal event.",
        ),
        counter(
            "pomona_turns_ended_total",
            &[label("outcome", OUTCOMES)],
            "Turns ended, by outcome: a finish reason or the code of a cause. Requests refused before a turn was accepted are not counted.",
        ),
        histogram("pomona_turn_prompt_tokens", TOKENS, &[MODEL], "Prompt tokens of one turn that ended."),
        histogram("pomona_turn_answer_tokens", TOKENS, &[MODEL], "Answer tokens of one turn that ended."),
        counter(
            "pomona_prompt_tokens_total",
            &[MODEL],
            "Prompt tokens of ended turns, cached ones included.",
        ),
        counter(
            "pomona_cached_tokens_total",
            &[MODEL],
            "Prompt tokens of ended turns that were found in the prefix tree.",
        ),
        counter(
            "pomona_generated_tokens_total",
            &[MODEL],
            "Answer tokens of ended turns; tokens of running turns are not counted yet.",
        ),
        counter(
            "pomona_accepted_tokens_total",
            &[MODEL],
            "Answer tokens of ended turns that were guessed from the text before; of a turn that moved, those of its last engine.",
        ),
        counter(
            "pomona_turn_retries_total",
            &[label("cause", CAUSES)],
            "Tries of turns after the first, by the cause that made them needed.",
        ),
        counter(
            "pomona_turn_resumed_tokens_total",
            &[],
            "Tokens that were shown already when a turn was tried again, and were kept.",
        ),
        counter(
            "pomona_failovers_total",
            &[label("cause", CAUSES)],
            "Turns that lost their replica and showed a further token from another one, by the cause of the loss.",
        ),
        histogram(
            "pomona_failover_gap_seconds",
            FAILOVER_SECONDS,
            &[],
            "Seconds from the moment at which the loss of a replica was noticed to the turn's next token; the time that noticing took is not counted.",
        ),
    ],
};
