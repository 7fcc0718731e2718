//! What a dashboard asks, through [`Handle`]: the feed of the fleet, running turns, notices. The gateway's admin routes
//! call it.

use std::sync::Arc;
use std::time::SystemTime;

use pomona_protocol::{Cause, FleetView, Notice, NoticeId, Principal, TurnId};

use crate::Handle;
use crate::watch::{self, FleetFeed};

impl Handle {
    /// The whole fleet at this moment.
    pub fn fleet(&self) -> FleetView {
        self.shared.watch.view()
    }

    /// The feed: everything first, or what was missed since the event with the id `seen`.
    pub fn watch_fleet(&self, seen: Option<&str>) -> FleetFeed {
        self.shared.watch.read(seen)
    }

    /// The feed from the start of this process on, as far as it is remembered.
    pub fn watch_fleet_from_start(&self) -> FleetFeed {
        self.shared.watch.read_behind(Some(0))
    }

    /// Ends a turn that runs at this gateway; false when there is no such turn.
    pub fn cancel_turn(&self, id: TurnId) -> bool {
        self.shared.watch.cancel(id)
    }

    /// The newest notices, the newest first; those of all gateways where they share a store.
    pub async fn notices(&self, max: u32) -> Result<Vec<Notice>, Cause> {
        let own = self.shared.watch.notices();
        let store = self.shared.sessions.store.as_ref().filter(|store| store.is_shared());
        let Some(store) = store else { return Ok(own.into_iter().take(max as usize).collect()) };
        let mut all = own;
        let rows = store.notices(max).await.map_err(Cause::from)?;
        for notice in watch::read_notices(&rows) {
            match all.iter_mut().find(|known| known.id == notice.id) {
                // Another gateway may have heard the acknowledgement.
                Some(known) => known.acknowledged = known.acknowledged.take().or(notice.acknowledged),
                None => all.push(notice),
            }
        }
        all.sort_by_key(|notice| std::cmp::Reverse((notice.at_unix_ms, notice.id)));
        all.truncate(max as usize);
        Ok(all)
    }

    /// Somebody has seen to a notice; `None` when there is no such notice.
    pub async fn acknowledge(&self, id: NoticeId, by: Principal) -> Result<Option<Notice>, Cause> {
        if let Some(notice) = self.shared.watch.acknowledge(id, by) {
            return Ok(Some(self.written(notice).await));
        }
        let others = self.notices(u32::MAX).await?;
        let Some(notice) = others.into_iter().find(|notice| notice.id == id) else { return Ok(None) };
        self.shared.watch.restore(vec![notice]);
        let Some(notice) = self.shared.watch.acknowledge(id, by) else { return Ok(None) };
        Ok(Some(self.written(notice).await))
    }

    /// What somebody did to a notice is written before it is answered. Where that fails, the keeper tries again.
    async fn written(&self, notice: Notice) -> Notice {
        if let Some(store) = &self.shared.sessions.store {
            watch::save(&self.shared, store, &notice).await;
        }
        notice
    }

    /// Takes when the certificate that clients are shown begins and ends; reports tell of it when it ends soon.
    pub fn note_server_certificate(&self, begins: SystemTime, ends: SystemTime) {
        self.shared.server_certificate.store(Some(Arc::new((begins, ends))));
    }
}
