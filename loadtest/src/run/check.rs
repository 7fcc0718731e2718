//! The undisturbed run that texts are compared with: some of the same requests again, each alone, with the same seed of the
//! sampler. What was asked in a session with a past is left out, since that cannot be asked alone.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::plan::{Behaviour, Plan, Request, Transport};
use crate::record::{Outcome, Record};

use super::chain::Shared;
use super::http_turn;
use super::live::Live;
use super::tally::{Left, Tally};

/// Asks again for up to `count` of what finished; records of that, by the same places in the plan.
pub(super) async fn again(
    shared: &Shared,
    records: &[Record],
    count: usize,
    stop: &CancellationToken,
) -> Vec<Record> {
    let mut reference = Vec::new();
    for (place, request) in chosen(&shared.plan, records, count) {
        let index = place.0 as usize % shared.targets.len();
        let live = Arc::new(Live::default());
        let mut tally = Tally::new(shared.clock, live, place, Transport::Sse, Duration::ZERO);
        let request = Request { transport: Transport::Sse, behaviour: Behaviour::Read, ..request.clone() };
        let asking = http_turn::stream(&shared.targets[index], &shared.model, &request, &mut tally);
        let asked = tokio::select! {
            asked = tokio::time::timeout(shared.request_limit, asking) => asked,
            () = stop.cancelled() => return reference,
        };
        if matches!(asked, Ok(Ok(Left::AtEnd))) && tally.has_ended() {
            reference.push(tally.into_record(Left::AtEnd));
        }
    }
    reference
}

/// Evenly spread over what finished.
fn chosen<'a>(plan: &'a Plan, records: &[Record], count: usize) -> Vec<((u32, u32), &'a Request)> {
    let mut fit: Vec<((u32, u32), &Request)> = Vec::new();
    for record in records {
        let chain = plan.chains.get(record.chain as usize);
        let Some(request) = chain.and_then(|chain| chain.requests.get(record.position as usize)) else {
            continue;
        };
        let is_finished = matches!(record.outcome, Outcome::Finished(_));
        if is_finished && request.transport != Transport::Session {
            fit.push(((record.chain, record.position), request));
        }
    }
    fit.sort_by_key(|(place, _)| *place);
    let step = fit.len().div_ceil(count.max(1)).max(1);
    if count == 0 { Vec::new() } else { fit.into_iter().step_by(step).collect() }
}
