//! Which notices there are: made from what happens, not repeated within a time, bounded in number, acknowledged by
//! people. Part of [`crate::fleet_watch`], whose shell writes them to the store.

use std::collections::VecDeque;

use pomona_protocol::{Acknowledged, FleetNode, NodeId, Notice, NoticeId, NoticeKind};

use crate::notice_rules::{Draft, Rules};

/// What notices are held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeLimits {
    /// Notices that are kept; the oldest go first.
    pub kept_max: usize,
    /// The same about the same is not told anew within this time, in milliseconds.
    pub repeat_ms: u64,
    /// Free bytes below which a disk is low; 0 for never.
    pub disk_bytes_min: u64,
    /// Writes of the store that take longer are slow, in milliseconds.
    pub store_slow_ms: u64,
}

/// How the store did since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// The slowest write, in milliseconds.
    pub slowest_ms: u64,
    /// What it said when it had no room.
    pub full: Option<String>,
    /// What it said when it failed otherwise.
    pub failed: Option<String>,
}

/// A notice that is to be written down and told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The whole of it.
    pub notice: Notice,
    /// Whether it was made now, and not only repeated.
    pub is_new: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Notices {
    limits: NoticeLimits,
    seen_by: String,
    rules: Rules,
    /// The oldest first.
    kept: VecDeque<Notice>,
    /// What the next id is made from.
    seed: u64,
}

impl Notices {
    /// A list without notices. `seed` is drawn at each start, so that ids of several gateways differ.
    pub fn new(limits: NoticeLimits, seen_by: String, version: String, seed: u64) -> Self {
        let rules = Rules::new(version, limits.disk_bytes_min);
        Self { limits, seen_by, rules, kept: VecDeque::new(), seed }
    }

    /// Takes in what earlier processes kept, in any order.
    pub fn restore(&mut self, notices: Vec<Notice>) {
        let known: Vec<_> = self.kept.iter().map(|notice| notice.id).collect();
        self.kept.extend(notices.into_iter().filter(|notice| !known.contains(&notice.id)));
        self.kept.make_contiguous().sort_by_key(|notice| (notice.at_unix_ms, notice.id));
        self.trim();
    }

    /// A member changed.
    pub fn judge(&mut self, before: Option<&FleetNode>, now: &FleetNode, now_ms: u64) -> Vec<Told> {
        let drafts = self.rules.judge(before, now, now_ms);
        drafts.into_iter().map(|draft| self.tell(Some(now), draft, now_ms)).collect()
    }

    /// A member was removed; what it does is nobody's business any more.
    pub fn forget(&mut self, node: &NodeId) {
        self.rules.forget(node);
    }

    /// The store was looked at.
    pub fn judge_store(&mut self, health: &StoreHealth, now_ms: u64) -> Vec<Told> {
        let mut drafts = Vec::new();
        let mut draft = |kind, message| drafts.push(Draft { kind, model: None, message });
        if let Some(why) = &health.full {
            draft(NoticeKind::StoreFull, format!("the store has no room: {why}"));
        }
        if let Some(why) = &health.failed {
            draft(NoticeKind::StoreFailed, format!("the store fails: {why}"));
        }
        if self.limits.store_slow_ms > 0 && health.slowest_ms >= self.limits.store_slow_ms {
            draft(NoticeKind::StoreSlow, format!("the store took {} ms to write", health.slowest_ms));
        }
        drafts.into_iter().map(|draft| self.tell(None, draft, now_ms)).collect()
    }

    /// Somebody has seen to a notice; `None` when it is not kept. A second time changes nothing.
    pub fn acknowledge(&mut self, id: NoticeId, by: String, now_ms: u64) -> Option<Notice> {
        let notice = self.kept.iter_mut().find(|notice| notice.id == id)?;
        notice.acknowledged.get_or_insert(Acknowledged { at_unix_ms: now_ms, by });
        Some(notice.clone())
    }

    /// Every notice, the newest first.
    pub fn list(&self) -> impl Iterator<Item = &Notice> {
        self.kept.iter().rev()
    }

    fn tell(&mut self, node: Option<&FleetNode>, draft: Draft, now_ms: u64) -> Told {
        let Draft { kind, model, message } = draft;
        let about = node.map(|node| node.node.clone());
        let oldest = now_ms.saturating_sub(self.limits.repeat_ms);
        // Acknowledged ones do not hide what happens anew.
        let same = self.kept.iter_mut().rev().find(|notice| {
            notice.kind == kind
                && notice.node == about
                && notice.model == model
                && notice.seen_by == self.seen_by
                && notice.at_unix_ms > oldest
                && notice.acknowledged.is_none()
        });
        if let Some(same) = same.filter(|_| self.limits.repeat_ms > 0) {
            same.repeats = same.repeats.saturating_add(1);
            same.last_unix_ms = now_ms;
            return Told { notice: same.clone(), is_new: false };
        }
        let notice = Notice {
            id: self.next_id(),
            at_unix_ms: now_ms,
            kind,
            severity: kind.severity(),
            node: about,
            name: node.map(|node| node.name.clone()).unwrap_or_default(),
            model,
            message,
            repeats: 0,
            last_unix_ms: now_ms,
            seen_by: self.seen_by.clone(),
            acknowledged: None,
        };
        self.kept.push_back(notice.clone());
        self.trim();
        Told { notice, is_new: true }
    }

    /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014) over a counter: numbers that do not meet.
    fn next_id(&mut self) -> NoticeId {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        NoticeId(mixed ^ (mixed >> 31))
    }

    fn trim(&mut self) {
        while self.kept.len() > self.limits.kept_max {
            self.kept.pop_front();
        }
    }
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
