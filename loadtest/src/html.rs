//! The result as one HTML file that needs nothing besides: no network, no font, no script to be read. It begins with the
//! verdict in words and goes on to the figures and the plots; every plot has its values as a table.
//!
//! The plots are SVG written here. Libraries of plots were looked at and left: they write colours into the drawing, so that
//! it cannot follow the reader's choice of dark or light, or need a large script to draw; and none gives titles,
//! descriptions and patterns of dashes. What is left of their work is an axis and a path.
//!
//! The file forbids itself everything but its own style and script, by their hashes. All text in it is escaped by
//! [`crate::markup`]. The script only adds values under the pointer or the arrow keys.

use crate::markup::Markup;
use crate::report::Report;
use crate::report::comparison::ComparisonReport;
use crate::report::find::FindReport;
use crate::report::sweep::SweepReport;

mod asked;
mod comparison;
mod curves;
mod document;
mod figures;
mod frame;
mod icon;
mod levels;
mod lines;
mod marks;
mod opening;
mod overtime;
mod pen;
mod scale;
mod server;
mod stack;
mod table;
mod thin;

use document::Section;
use overtime::Overtime;

/// The page of one run.
#[must_use]
pub fn page(report: &Report) -> String {
    let overtime = Overtime::new(report);
    let sections = vec![
        Section::new("figures", "Figures", figures::figures(report)),
        Section::new("events", "What happened", figures::events(report)),
        Section::new("latency", "Latency over time", overtime.latency()),
        Section::new("percentiles", "Percentiles", curves::curves(report)),
        Section::new("throughput", "Throughput", overtime.throughput()),
        Section::new("nodes", "Nodes", overtime.nodes()),
        Section::new("errors", "Errors", figures::errors(report)),
        Section::new("integrity", "Tokens lost or changed", figures::integrity(report)),
        Section::new("server", "Gateway and nodes", server::server(report, overtime.x(), overtime.marks())),
        Section::new("asked", "How it was measured", asked::asked(report)),
    ];
    document::document(&format!("Load test of {}", report.asked.model), opening::opening(report), sections)
}

/// The page of a sweep: latency and throughput over load, with the knee.
#[must_use]
pub fn sweep_page(report: &SweepReport) -> String {
    levels::sweep(report)
}

/// The page of a search for the highest load within an SLO.
#[must_use]
pub fn find_page(report: &FindReport) -> String {
    levels::find(report)
}

/// The page of a comparison of two gateways.
#[must_use]
pub fn comparison_page(report: &ComparisonReport) -> String {
    comparison::comparison(report)
}

/// A paragraph.
fn paragraph(text: &str) -> Markup {
    let mut markup = Markup::new();
    markup.element("p", &[], text);
    markup
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
