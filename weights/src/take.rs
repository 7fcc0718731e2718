//! The shell around the plan: runs its asks at once, in the future of whoever calls, and gives up with the reasons
//! of each source. Dropping the future drops every ask.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable, FutureExt};
use futures::stream::FuturesUnordered;
use pomona_protocol::ModelId;
use tokio::time::Instant;

use crate::error::FetchError;
use crate::plan::{Effect, Fault, Input, Outlook, Plan, PlanLimits};
use crate::receive::Failure;
use crate::source::Source;

/// Longest sleep without a look at the plan.
const TICK_MAX: Duration = Duration::from_secs(1);

/// How an ask went wrong: at the source, or at home.
pub(crate) enum Trouble {
    Source(Failure),
    Home(FetchError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Source(failure)
    }
}

impl<E: Into<FetchError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Home(error.into())
    }
}

/// One ask that runs.
pub(crate) type Asking<T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send>>;

/// Sources and what is thought of them, over all that one fetch takes.
pub(crate) struct Taker {
    model: ModelId,
    sources: Vec<Arc<dyn Source>>,
    plan: Plan,
    /// The last failure of each source that had one.
    reasons: BTreeMap<usize, String>,
}

impl Taker {
    pub(crate) fn new(model: ModelId, sources: Vec<Arc<dyn Source>>, limits: PlanLimits) -> Self {
        let plan = Plan::new(limits, sources.len());
        Self { model, sources, plan, reasons: BTreeMap::new() }
    }

    /// Sources that are not given up.
    pub(crate) fn sources_left(&self) -> usize {
        self.plan.sources_left()
    }

    /// Takes all `items`; `ask` starts one, `done` gets each that was proven. `what` names them in the error.
    pub(crate) async fn take<T>(
        &mut self,
        what: &'static str,
        items: BTreeSet<u32>,
        ask: impl Fn(Arc<dyn Source>, u32) -> Asking<T>,
        mut done: impl FnMut(&Plan, u32, T),
    ) -> Result<(), FetchError> {
        let mut running = FuturesUnordered::new();
        let mut handles: BTreeMap<(usize, u32), AbortHandle> = BTreeMap::new();
        let mut input = Input::Want(items);
        loop {
            for effect in self.plan.handle(input, Instant::now().into_std()) {
                match effect {
                    Effect::Ask { source, item } => {
                        let (handle, registration) = AbortHandle::new_pair();
                        let asking =
                            Abortable::new(ask(Arc::clone(&self.sources[source]), item), registration);
                        running.push(asking.map(move |ended| (source, item, ended)));
                        handles.insert((source, item), handle);
                    }
                    Effect::Cancel { source, item } => {
                        if let Some(handle) = handles.remove(&(source, item)) {
                            handle.abort();
                        }
                    }
                    Effect::Drop { source, fault } => self.report_dropped(source, fault, what),
                }
            }
            let now = Instant::now();
            let wake_at = match self.plan.outlook(now.into_std()) {
                Outlook::Done => return Ok(()),
                Outlook::Exhausted => return Err(self.exhausted(what)),
                Outlook::Working { wake_at } => wake_at.map_or(now + TICK_MAX, Instant::from_std),
            };
            let ended = tokio::select! {
                Some(ended) = running.next() => ended,
                () = tokio::time::sleep_until(wake_at) => {
                    input = Input::Tick;
                    continue;
                }
            };
            input = match ended {
                (_, _, Err(_aborted)) => Input::Tick,
                (source, item, Ok(Ok(value))) => {
                    handles.remove(&(source, item));
                    done(&self.plan, item, value);
                    Input::Finished { source, item }
                }
                (source, item, Ok(Err(Trouble::Source(failure)))) => {
                    handles.remove(&(source, item));
                    self.failed(source, item, what, failure)
                }
                (_, _, Ok(Err(Trouble::Home(error)))) => return Err(error),
            };
        }
    }

    fn failed(&mut self, source: usize, item: u32, what: &str, failure: Failure) -> Input {
        let name = self.sources[source].name();
        tracing::debug!(source = name, model = %self.model, what, item, reason = failure.message, "no answer");
        self.reasons.insert(source, failure.message);
        Input::Failed { source, item, fault: failure.fault }
    }

    fn report_dropped(&self, source: usize, fault: Fault, what: &str) {
        let name = self.sources[source].name();
        let reason = self.reasons.get(&source).map_or("", String::as_str);
        let model = &self.model;
        match fault {
            Fault::Lied | Fault::Garbage => {
                tracing::warn!(source = name, %model, what, reason, "a source of weights lies; it is not asked again");
            }
            Fault::Broken | Fault::Stalled | Fault::Busy | Fault::Lacks => {
                tracing::info!(source = name, %model, what, reason, "a source of weights is given up");
            }
        }
    }

    fn exhausted(&self, what: &'static str) -> FetchError {
        let reason =
            |(source, reason): (&usize, &String)| format!("{}: {reason}", self.sources[*source].name());
        let reasons: Vec<String> = self.reasons.iter().map(reason).collect();
        let reasons = if reasons.is_empty() { "none was given".to_owned() } else { reasons.join("; ") };
        FetchError::NoSource { model: self.model.clone(), what, reasons }
    }
}
