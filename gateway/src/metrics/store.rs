//! Sessions and their store on the page, from the store's own counters.

use pomona_actors::Insight;
use pomona_store::Times;

use super::page::Page;
use super::series::Buckets;
use super::table::{STORE_SECONDS, row};

/// Rows that are written here.
#[cfg(test)]
pub(super) const ROWS: &[&str] = &[
    "pomona_sessions_active",
    "pomona_store_events_total",
    "pomona_audit_lines_total",
    "pomona_store_append_failures_total",
    "pomona_store_append_seconds",
    "pomona_store_sync_seconds",
    "pomona_store_commit_seconds",
];

pub(super) fn write(page: &mut Page, insight: &Insight) {
    let store = insight.store.clone().unwrap_or_default();
    for (name, value) in [
        ("pomona_sessions_active", u64::from(insight.sessions)),
        ("pomona_store_events_total", store.events),
        ("pomona_audit_lines_total", store.audit_lines),
    ] {
        page.head(row(name));
        page.sample(row(name), &[], value as f64);
    }
    let failures = row("pomona_store_append_failures_total");
    page.head(failures);
    page.sample(failures, &[("cause", "refused")], store.refused as f64);
    page.sample(failures, &[("cause", "failed")], store.failed as f64);
    for (name, times) in
        [("pomona_store_append_seconds", &store.appends), ("pomona_store_sync_seconds", &store.syncs)]
    {
        page.head(row(name));
        page.histogram(name, &[], &buckets(times));
    }
    let commits = row("pomona_store_commit_seconds");
    page.head(commits);
    for (synced, times) in [("no", &store.commits), ("yes", &store.synced_commits)] {
        page.histogram(commits.name, &[("synced", synced)], &buckets(times));
    }
}

fn buckets(times: &Times) -> Buckets {
    let sum = times.micros as f64 / 1e6;
    Buckets { bounds: STORE_SECONDS, counts: times.counts.to_vec(), sum, exemplars: Vec::new() }
}
