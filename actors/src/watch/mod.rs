//! The shell around `cluster::fleet_watch`: what the fleet, turns and the store do comes in here, and every reader of
//! the feed hears of it. Like the desk it is a lock and no mailbox, since each turn passes it: it is held for a few map
//! operations and never across an await. The Fleet actor owns the task that keeps its time ([`mod@keep`]).

mod feed;
mod keep;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pomona_cluster::fleet_watch::{Effect, FleetWatch, Input, Watcher};
use pomona_cluster::notices::{NoticeLimits, StoreHealth};
use pomona_protocol::{
    Download, DownloadId, FleetEvent, FleetEventBody, FleetNode, FleetView, ModelId, NodeId, Notice,
    NoticeId, Principal, TurnId,
};
use pomona_store::StoreError;
use ractor::ActorRef;
use tokio::sync::{Notify, broadcast};

pub use self::feed::FleetFeed;
pub(crate) use self::keep::{keep, read as read_notices, save};
use crate::api::Parts;
use crate::sessions::unix_ms;
use crate::turn::TurnMessage;

/// Events that wait for one reader before it is cut off, and events that one who comes back may have missed. One
/// reader that stands still pins no more than these; twice as many would be twice the memory.
const EVENTS_MAX: usize = 512;

/// See the module.
pub(crate) struct Watch {
    state: Mutex<State>,
    events: broadcast::Sender<Arc<FleetEvent>>,
    /// Starts or ends of turns wait to be told.
    turn_news: Notify,
    /// Notices wait to be written.
    notice_news: Notify,
    store: Mutex<StoreHealth>,
    boot: u64,
}

struct State {
    machine: FleetWatch,
    turns: BTreeMap<TurnId, Counted>,
    recent: VecDeque<Arc<FleetEvent>>,
    last: u64,
    has_turn_news: bool,
    /// Notices that the store does not have as they are.
    unsaved: BTreeMap<NoticeId, Notice>,
    kept_max: usize,
}

/// A running turn, as far as it is counted and may be ended.
struct Counted {
    shown: Arc<AtomicU32>,
    turn: ActorRef<TurnMessage>,
}

impl Watch {
    pub(crate) fn new(parts: &Parts) -> Self {
        let config = &parts.notifications;
        let kept_max = config.kept_max as usize;
        let limits = NoticeLimits {
            kept_max,
            repeat_ms: config.repeat_ms,
            disk_bytes_min: config.disk_bytes_min,
            store_slow_ms: config.store_slow_ms,
        };
        let watcher = Watcher {
            node: parts.node.clone(),
            name: parts.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: getrandom::u64().unwrap_or(parts.boot),
        };
        let state = State {
            machine: FleetWatch::new(watcher, limits),
            turns: BTreeMap::new(),
            recent: VecDeque::new(),
            last: 0,
            has_turn_news: false,
            unsaved: BTreeMap::new(),
            kept_max,
        };
        Self {
            state: Mutex::new(state),
            events: broadcast::channel(EVENTS_MAX).0,
            turn_news: Notify::new(),
            notice_news: Notify::new(),
            store: Mutex::default(),
            boot: parts.boot,
        }
    }

    /// A member is like this now.
    pub(crate) fn node(&self, node: FleetNode) {
        self.decide(Input::Node(Box::new(node)));
    }

    /// This gateway is about to leave its links.
    pub(crate) fn closing(&self) {
        self.decide(Input::Closing);
    }

    /// A member was removed.
    pub(crate) fn node_removed(&self, node: NodeId) {
        self.decide(Input::NodeRemoved(node));
    }

    /// A download is like this now.
    pub(crate) fn download(&self, download: Download) {
        self.decide(Input::Download(Box::new(download)));
    }

    /// A download is not listed any more.
    pub(crate) fn download_removed(&self, id: DownloadId) {
        self.decide(Input::DownloadRemoved(id));
    }

    /// A turn was accepted; gives where it says how many tokens it has shown.
    pub(crate) fn turn_started(
        &self,
        id: TurnId,
        model: ModelId,
        by: Principal,
        tokens: u32,
        turn: ActorRef<TurnMessage>,
    ) -> Arc<AtomicU32> {
        let shown = Arc::new(AtomicU32::new(tokens));
        let mut state = self.lock();
        state.turns.insert(id, Counted { shown: Arc::clone(&shown), turn });
        self.decide_in(&mut state, Input::TurnStarted { id, model, by, tokens });
        shown
    }

    /// A turn runs there from now on.
    pub(crate) fn turn_placed(&self, id: TurnId, node: NodeId) {
        self.decide(Input::TurnPlaced { id, node });
    }

