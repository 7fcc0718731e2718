//! Sessions and their store.

use super::buckets::STORE_SECONDS;
use super::{Area, counter, gauge, histogram, label};

pub(super) const AREA: Area = Area {
    title: "Sessions and store",
    rows: &[
        gauge("pomona_sessions_active", &[], "Sessions in the memory of this gateway, each with its actor."),
        counter("pomona_store_events_total", &[], "Events of sessions that were appended to their logs."),
        histogram(
            "pomona_store_append_seconds",
            STORE_SECONDS,
            &[],
            "Seconds from the hand-over of an append to the store to its answer, the wait for the group included.",
        ),
        counter(
            "pomona_store_append_failures_total",
            &[label("cause", &["refused", "failed"])],
            "Appends that were not written: refused since another gateway writes the log or it is gone, or failed at the database.",
        ),
        histogram(
            "pomona_store_commit_seconds",
            STORE_SECONDS,
            &[label("synced", &["no", "yes"])],
            "Seconds of one group commit, and whether it was synced at once.",
        ),
        histogram(
            "pomona_store_sync_seconds",
            STORE_SECONDS,
            &[],
            "Seconds of one sync of what was committed before, to the disk.",
        ),
        counter("pomona_audit_lines_total", &[], "Lines that were written into the audit."),
    ],
};
