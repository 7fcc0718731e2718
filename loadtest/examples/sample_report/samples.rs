//! Reports of runs that never were, as real ones look: a quiet one, one with a killed node, one beyond what the nodes can
//! do, one without an answer, and one that is too large and too hostile for any page. The tests read them too.

use std::collections::BTreeMap;

use pomona_loadtest::report::{
    Asked, Event, Generator, Integrity, Latencies, NodeShare, Objective, Report, Server, Slice, Summary,
    Totals, VERSION, Verdict,
};

/// Every sample with its name.
pub(crate) fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("quiet", quiet()),
        ("killed", killed()),
        ("saturated", saturated()),
        ("empty", empty()),
        ("hostile", hostile()),
    ]
}

/// Numbers that look like chance and are the same each time: a linear congruential generator (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Around `median`, with a tail to the right as latencies have.
    fn latency(&mut self, median: f64) -> f64 {
        let normal = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
        let tail = if self.share() < 0.02 { 1.0 + 2.0 * self.share() } else { 1.0 };
        median * (0.22 * normal).exp() * tail
    }
}

/// What makes one run differ from another.
struct Run {
    seconds: usize,
    per_second: f64,
    nodes: &'static [&'static str],
    /// Median time to the first token at a second, in milliseconds.
    first_token: fn(usize) -> f64,
    /// Median gap at a second, in milliseconds.
    gap: fn(usize) -> f64,
    /// Whether a node works at a second.
    works: fn(&str, usize) -> bool,
    /// Share of requests that fail at a second.
    fails: fn(usize) -> f64,
}

/// A minute at a load that three nodes carry well.
pub(crate) fn quiet() -> Report {
    let run = Run {
        seconds: 60,
        per_second: 20.0,
        nodes: &["mac-studio", "mac-mini-1", "mac-mini-2"],
        first_token: |_| 84.0,
        gap: |_| 18.0,
        works: |_, _| true,
        fails: |_| 0.0,
    };
    let mut report = run.report("Llama-3.2-3B-Instruct-4bit", 1);
    report.verdict.objectives = vec![
        objective("ttft p95", 250.0, report.from_intended.first_token.p95),
        objective("itl p99", 60.0, report.inter_token.p99),
    ];
    report.verdict.is_within = true;
    report.integrity.compared = 200;
    report.totals.goodput = Some(report.totals.requests_per_second);
    report
}

/// Two minutes in which a node is killed and comes back.
pub(crate) fn killed() -> Report {
    let run = Run {
        seconds: 120,
        per_second: 20.0,
        nodes: &["mac-studio", "mac-mini-1", "mac-mini-2"],
        first_token: |second| {
            if (40..46).contains(&second) { 900.0 - 120.0 * (second as f64 - 40.0) } else { 90.0 }
        },
        gap: |second| if (40..70).contains(&second) { 26.0 } else { 18.0 },
        works: |node, second| node != "mac-mini-1" || !(40..70).contains(&second),
        fails: |second| if second == 40 { 0.1 } else { 0.0 },
    };
    let mut report = run.report("Llama-3.2-3B-Instruct-4bit", 2);
    let event = |at_ms, until_ms, kind: &str, what: &str, recovered_ms, resumed| Event {
        at_ms,
        until_ms,
        kind: kind.to_owned(),
        what: what.to_owned(),
        node: what.split(' ').find(|word| word.starts_with("mac")).map(str::to_owned),
        failed: (kind == "kill").then_some(2),
        recovered_ms,
        resumed,
    };
    report.events = vec![
        event(40_000.0, Some(70_000.0), "kill", "node mac-mini-1 killed", Some(6_200.0), Some(14)),
        event(70_000.0, None, "note", "node mac-mini-1 started again", None, None),
        event(95_000.0, Some(98_000.0), "cut", "link to mac-mini-2 cut", Some(1_100.0), Some(9)),
    ];
    report.verdict.objectives = vec![
        objective("ttft p95", 250.0, report.from_intended.first_token.p95),
        objective("ttft p99", 500.0, report.from_intended.first_token.p99),
        Objective {
            name: "error_share".into(),
            bound: 0.01,
            seen: 0.0008,
            unit: "share".into(),
            is_met: true,
        },
    ];
    report.verdict.budget_used = Some(0.08);
    report.integrity = Integrity { compared: 2_300, moved: 23, ..Integrity::default() };
    report
}

