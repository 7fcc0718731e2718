//! What one needs to judge a run and to repeat it: command, load, seed, versions, machines, and how the generator did.

use crate::markup::Markup;
use crate::report::Report;
use crate::words::{clock, number};

use super::table::{Cell, Table};

/// Set-up and generator.
pub(super) fn asked(report: &Report) -> Markup {
    let mut markup = Markup::new();
    let asked = &report.asked;
    markup.element("p", &[], "This command makes the same requests again:");
    markup.open("pre", &[("tabindex", &0)]);
    markup.element("code", &[], &asked.command);
    markup.close("pre");
    let mut table = Table::of_words("Set-up", &["What", "Value"]);
    let mut push = |name: String, value: String| table.push(vec![Cell::Words(name), Cell::Words(value)]);
    push("Started".to_owned(), clock::people(asked.started_at_ms));
    push("Gateway".to_owned(), asked.url.clone());
    push("Model".to_owned(), asked.model.clone());
    push("Load".to_owned(), asked.load.clone());
    let rate = |rate: f64| format!("{} requests/s", number::figure(rate));
    push("Rate wanted".to_owned(), asked.rate.map_or_else(|| "closed loop".to_owned(), rate));
    push("Seed".to_owned(), asked.seed.to_string());
    asked.versions.iter().for_each(|(name, value)| push(format!("Version of {name}"), value.clone()));
    asked.machine.iter().for_each(|(name, value)| push(format!("Generator’s {name}"), value.clone()));
    generator(report).into_iter().for_each(|(name, value)| push(name.to_owned(), value));
    table.draw(&mut markup);
    markup
}

fn generator(report: &Report) -> Vec<(&'static str, String)> {
    let generator = &report.generator;
    let mut rows = vec![
        ("Generator’s processor use", format!("{} of its machine", number::share(generator.cpu_share))),
        ("Requests that never left", number::count(generator.dropped)),
        ("Requests planned, sent", {
            let [planned, sent] = [report.totals.planned, report.totals.sent].map(number::count);
            format!("{planned}, {sent}")
        }),
    ];
    if generator.lag.count > 0 {
        let [p50, p99, max] = [generator.lag.p50, generator.lag.p99, generator.lag.max].map(number::duration);
        rows.push(("Requests left late by", format!("p50 {p50}, p99 {p99}, at most {max}")));
    }
    rows
}
