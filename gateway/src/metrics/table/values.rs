//! Values of labels. Each list ends with the word for whatever is not on it.

/// Stands for a value that is not in the table.
pub(in crate::metrics) const OTHER: &str = "other";

/// Codes of the causes of a turn's end or move; a test holds them to `Cause::code`.
pub(super) const CAUSES: &[&str] = &[
    "model_not_found",
    "invalid_request",
    "context_length_exceeded",
    "chat_template_failed",
    "overloaded",
    "deadline_exceeded",
    "model_unavailable",
    "engine_lost",
    "engine_stalled",
    "link_lost",
    "node_suspect",
    "node_draining",
    "turn_not_held",
    "node_not_found",
    "not_a_host",
    "not_the_authority",
    "protocol_error",
    "attempts_exhausted",
    "kv_exhausted",
    "shutting_down",
    "internal_error",
    "cancelled",
    OTHER,
];
/// How a turn can end: well in two ways, or for one of the causes.
pub(super) const OUTCOMES: &[&str] = &outcomes();

const fn outcomes() -> [&'static str; CAUSES.len() + 2] {
    let mut outcomes = ["stop"; CAUSES.len() + 2];
    outcomes[1] = "length";
    let mut index = 0;
    while index < CAUSES.len() {
        outcomes[index + 2] = CAUSES[index];
        index += 1;
    }
    outcomes
}

/// How an answer can end, in vLLM's words: `abort` is everything but the first two.
pub(in crate::metrics) const FINISH_REASONS: &[&str] = &["stop", "length", "abort"];
/// Why a child is restarted.
pub(super) const RESTART_CAUSES: &[&str] = &[
    "engine_lost",
    "engine_stalled",
    "protocol_error",
    "model_unavailable",
    "internal_error",
    "actor_failed",
    OTHER,
];
/// Why a request was refused: codes of errors, as clients read them.
pub(super) const REFUSALS: &[&str] = &[
    "invalid_request",
    "invalid_api_key",
    "overloaded",
    "method_not_allowed",
    "route_not_found",
    "host_not_allowed",
    "origin_not_allowed",
    "body_timeout",
    "body_too_large",
    "body_incomplete",
    "unsupported_media_type",
    "invalid_image",
    "model_not_found",
    "context_length_exceeded",
    "chat_template_failed",
    "deadline_exceeded",
    "model_unavailable",
    "engine_lost",
    "engine_stalled",
    "link_lost",
    "attempts_exhausted",
    "kv_exhausted",
    "node_not_found",
    "not_a_host",
    "not_the_authority",
    "token_not_found",
    "session_not_found",
    "session_forbidden",
    "session_conflict",
    "session_queue_full",
    "session_limit",
    "session_moved",
    "turn_not_found",
    "idempotency_mismatch",
    "cursor_ahead",
    "cursor_gone",
    "store_full",
    "store_failed",
    "response_not_found",
    "response_not_complete",
    "not_ready",
    "shutting_down",
    "cancelled",
    "internal_error",
    OTHER,
];
/// How a handshake can end.
pub(super) const HANDSHAKES: &[&str] = &["done", "too_slow", "plain_http", "acme", "failed"];
/// Status codes; what is not among them counts as `other`.
pub(in crate::metrics) const CODES: &[&str] = &[
    "200", "101", "201", "202", "204", "301", "304", "400", "401", "403", "404", "405", "408", "409", "410",
    "413", "415", "422", "429", "431", "499", "500", "501", "502", "503", "504", "507", "529", OTHER,
];
/// Kinds of networks; a test holds them equal to `PathKind::as_str`.
pub(super) const PATHS: &[&str] = &["lan", "wan"];
/// States of members; a test holds them equal to `NodeState::as_str`.
pub(super) const NODE_STATES: &[&str] = &["alive", "suspect", "draining", "offline"];
/// States of replicas; a test holds them equal to `ReplicaState::as_str`.
pub(super) const REPLICA_STATES: &[&str] = &["loading", "ready", "restarting", "failed"];
/// How hot a machine is; a test holds them equal to `ThermalState::as_str`.
pub(super) const THERMAL_STATES: &[&str] = &["nominal", "fair", "serious", "critical", "unknown"];
/// Actors whose handlers are watched, and the rest of the gateway. Routes come from the table of routes.
pub(super) const ACTORS: &[&str] = &[
    "turn", "session", "client", "fleet", "links", "peer", "control", "model", "models", "reporter",
    "router", "sessions", "clients", "root", OTHER,
];

/// The status code as its label has it.
pub(in crate::metrics) fn known_code(status: &str) -> &'static str {
    CODES.iter().copied().find(|code| *code == status).unwrap_or(OTHER)
}