/// Half a minute of more than one node can do; the generator itself was late.
pub(crate) fn saturated() -> Report {
    let run = Run {
        seconds: 30,
        per_second: 120.0,
        nodes: &["mac-mini-1"],
        first_token: |second| 120.0 + 380.0 * second as f64,
        gap: |second| 22.0 + 2.0 * second as f64,
        works: |_, _| true,
        fails: |second| (second as f64 / 60.0).min(0.4),
    };
    let mut report = run.report("gpt-oss-20b", 3);
    report.verdict.invalid = vec![
        "Requests left up to 41 ms late (p99), and 1 ms is the most: use a faster machine or a lower rate."
            .into(),
        "The generator used 94 % of its machine's processors, and 90 % is the most.".into(),
    ];
    report.verdict.objectives = vec![objective("ttft p95", 250.0, report.from_intended.first_token.p95)];
    report.generator.lag = summary((0..3_000).map(|at| 0.2 + f64::from(at % 90) / 2.0).collect());
    report.generator.cpu_share = 0.94;
    report.generator.dropped = 210;
    report.integrity = Integrity { no_end: 3, miscounted: 2, missing: 17, ..Integrity::default() };
    report.server = None;
    report
}

/// Nothing answered.
pub(crate) fn empty() -> Report {
    Report {
        version: VERSION,
        asked: asked("Llama-3.2-3B-Instruct-4bit", 1.0, 10),
        verdict: Verdict {
            invalid: vec!["No request was sent.".into()],
            objectives: vec![],
            budget_used: None,
            is_within: false,
        },
        totals: Totals { planned: 10, ..Totals::default() },
        from_intended: Latencies::default(),
        from_sent: Latencies::default(),
        inter_token: Summary::default(),
        per_output_token: Summary::default(),
        queue_wait: Summary::default(),
        timeline: vec![],
        events: vec![],
        errors: BTreeMap::new(),
        integrity: Integrity::default(),
        nodes: BTreeMap::new(),
        server: None,
        generator: Generator::default(),
    }
}

/// A hundred nodes, thousands of slices, values from one end to the other, and names that want to be more than names.
pub(crate) fn hostile() -> Report {
    let name = "</title><script>alert('x')</script>\u{202e}&amp;\u{1b}[2J\" onload=\"x";
    let mut chance = Chance(4);
    let mut report = quiet();
    report.asked.model = name.repeat(3);
    report.asked.command = format!("pomona loadtest run --model '{name}'");
    report.verdict.invalid = vec![name.to_owned(); 30];
    report.timeline = (0..6_000)
        .map(|at| {
            let mut tokens_by_node = BTreeMap::new();
            for node in 0..100 {
                tokens_by_node.insert(format!("node-{node:03}<b>"), (400.0 * chance.share()) as u64);
            }
            Slice {
                at_ms: f64::from(at) * 100.0,
                length_ms: 100.0,
                started: 3,
                finished: 3,
                failed: u64::from(at % 500 == 0),
                tokens: 100,
                in_flight: 40,
                first_token: Some([chance.latency(0.02), chance.latency(40.0), chance.latency(90_000.0)]),
                inter_token: (at % 3 == 0).then_some([f64::NAN, f64::INFINITY, 1e300]),
                tokens_by_node,
            }
        })
        .collect();
    let share = |node| (format!("node-{node:03}<b>"), NodeShare { requests: node, tokens: node * 100 });
    report.nodes = (0..100).map(share).collect();
    report.errors = (0..80).map(|at| (format!("{name}{at}"), at * at)).collect();
    report.events = (0..120)
        .map(|at| Event {
            at_ms: f64::from(at) * 5_000.0,
            until_ms: None,
            kind: name.to_owned(),
            what: name.to_owned(),
            node: Some(name.to_owned()),
            failed: None,
            recovered_ms: (at % 2 == 0).then_some(2_000.0),
            resumed: Some(u64::MAX),
        })
        .collect();
    if let Some(server) = &mut report.server {
        let points = |at: u32| (0..5_000).map(|time| (f64::from(time) * 100.0, f64::from(at))).collect();
        server.series.extend((0..60).map(|at| (format!("{name}_{at}{{node=\"{name}\"}}"), points(at))));
    }
    report
}

