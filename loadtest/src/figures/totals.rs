//! Counts over the whole run: totals, errors, integrity, nodes, and how the generator did. For [`super::report`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::{GeneratorSeen, Inputs, Quantity, Spans, View};
use crate::plan::Plan;
use crate::record::{Outcome, Record};
use crate::report::{Generator, Integrity, NodeShare, Totals};
use crate::slo::{Single, Slo};

/// A gap of this many median gaps is a stall.
const STALL_FACTOR: f64 = 10.0;

pub(super) fn totals(inputs: &Inputs<'_>, views: &[View<'_>], spans: &Spans) -> Totals {
    let count =
        |is_counted: &dyn Fn(&View<'_>) -> bool| views.iter().filter(|view| is_counted(view)).count() as u64;
    let seconds = seconds(inputs.records);
    let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let finished = count(&|view| view.is_finished());
    let tokens = inputs.records.iter().map(|record| u64::from(record.tokens)).sum();
    let good = inputs.slo.map(|slo| good(views, slo));
    Totals {
        planned: planned(inputs.plan, inputs.records),
        sent: views.len() as u64,
        finished,
        cancelled: count(&|view| view.record.outcome == Outcome::Cancelled),
        failed: count(&|view| view.is_failed()),
        tokens,
        seconds,
        requests_per_second: per_second(finished),
        tokens_per_second: per_second(tokens),
        goodput: good.map(|(requests, _)| per_second(requests)),
        goodput_tokens: good.map(|(_, tokens)| per_second(tokens)),
        in_flight_max: in_flight_max(inputs.records),
        stalls: stalls(views, spans),
    }
}

/// From the first send to the last end.
fn seconds(records: &[Record]) -> f64 {
    let first = records.iter().map(|record| record.sent).min().unwrap_or_default();
    let last = records.iter().map(|record| record.ended).max().unwrap_or_default();
    last.saturating_sub(first).as_secs_f64()
}

/// Requests that should have left: of each chain that was to start within the run the first, and what followed.
fn planned(plan: &Plan, records: &[Record]) -> u64 {
    let mut reached: Vec<u64> = plan.chains.iter().map(|chain| u64::from(chain.at <= plan.length)).collect();
    for record in records {
        if let Some(reached) = reached.get_mut(record.chain as usize) {
            *reached = (*reached).max(u64::from(record.position) + 1);
        }
    }
    reached.iter().sum()
}

/// Finished requests that met every objective, and their tokens.
fn good(views: &[View<'_>], slo: &Slo) -> (u64, u64) {
    let good = views.iter().filter(|view| view.is_finished() && slo.is_met_by(&single(view)));
    good.fold((0, 0), |(requests, tokens), view| (requests + 1, tokens + u64::from(view.record.tokens)))
}

fn single<'a>(view: &View<'a>) -> Single<'a> {
    let record = view.record;
    let since_intended = |at: Duration| at.saturating_sub(record.intended).as_secs_f64() * 1e3;
    Single {
        first_token: view.first_token().map(since_intended),
        gaps_us: if view.has_gaps() { &record.gaps_us } else { &[] },
        per_output_token: view.per_output_token_us().map(|us| us / 1e3),
        end_to_end: view.has_end().then(|| since_intended(record.ended)),
    }
}

fn in_flight_max(records: &[Record]) -> u64 {
    let mut steps: Vec<(Duration, i64)> = Vec::with_capacity(records.len() * 2);
    for record in records {
        steps.push((record.sent, 1));
        steps.push((record.ended.max(record.sent), -1));
    }
    // An end and a start at the same moment are one after the other.
    steps.sort_unstable();
    let mut running = 0;
    steps.iter().fold(0, |most, (_, step)| {
        running += step;
        most.max(running)
    }) as u64
}

fn stalls(views: &[View<'_>], spans: &Spans) -> u64 {
    let bound_us = spans.inter_token.at_ms(0.5) * 1e3 * STALL_FACTOR;
    let gaps = views.iter().filter(|view| view.has_gaps()).flat_map(|view| &view.record.gaps_us);
    gaps.filter(|gap| f64::from(**gap) > bound_us).count() as u64
}

/// Requests that failed or broke, by code.
pub(super) fn errors(records: &[Record]) -> BTreeMap<String, u64> {
    let mut errors = BTreeMap::new();
    for record in records {
        if let Outcome::Failed(code) | Outcome::Broken(code) = &record.outcome {
            *errors.entry(code.clone()).or_default() += 1;
        }
    }
    errors
}

/// What was wrong with tokens; texts are compared where both runs finished the request.
pub(super) fn integrity(records: &[Record], reference: &[Record]) -> Integrity {
    let finished = |record: &&Record| matches!(record.outcome, Outcome::Finished(_));
    let undisturbed: BTreeMap<(u32, u32), u64> = reference
        .iter()
        .filter(finished)
        .map(|record| ((record.chain, record.position), record.text_hash))
        .collect();
    let mut integrity = Integrity::default();
    for record in records {
        let disorder = &record.disorder;
        integrity.missing += u64::from(disorder.missing);
        integrity.doubled += u64::from(disorder.doubled);
        integrity.misplaced += u64::from(disorder.misplaced);
        integrity.extra_ends += u64::from(disorder.extra_ends);
        integrity.no_end += u64::from(record.outcome == Outcome::Broken("no_end".to_owned()));
        integrity.moved += u64::from(record.moves > 0);
        if !finished(&record) {
            continue;
        }
        integrity.miscounted += u64::from(record.usage_tokens.is_some_and(|tokens| tokens != record.tokens));
        if let Some(hash) = undisturbed.get(&(record.chain, record.position)) {
            integrity.compared += 1;
            integrity.changed += u64::from(*hash != record.text_hash);
        }
    }
    integrity
}

/// Share of each node; answers that name none are in none.
pub(super) fn nodes(records: &[Record]) -> BTreeMap<String, NodeShare> {
    let mut nodes: BTreeMap<String, NodeShare> = BTreeMap::new();
    for record in records {
        if let Some(node) = &record.node {
            let share = nodes.entry(node.clone()).or_default();
            share.requests += 1;
            share.tokens += u64::from(record.tokens);
        }
    }
    nodes
}

/// Lag counts where a clock said when to ask: at the start of a chain and behind a think time. A request that follows an
/// answer at once cannot be late.
pub(super) fn generator(seen: GeneratorSeen, views: &[View<'_>]) -> Generator {
    let mut lag = Quantity::new();
    for view in views {
        let is_timed =
            view.record.position == 0 || view.request.is_some_and(|request| !request.think.is_zero());
        if is_timed {
            lag.add_span(view.record.begun.saturating_sub(view.record.intended));
        }
    }
    Generator { lag: lag.summary(), cpu_share: seen.cpu_share, dropped: seen.dropped }
}
