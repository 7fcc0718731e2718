//! What one sees first: what was tested, the verdict in words, and the few figures that people ask for.

use crate::markup::{Markup, one_line};
use crate::report::{Report, Summary};
use crate::words::verdict::{self, Mark, Statement};
use crate::words::{clock, number};

use super::icon;

/// Longest name of a model in the heading.
const MODEL_CHARACTERS_MAX: usize = 80;

/// The opening of the page of one run.
pub(super) fn opening(report: &Report) -> Markup {
    let asked = &report.asked;
    let mut markup = Markup::new();
    markup.open("h1", &[]);
    markup.text("Load test of ");
    markup.element("bdi", &[], &one_line(&asked.model, MODEL_CHARACTERS_MAX));
    markup.close("h1");
    markup.element("p", &[("class", &"lede")], &asked.load);
    let from = format!("{} · {}", asked.url, clock::people(asked.started_at_ms));
    markup.element("p", &[("class", &"note")], &from);
    verdict(&mut markup, verdict::in_one_sentence(report), &verdict::statements(report));
    markup.open("dl", &[("class", &"tiles")]);
    latency_tiles(&mut markup, report);
    count_tiles(&mut markup, report);
    markup.close("dl");
    markup
}

/// A verdict: one sentence for all, then each answer with what it rests on.
pub(super) fn verdict(markup: &mut Markup, sentence: &str, statements: &[Statement]) {
    let is_bad = statements.iter().any(|statement| statement.mark == Mark::Bad);
    let class = if is_bad { "verdict bad" } else { "verdict good" };
    markup.open("section", &[("class", &class), ("aria-label", &"Verdict")]);
    markup.element("p", &[("class", &"sentence")], sentence);
    markup.open("ul", &[("class", &"statements")]);
    for statement in statements {
        markup.open("li", &[]);
        icon::mark(markup, statement.mark);
        markup.open("div", &[]);
        markup.element("strong", &[], &statement.headline);
        for reason in &statement.reasons {
            markup.element("p", &[], reason);
        }
        markup.close("div");
        markup.close("li");
    }
    markup.close("ul");
    markup.close("section");
}

/// One figure with its name above and what explains it below.
pub(super) fn tile(markup: &mut Markup, name: &str, figure: &str, below: &str) {
    markup.open("div", &[]);
    markup.element("dt", &[], name);
    markup.element("dd", &[("class", &"figure")], figure);
    markup.element("dd", &[("class", &"below")], below);
    markup.close("div");
}

fn latency_tiles(markup: &mut Markup, report: &Report) {
    let tiles: [(&str, &Summary); 3] = [
        ("First token, p95", &report.from_intended.first_token),
        ("Between tokens, p95", &report.inter_token),
        ("End to end, p95", &report.from_intended.end_to_end),
    ];
    for (name, summary) in tiles {
        if summary.count == 0 {
            tile(markup, name, number::NONE, "nothing was measured");
            continue;
        }
        let [p50, p95, p99] = [summary.p50, summary.p95, summary.p99].map(number::duration);
        tile(markup, name, &p95, &format!("p50 {p50}, p99 {p99}"));
    }
}

fn count_tiles(markup: &mut Markup, report: &Report) {
    let totals = &report.totals;
    let (finished, sent) = (number::count(totals.finished), number::count(totals.sent));
    let per_second = number::figure(totals.requests_per_second);
    let rate = match report.asked.rate {
        Some(rate) => format!("of {}/s wanted; {finished} of {sent} finished", number::figure(rate)),
        None => format!("{finished} of {sent} finished"),
    };
    tile(markup, "Requests", &format!("{per_second}/s"), &rate);
    let tokens = format!("{} in {}", number::count(totals.tokens), number::duration(totals.seconds * 1e3));
    tile(markup, "Tokens", &format!("{}/s", number::figure(totals.tokens_per_second)), &tokens);
    let failed = number::things(totals.failed, "request");
    let cancelled = number::count(totals.cancelled);
    let mut below = failed;
    if let Some(used) = report.verdict.budget_used {
        below.push_str(&format!("; {} of the error budget", number::share(used)));
    }
    if totals.cancelled > 0 {
        below.push_str(&format!("; {cancelled} cancelled as planned"));
    }
    tile(markup, "Failed", &number::share_of(totals.failed, totals.sent), &below);
    if let Some(goodput) = totals.goodput {
        let good = format!("{}/s", number::figure(goodput));
        let tokens = totals.goodput_tokens.map(|tokens| format!(", {} tokens/s", number::figure(tokens)));
        let below = format!("requests within all objectives{}", tokens.unwrap_or_default());
        tile(markup, "Goodput", &good, &below);
    }
    let stalls = number::things(totals.stalls, "stall");
    tile(markup, "At once", &number::count(totals.in_flight_max), &format!("requests at most; {stalls}"));
}