fn asked(model: &str, per_second: f64, seconds: usize) -> Asked {
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Asked {
        started_at_ms: 1_795_305_849_500,
        command: format!(
            "pomona loadtest run --url https://pomona.local:8443 --model {model} --rate {per_second} --duration {seconds}s \
             --prompt 20-200 --output 64 --seed 7 --slo slo.toml --html run.html --json run.json"
        ),
        url: "https://pomona.local:8443".into(),
        model: model.into(),
        versions: pairs(&[("loadtest", "0.1.0"), ("gateway", "0.1.0")]),
        machine: pairs(&[
            ("processor", "Apple M4 Pro"),
            ("cores", "14"),
            ("memory", "48 GB"),
            ("system", "macOS 26.1"),
        ]),
        seed: 7,
        load: format!(
            "Poisson {per_second}/s for {seconds} s, prompts of 20–200 words, answers of 64 tokens"
        ),
        rate: Some(per_second),
    }
}

fn objective(name: &str, bound: f64, seen: f64) -> Objective {
    Objective { name: name.into(), bound, seen, unit: "ms".into(), is_met: seen <= bound }
}

fn summary(mut values: Vec<f64>) -> Summary {
    values.sort_by(f64::total_cmp);
    let Some(max) = values.last().copied() else { return Summary::default() };
    let at = |percent: f64| {
        let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
        values[rank.clamp(1, values.len()) - 1]
    };
    let steps = (0..=200).map(|step| 100.0 - 100.0 * 10f64.powf(-f64::from(step) / 40.0));
    let mut curve: Vec<_> = steps.map(|percent| (percent, at(percent))).collect();
    curve.push((100.0, max));
    Summary {
        count: values.len() as u64,
        mean: values.iter().sum::<f64>() / values.len() as f64,
        p50: at(50.0),
        p90: at(90.0),
        p95: at(95.0),
        p99: at(99.0),
        p999: at(99.9),
        max,
        curve,
    }
}

impl Run {
    fn report(&self, model: &str, seed: u64) -> Report {
        let mut chance = Chance(seed);
        let (mut first_tokens, mut ends, mut gaps, mut timeline) = (vec![], vec![], vec![], vec![]);
        let mut nodes: BTreeMap<String, NodeShare> = BTreeMap::new();
        let mut errors = BTreeMap::new();
        for second in 0..self.seconds {
            let slice = self.slice(second, &mut chance, (&mut first_tokens, &mut gaps));
            for (node, tokens) in &slice.tokens_by_node {
                let share = nodes.entry(node.clone()).or_default();
                *share = NodeShare { requests: share.requests + tokens / 64, tokens: share.tokens + tokens };
            }
            if slice.failed > 0 {
                *errors.entry("overloaded".to_owned()).or_insert(0) += slice.failed;
            }
            timeline.push(slice);
        }
        ends.extend(first_tokens.iter().map(|first_token| first_token + 64.0 * (self.gap)(0)));
        let sum = |of: fn(&Slice) -> u64| timeline.iter().map(of).sum::<u64>();
        let (sent, finished, failed) =
            (sum(|slice| slice.started), sum(|slice| slice.finished), sum(|slice| slice.failed));
        let (tokens, seconds) = (sum(|slice| slice.tokens), self.seconds as f64);
        let later = |values: &[f64]| summary(values.iter().map(|value| value * 0.97).collect());
        let totals = Totals {
            planned: sent,
            sent,
            finished,
            failed,
            tokens,
            seconds,
            requests_per_second: finished as f64 / seconds,
            tokens_per_second: tokens as f64 / seconds,
            in_flight_max: timeline.iter().map(|slice| slice.in_flight).max().unwrap_or(0),
            stalls: 3,
            ..Totals::default()
        };
        Report {
            version: VERSION,
            asked: asked(model, self.per_second, self.seconds),
            verdict: Verdict { invalid: vec![], objectives: vec![], budget_used: None, is_within: true },
            totals,
            from_sent: Latencies { first_token: later(&first_tokens), end_to_end: later(&ends) },
            per_output_token: summary(gaps.iter().step_by(8).copied().collect()),
            queue_wait: summary(first_tokens.iter().map(|first_token| first_token / 20.0).collect()),
            from_intended: Latencies { first_token: summary(first_tokens), end_to_end: summary(ends) },
            inter_token: summary(gaps),
            timeline,
            events: vec![],
            errors,
            integrity: Integrity::default(),
            nodes,
            server: Some(self.server(&mut chance)),
            generator: Generator {
                lag: summary((0..1_000).map(|at| 0.05 + f64::from(at % 40) / 200.0).collect()),
                cpu_share: 0.07,
                dropped: 0,
            },
        }
    }