    /// A turn shows its first token.
    pub(crate) fn first_token(&self, after: Duration) {
        self.decide(Input::FirstToken { after_ms: after.as_secs_f64() * 1e3 });
    }

    /// A turn ended.
    pub(crate) fn turn_ended(&self, id: TurnId, outcome: &'static str, tokens: u32, after: Duration) {
        let mut state = self.lock();
        state.turns.remove(&id);
        let after_ms = after.as_secs_f64() * 1e3;
        self.decide_in(&mut state, Input::TurnEnded { id, outcome, tokens, after_ms });
    }

    /// The store took this long to write something, or failed to.
    pub(crate) fn store_wrote(&self, took: Duration, failure: Option<&StoreError>) {
        let mut health = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        health.slowest_ms = health.slowest_ms.max(took.as_millis() as u64);
        match failure {
            None | Some(StoreError::Invalid { .. }) => {}
            Some(StoreError::Full { message, .. }) => health.full = Some(message.clone()),
            Some(error) => health.failed = Some(error.to_string()),
        }
    }

    /// Ends a turn of this gateway; false when there is no such turn.
    pub(crate) fn cancel(&self, id: TurnId) -> bool {
        self.lock().turns.get(&id).is_some_and(|counted| counted.turn.cast(TurnMessage::Cancel).is_ok())
    }

    /// Everything at this moment.
    pub(crate) fn view(&self) -> FleetView {
        self.lock().machine.view(unix_ms())
    }

    /// Notices of this gateway, the newest first.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.lock().machine.notices().cloned().collect()
    }

    /// Somebody has seen to a notice; `None` when this gateway has no such notice.
    pub(crate) fn acknowledge(&self, id: NoticeId, by: Principal) -> Option<Notice> {
        self.decide(Input::Acknowledge { id, by });
        self.lock().machine.notices().find(|notice| notice.id == id).cloned()
    }

    /// Takes in what the store has.
    pub(crate) fn restore(&self, notices: Vec<Notice>) {
        self.lock().machine.restore(notices);
    }

    pub(crate) fn set_name(&self, name: &str) {
        self.lock().machine.set_name(name);
    }

    /// A member of the cluster that may not have been seen yet.
    fn known(&self, node: FleetNode) {
        self.decide(Input::Known(Box::new(node)));
    }

    /// Ends a second: counts tokens, looks at the store.
    fn second(&self, queued: u32) {
        let store = std::mem::take(&mut *self.store.lock().unwrap_or_else(PoisonError::into_inner));
        let mut state = self.lock();
        let tokens =
            state.turns.iter().map(|(id, counted)| (*id, counted.shown.load(Ordering::Relaxed))).collect();
        self.decide_in(&mut state, Input::Second { tokens, queued, store });
    }

    /// Tells of turns that began or ended, where some did.
    fn flush(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.has_turn_news) {
            self.decide_in(&mut state, Input::Flush);
        }
    }

    async fn turn_news(&self) {
        self.turn_news.notified().await;
    }

    async fn notice_news(&self) {
        self.notice_news.notified().await;
    }

    fn kept_max(&self) -> u32 {
        self.lock().kept_max as u32
    }

    /// Notices that are to be written.
    fn unsaved(&self) -> Vec<Notice> {
        self.lock().unsaved.values().cloned().collect()
    }

    /// A notice was written; it may have changed again meanwhile.
    fn saved(&self, notice: &Notice) {
        let mut state = self.lock();
        if state.unsaved.get(&notice.id) == Some(notice) {
            state.unsaved.remove(&notice.id);
        }
    }

    fn decide(&self, input: Input) {
        self.decide_in(&mut self.lock(), input);
    }

    fn decide_in(&self, state: &mut State, input: Input) {
        let now = unix_ms();
        for effect in state.machine.handle(input, now) {
            match effect {
                Effect::Say(body) => self.say(state, body, now),
                Effect::Keep(notice) => {
                    state.unsaved.insert(notice.id, notice);
                    // Without a store nobody takes them away; the machine has what there is.
                    while state.unsaved.len() > state.kept_max {
                        state.unsaved.pop_first();
                    }
                    self.notice_news.notify_one();
                }
                Effect::FlushSoon => {
                    state.has_turn_news = true;
                    self.turn_news.notify_one();
                }
            }
        }
    }

    fn say(&self, state: &mut State, body: FleetEventBody, now_ms: u64) {
        state.last += 1;
        let event = Arc::new(FleetEvent { number: state.last, at_unix_ms: now_ms, body });
        if state.recent.len() == EVENTS_MAX {
            state.recent.pop_front();
        }
        state.recent.push_back(Arc::clone(&event));
        // It fails when nobody listens.
        let _ = self.events.send(event);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
