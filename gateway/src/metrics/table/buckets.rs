//! Upper bounds of histograms, in base units.

/// Time to the first token and time in the queue: from half a millisecond, which a cached prompt on a fast chip takes, to
/// ten minutes.
pub(super) const WAIT_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0,
];
/// Between tokens: a small model on a fast chip needs half a millisecond, so the scale starts there.
pub(super) const GAP_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0,
    40.0,
];
/// A whole turn, or its decoding.
pub(super) const TURN_SECONDS: &[f64] = &[
    0.0005, 0.0025, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0,
    600.0, 1800.0,
];
/// One step of an engine; a test holds them equal to `protocol::figures::STEP_BOUNDS_MICROS`.
pub(in crate::metrics) const STEP_SECONDS: &[f64] =
    &[0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// What the store does; a test holds them equal to its own.
pub(in crate::metrics) const STORE_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Tokens of a prompt or an answer.
pub(super) const TOKENS: &[f64] = &[
    1.0, 4.0, 16.0, 64.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16_384.0, 32_768.0, 65_536.0,
    131_072.0,
];
/// How late a timer fires: 1 ms is its resolution, more means that a thread was held up.
pub(super) const LAG_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// For how long a handler held a thread, from where that is counted.
pub(super) const POLL_SECONDS: &[f64] = &[0.000_75, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];
/// From the loss of a replica to the next token: 5 ms where another one is idle, 30 s where the prompt is long and must
/// be read again.
pub(super) const FAILOVER_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 30.0];
/// The round trip of a link: a tenth of a millisecond on a cable, seconds on a congested radio.
pub(super) const ROUND_TRIP_SECONDS: &[f64] =
    &[0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2];
