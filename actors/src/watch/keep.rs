//! What runs beside the watch for as long as the Fleet actor lives: ends seconds, tells of turns a moment after they
//! began or ended, and writes notices to the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pomona_protocol::{FleetNode, MachineFigures, NodeState, Notice};
use pomona_store::Store;

use crate::shared::Shared;

/// How long a start or an end of a turn waits for others to be told with it. A twentieth of a second is below what
/// people see, and bounds a burst of turns to twenty events a second.
const GATHER: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);
/// Between two tries of a store that failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Runs until it is dropped.
pub(crate) async fn keep(shared: Arc<Shared>) {
    know_members(&shared);
    tokio::join!(keep_time(&shared), keep_notices(&shared));
}

/// Members of the list show from the start, as far as this process has the list.
fn know_members(shared: &Shared) {
    let Some(authority) = &shared.authority else { return };
    for member in authority.registry.members().into_iter().filter(|member| member.node != shared.node) {
        shared.watch.known(FleetNode {
            hosts: member.role == pomona_protocol::PeerRole::Node,
            node: member.node,
            name: member.name,
            role: member.role,
            state: NodeState::Offline,
            path: None,
            rtt_ms: 0.0,
            version: None,
            is_here: false,
            machine: MachineFigures::default(),
            certificate_expires_unix_s: 0,
            certificate_life_s: 0,
            model_bytes_max: 0,
            model_bytes_used: 0,
            turns: 0,
            tokens_per_s: 0.0,
            replicas: Vec::new(),
        });
    }
}

async fn keep_time(shared: &Shared) {
    let mut seconds = tokio::time::interval(SECOND);
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first one is at once.
    seconds.tick().await;
    loop {
        tokio::select! {
            _ = seconds.tick() => shared.watch.second(shared.desk.view().queued),
            () = shared.watch.turn_news() => {
                tokio::time::sleep(GATHER).await;
                shared.watch.flush();
            }
        }
    }
}

async fn keep_notices(shared: &Shared) {
    let Some(store) = &shared.sessions.store else { return };
    let kept_max = shared.watch.kept_max();
    let rows = loop {
        match store.notices(kept_max).await {
            Ok(rows) => break rows,
            Err(error) => tracing::warn!(%error, "notices of before cannot be read yet"),
        }
        tokio::time::sleep(STORE_PAUSE).await;
    };
    shared.watch.restore(read(&rows));
    loop {
        for notice in shared.watch.unsaved() {
            while !save(shared, store, &notice).await {
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
        shared.watch.notice_news().await;
    }
}

/// Writes a notice; false when that is to be tried again.
pub(crate) async fn save(shared: &Shared, store: &Store, notice: &Notice) -> bool {
    let Ok(body) = serde_json::to_string(notice) else { return true };
    let begun = Instant::now();
    let written = store.put_notice(notice.id.0, notice.at_unix_ms, body, shared.watch.kept_max()).await;
    shared.watch.store_wrote(begun.elapsed(), written.as_ref().err());
    if written.is_ok() {
        shared.watch.saved(notice);
    }
    written.is_ok()
}

/// Notices of rows; a row of a later version that does not read is passed over.
pub(crate) fn read(rows: &[String]) -> Vec<Notice> {
    rows.iter().filter_map(|row| serde_json::from_str(row).ok()).collect()
}
