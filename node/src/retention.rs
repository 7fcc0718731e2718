//! Lets go what the store keeps no longer, once an hour. `machine` starts it on gateways and ends it before the store.

use std::time::Duration;

use pomona_config::StoreConfig;
use pomona_store::Store;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::clock;

/// A start is no moment to delete things; a machine that runs for less than an hour a day shall do it all the same.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// Ages are days, so an hour is soon enough.
const EVERY: Duration = Duration::from_secs(3600);

/// Begins, when anything is to be let go at all. Dropping the set ends it.
pub(crate) fn start(store: &Store, config: &StoreConfig) -> JoinSet<()> {
    let mut keeper = JoinSet::new();
    if config.keep_days > 0 || config.keep_events_days > 0 {
        keeper.spawn(keep(store.clone()));
    }
    keeper
}

async fn keep(store: Store) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_AFTER, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match store.retain(clock::unix_ms()).await {
            Ok(kept) if kept.sessions_deleted + kept.events_deleted > 0 => tracing::info!(
                sessions = kept.sessions_deleted,
                events = kept.events_deleted,
                "old sessions and events were deleted, as [store] says"
            ),
            Ok(_) => {}
            Err(error) => tracing::warn!("old sessions were not deleted: {error}"),
        }
    }
}
