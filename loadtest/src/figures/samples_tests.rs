//! Plans, records and reports for tests of figures and of everything that judges them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{GeneratorSeen, Inputs, View};
use crate::arrival::Arrival;
use crate::load::Load;
use crate::plan::{Plan, Transport};
use crate::record::{Disorder, Outcome, Record};
use crate::report::{Asked, Report};
use crate::slo::Slo;

/// A stream that left as intended, finished with its last token, and lost nothing. Milliseconds.
pub(crate) fn record(chain: u32, at: u64, first: u64, gaps: &[u32]) -> Record {
    let sent = Duration::from_millis(at);
    let first_token = sent + Duration::from_millis(first);
    let streamed: u64 = gaps.iter().map(|gap| u64::from(*gap)).sum();
    Record {
        chain,
        position: 0,
        transport: Transport::Sse,
        intended: sent,
        begun: sent,
        sent,
        first_token: Some(first_token),
        ended: first_token + Duration::from_millis(streamed),
        gaps_us: gaps.iter().map(|gap| gap * 1_000).collect(),
        tokens: gaps.len() as u32 + 1,
        usage_tokens: None,
        prompt_tokens: None,
        queue_us: None,
        text_bytes: 0,
        text_hash: 0,
        disorder: Disorder::default(),
        moves: 0,
        node: None,
        outcome: Outcome::Finished("stop".to_owned()),
    }
}

/// The same request, failed before its first token.
pub(crate) fn failed(chain: u32, at: u64, code: &str) -> Record {
    Record {
        first_token: None,
        tokens: 0,
        gaps_us: Vec::new(),
        outcome: Outcome::Failed(code.to_owned()),
        ..record(chain, at, 5, &[])
    }
}

/// A plan of this many single requests; their times are those of the records, which tests choose.
pub(crate) fn plan(chains: usize, length: Duration) -> Plan {
    let load = Load { arrival: Arrival::Constant { rate: 1.0 }, duration_s: 1.0, ..Load::default() };
    let mut plan = load.plan(1);
    let chain = plan.chains[0].clone();
    plan.chains = vec![chain; chains];
    plan.length = length;
    plan
}

/// The records as figures see them.
pub(super) fn views<'a>(plan: &'a Plan, records: &'a [Record]) -> Vec<View<'a>> {
    records.iter().map(|record| View::new(plan, record)).collect()
}

pub(crate) fn asked() -> Asked {
    Asked {
        started_at_ms: 1_700_000_000_000,
        command: "pomona loadtest run".to_owned(),
        url: "http://127.0.0.1:8000".to_owned(),
        model: "test".to_owned(),
        versions: BTreeMap::new(),
        machine: BTreeMap::new(),
        seed: 1,
        load: "poisson:2 for 1 s".to_owned(),
        rate: Some(2.0),
    }
}

pub(crate) fn inputs<'a>(plan: &'a Plan, records: &'a [Record], slo: Option<&'a Slo>) -> Inputs<'a> {
    Inputs {
        plan,
        records,
        asked: asked(),
        slo,
        events: Vec::new(),
        generator: GeneratorSeen { cpu_share: 0.1, dropped: 0 },
        server: None,
        reference: &[],
        slice: None,
    }
}

/// The report of a run: a stream of ten tokens every 10 ms for a second, 10 ms between tokens.
pub(crate) fn report(slo: Option<&Slo>) -> Report {
    let records: Vec<Record> = (0..100).map(|n| record(n, u64::from(n) * 10, 20, &[10; 9])).collect();
    let plan = plan(records.len(), Duration::from_secs(1));
    super::report(inputs(&plan, &records, slo))
}
