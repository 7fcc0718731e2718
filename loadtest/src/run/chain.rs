//! One chain of the plan: asks when it is time, whatever the server does, files a record for each request, and thinks in
//! between. `run` starts one task for each chain.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::plan::{Plan, Request, Transport};
use crate::record::Record;

use super::broken::Broken;
use super::http_turn;
use super::live::Live;
use super::session::Session;
use super::tally::{Clock, Left, Tally};
use super::target::Target;

/// Least time between a failure and the next request of its chain: somebody who is refused looks before asking again, and a
/// gateway that is gone is not asked a million times.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What all chains of a run share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) targets: Vec<Arc<Target>>,
    pub(super) model: String,
    pub(super) clock: Clock,
    pub(super) live: Arc<Live>,
    /// One for each request that may run at once.
    pub(super) permits: Semaphore,
    /// Longest time for one request.
    pub(super) request_limit: Duration,
    pub(super) records: Mutex<Vec<Record>>,
    /// Sessions that were made and not deleted yet, by chain and id.
    pub(super) sessions: Mutex<Vec<(u32, String)>>,
}

impl Shared {
    /// Where a chain asks.
    fn target(&self, chain: u32) -> &Arc<Target> {
        &self.targets[chain as usize % self.targets.len()]
    }
}

/// Runs a chain to its end, or until nothing more is to start; leaves no session behind.
pub(super) async fn run(shared: Arc<Shared>, index: u32) {
    converse(&shared, index).await;
    clear(&shared, |chain| chain == index).await;
}

/// Deletes the sessions of these chains. What cannot be deleted stays, with the tag `loadtest` to find it by.
pub(super) async fn clear(shared: &Shared, is_over: impl Fn(u32) -> bool) {
    let over: Vec<(u32, String)> =
        lock(&shared.sessions).extract_if(.., |(chain, _)| is_over(*chain)).collect();
    for (chain, id) in over {
        let _ = shared.target(chain).ask("DELETE", &format!("/v3/sessions/{id}"), "", b"").await;
    }
}

async fn converse(shared: &Shared, index: u32) {
    let Some(chain) = shared.plan.chains.get(index as usize) else { return };
    let mut session = None;
    let mut intended = chain.at;
    let mut pause = Duration::ZERO;
    for (position, request) in chain.requests.iter().enumerate() {
        if position > 0 {
            intended = shared.clock.now() + request.think.max(pause);
            if intended > shared.plan.length {
                return;
            }
            tokio::time::sleep_until(shared.clock.instant(intended)).await;
        }
        let Ok(_permit) = shared.permits.try_acquire() else {
            shared.live.dropped();
            pause = PAUSE_AFTER_FAILURE;
            continue;
        };
        let place = (index, position as u32);
        let went_well = ask(shared, place, intended, request, &mut session).await;
        pause = if went_well { Duration::ZERO } else { PAUSE_AFTER_FAILURE };
    }
}

/// Asks once and files what came of it; says whether it went as it should.
async fn ask(
    shared: &Shared,
    place: (u32, u32),
    intended: Duration,
    request: &Request,
    session: &mut Option<Session>,
) -> bool {
    let tally = Tally::new(shared.clock, Arc::clone(&shared.live), place, request.transport, intended);
    let mut filing = Filing { shared, tally: Some(tally) };
    let Some(tally) = &mut filing.tally else { return false };
    let asking = ask_over(shared, place.0, request, session, tally);
    let left = match tokio::time::timeout(shared.request_limit, asking).await {
        Ok(Ok(left)) => left,
        Ok(Err(Broken::Refused(code))) => Left::Refused(code),
        Ok(Err(broken)) => Left::Broken(broken.code().to_owned()),
        Err(_) => Left::Broken("timeout".to_owned()),
    };
    let went_well = matches!(left, Left::AtEnd | Left::Away);
    if !went_well {
        // What its turn still says would be taken for the next one's.
        *session = None;
    }
    filing.file(left);
    went_well
}

async fn ask_over(
    shared: &Shared,
    chain: u32,
    request: &Request,
    session: &mut Option<Session>,
    tally: &mut Tally,
) -> Result<Left, Broken> {
    let (target, model) = (shared.target(chain), &shared.model);
    match request.transport {
        Transport::Sse => http_turn::stream(target, model, request, tally).await,
        Transport::Whole => http_turn::whole(target, model, request, tally).await,
        Transport::WebSocket => {
            let mut socket = target.socket().await?;
            let left = socket.run(model, request, tally).await?;
            target.keep_socket(socket);
            Ok(left)
        }
        Transport::Session => {
            let session = match session {
                Some(session) => session,
                None => {
                    let made = Session::make(target, model).await?;
                    lock(&shared.sessions).push((chain, made.id().to_owned()));
                    session.insert(made)
                }
            };
            session.run(target, request, tally).await
        }
    }
}

/// Files the record however its request ends: a run that is ended early drops it in the middle.
struct Filing<'a> {
    shared: &'a Shared,
    tally: Option<Tally>,
}

impl Filing<'_> {
    fn file(mut self, left: Left) {
        self.put(left);
    }

    fn put(&mut self, left: Left) {
        if let Some(tally) = self.tally.take() {
            lock(&self.shared.records).push(tally.into_record(left));
        }
    }
}

impl Drop for Filing<'_> {
    fn drop(&mut self) {
        self.put(Left::Away);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
