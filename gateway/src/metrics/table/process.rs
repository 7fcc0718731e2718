//! This process and its runtime.

use super::buckets::{LAG_SECONDS, POLL_SECONDS};
use super::values::{ACTORS, RESTART_CAUSES};
use super::{Area, Label, Values, counter, gauge, histogram, label};
use crate::routes::ROUTE_LABELS;

pub(super) const AREA: Area = Area {
    title: "Process",
    rows: &[
        gauge("pomona_ready", &[], "1 when a turn would find a ready replica, else 0."),
        counter(
            "pomona_restarts_total",
            &[label("cause", RESTART_CAUSES)],
            "Restarts of engines and actors of this process, by cause. The first start is not counted.",
        ),
        counter(
            "pomona_process_cpu_seconds_total",
            &[],
            "Processor seconds of this process; an engine in a process of its own is not counted.",
        ),
        gauge(
            "pomona_process_resident_bytes",
            &[],
            "Resident memory of this process in bytes; an engine in a process of its own is not counted.",
        ),
        gauge(
            "pomona_process_open_fds",
            &[],
            "Open file descriptors of this process; 0 where the system does not say.",
        ),
        gauge(
            "pomona_process_max_fds",
            &[],
            "File descriptors that this process may have open; 0 where the system does not say.",
        ),
        gauge(
            "pomona_process_start_time_seconds",
            &[],
            "When this process was started, in seconds since 1970.",
        ),
        gauge("pomona_runtime_tasks", &[], "Tasks that live in the runtime of this process."),
        histogram(
            "pomona_runtime_lag_seconds",
            LAG_SECONDS,
            &[],
            "Seconds by which a timer of 100 ms fires late; long ones mean that a handler holds a thread.",
        ),
        counter(
            "pomona_long_polls_total",
            &[Label { name: "actor", values: Values::Known(ACTORS) }],
            "Polls of actors that held a thread for more than half a millisecond, by the kind of actor.",
        ),
        counter(
            "pomona_long_request_polls_total",
            &[Label { name: "route", values: Values::Known(ROUTE_LABELS) }],
            "Polls of requests that held a thread for more than half a millisecond, by route template.",
        ),
        histogram(
            "pomona_long_poll_seconds",
            POLL_SECONDS,
            &[],
            "Seconds of polls of actors and requests that held a thread for more than half a millisecond; shorter ones are not counted.",
        ),
        gauge(
            "pomona_build_info",
            &[Label { name: "version", values: Values::Build }],
            "Always 1; the version stands in the label.",
        ),
    ],
};