    fn slice(
        &self,
        second: usize,
        chance: &mut Chance,
        (all, all_gaps): (&mut Vec<f64>, &mut Vec<f64>),
    ) -> Slice {
        let started = (self.per_second * (0.75 + 0.5 * chance.share())).round() as u64;
        let failed = (started as f64 * (self.fails)(second)).round() as u64;
        let first_tokens: Vec<_> =
            (0..started - failed).map(|_| chance.latency((self.first_token)(second))).collect();
        let gaps: Vec<_> = (0..started * 8).map(|_| chance.latency((self.gap)(second))).collect();
        let three = |values: &[f64]| {
            let summary = summary(values.to_vec());
            (summary.count > 0).then_some([summary.p50, summary.p95, summary.p99])
        };
        let working: Vec<_> = self.nodes.iter().filter(|node| (self.works)(node, second)).collect();
        let parts: Vec<_> = working.iter().map(|_| 0.8 + 0.4 * chance.share()).collect();
        let tokens = (started - failed) * 64;
        let part = |part: &f64| (tokens as f64 * part / parts.iter().sum::<f64>()) as u64;
        let tokens_by_node: BTreeMap<_, _> =
            working.iter().zip(&parts).map(|(node, share)| ((**node).to_owned(), part(share))).collect();
        let slice = Slice {
            at_ms: second as f64 * 1e3,
            length_ms: 1e3,
            started,
            finished: started - failed,
            failed,
            tokens: tokens_by_node.values().sum(),
            in_flight: (started as f64 * ((self.first_token)(second) / 1e3 + 1.2)).round() as u64,
            first_token: three(&first_tokens),
            inter_token: three(&gaps),
            tokens_by_node,
        };
        all.extend(first_tokens);
        all_gaps.extend(gaps);
        slice
    }

    fn server(&self, chance: &mut Chance) -> Server {
        let mut series = |name: String, of: &dyn Fn(f64) -> f64| {
            let points = (0..self.seconds)
                .map(|second| (second as f64 * 1e3, of(second as f64) * (0.9 + 0.2 * chance.share())));
            (name, points.collect())
        };
        let mut all: BTreeMap<_, _> = BTreeMap::from([
            series("gateway_cpu_cores".into(), &|_| 0.021),
            series("gateway_memory_bytes".into(), &|second| 38e6 + 2e4 * second),
            series("gateway_tokio_lag_seconds".into(), &|_| 0.000_18),
        ]);
        all.extend(self.nodes.iter().map(|node| {
            series(format!("node_memory_bytes{{node=\"{node}\"}}"), &|_| {
                if *node == "mac-studio" { 21.4e9 } else { 9.1e9 }
            })
        }));
        all.extend(self.nodes.iter().map(|node| {
            series(format!("node_running_turns{{node=\"{node}\"}}"), &|_| {
                self.per_second / self.nodes.len() as f64
            })
        }));
        Server { cpu_us_per_request: Some(212.0), cpu_us_per_token: Some(17.4), series: all }
    }
}
