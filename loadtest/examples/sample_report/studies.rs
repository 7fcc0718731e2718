//! Pages of studies that never were: a sweep past the knee, a search, a comparison, and each of them empty.

use pomona_loadtest::html;
use pomona_loadtest::report::VERSION;
use pomona_loadtest::report::comparison::{Compared, ComparisonReport, Difference, Ratio};
use pomona_loadtest::report::find::{FindEnd, FindReport, Trial};
use pomona_loadtest::report::sweep::{Figures, LevelUnit, Point, Saturation, SweepEnd, SweepReport};

use crate::samples;

/// Every page with its name.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    let empty_sweep =
        SweepReport { asked: None, points: vec![], knee: None, ended: SweepEnd::Running, ..sweep() };
    let empty_find = FindReport {
        asked: None,
        trials: vec![],
        best: None,
        too_much: None,
        ended: FindEnd::Running,
        ..find()
    };
    let empty_comparison = ComparisonReport { a: None, b: None, figures: vec![], ..comparison() };
    vec![
        ("sweep", html::sweep_page(&sweep())),
        ("find", html::find_page(&find())),
        ("comparison", html::comparison_page(&comparison())),
        ("sweep-empty", html::sweep_page(&empty_sweep)),
        ("find-empty", html::find_page(&empty_find)),
        ("comparison-empty", html::comparison_page(&empty_comparison)),
    ]
}

/// What nodes that can do 80 requests per second give at a rate: waiting grows as 1/(1 − load).
fn figures(rate: f64) -> Figures {
    let done = rate.min(78.0);
    let slower = 1.0 / (1.0 - (rate / 82.0).min(0.985));
    let three = |median: f64| [median * slower, median * slower * 1.9, median * slower * 3.1];
    Figures {
        requests_per_second: done,
        tokens_per_second: done * 64.0,
        goodput: Some(if slower < 3.0 { done } else { done / slower }),
        first_token: three(60.0),
        inter_token: three(14.0),
        end_to_end: three(960.0),
        end_to_end_mean: 1_050.0 * slower,
        in_flight_max: (rate * slower) as u64,
        error_share: if rate > 80.0 { 0.04 } else { 0.0 },
    }
}

fn sweep() -> SweepReport {
    let point = |level: f64| Point {
        level,
        figures: figures(level),
        saturation: Saturation {
            is_over: level > 80.0,
            in_flight_rise: Some(0.1),
            in_flight_p: Some(0.4),
            first_token_rise: Some(0.0),
            first_token_p: Some(0.5),
            error_share: figures(level).error_share,
        },
        invalid: if level == 45.3 { vec!["Requests left up to 4 ms late.".into()] } else { vec![] },
        is_within: level < 60.0,
    };
    let levels = [4.0, 5.66, 8.0, 11.3, 16.0, 22.6, 32.0, 45.3, 54.0, 64.0, 76.0, 90.5];
    SweepReport {
        version: VERSION,
        asked: Some(samples::quiet().asked),
        unit: LevelUnit::PerSecond,
        points: levels.map(point).to_vec(),
        knee: Some(8),
        ended: SweepEnd::OverSaturated,
    }
}

fn find() -> FindReport {
    let trial = |(at, level): (usize, f64)| Trial {
        level,
        repeat: (at % 3) as u32,
        is_within: level < 58.0,
        missed: if level < 58.0 { vec![] } else { vec!["ttft p95".into(), "itl p99".into()] },
        invalid: if at == 5 { vec!["The generator lagged.".into()] } else { vec![] },
        figures: figures(level),
    };
    let levels = [10.0, 10.0, 80.0, 80.0, 45.0, 45.0, 45.0, 62.5, 62.5, 53.8, 53.8, 58.1, 58.1, 56.0, 56.0];
    FindReport {
        version: VERSION,
        asked: Some(samples::quiet().asked),
        unit: LevelUnit::PerSecond,
        best: Some(56.0),
        too_much: Some(58.1),
        trials: levels.into_iter().enumerate().map(trial).collect(),
        ended: FindEnd::Found,
    }
}

fn comparison() -> ComparisonReport {
    let figure =
        |name: &str, unit: &str, is_less_better: bool, median: f64, ratio: (f64, f64, f64), difference| {
            let ratio = Ratio { value: ratio.0, low: ratio.1, high: ratio.2 };
            Compared {
                name: name.to_owned(),
                unit: unit.to_owned(),
                is_less_better,
                a: vec![median * 0.98, median, median * 1.03, median * 0.99, median * 1.01],
                b: vec![median * ratio.low, median * ratio.value, median * ratio.high],
                of_medians: (median > 0.0).then_some(ratio),
                of_means: None,
                p_value: if difference == Difference::None { 0.42 } else { 0.008 },
                difference,
                is_failed: difference == Difference::Worse,
            }
        };
    let figures = vec![
        figure("first token p50", "ms", true, 62.0, (0.81, 0.78, 0.85), Difference::Better),
        figure("first token p95", "ms", true, 118.0, (0.74, 0.66, 0.83), Difference::Better),
        figure("first token p99", "ms", true, 190.0, (0.91, 0.7, 1.2), Difference::None),
        figure("inter token p50", "ms", true, 14.2, (1.0, 0.99, 1.01), Difference::None),
        figure("inter token p99", "ms", true, 31.0, (1.12, 1.06, 1.19), Difference::Worse),
        figure("error share", "share", true, 0.0, (1.0, 1.0, 1.0), Difference::None),
        figure("cpu per request", "us", true, 54.0, (0.62, 0.6, 0.65), Difference::Better),
        figure("cpu per token", "us", true, 22.0, (0.79, 0.77, 0.8), Difference::Better),
        figure("requests", "per s", false, 20.0, (1.0, 0.998, 1.002), Difference::None),
        figure("tokens", "per s", false, 1_280.0, (1.01, 0.99, 1.02), Difference::None),
    ];
    let mut b = samples::quiet().asked;
    b.url = "https://other.local:8443".into();
    ComparisonReport {
        version: VERSION,
        a: Some(samples::quiet().asked),
        b: Some(b),
        rounds: 5,
        confidence: 0.95,
        figures,
        fail_if: Some(0.05),
        is_failed: true,
        invalid: vec![],
    }
}
