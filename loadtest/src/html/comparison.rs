//! The page of a comparison: each figure's ratio of B to A with its confidence interval, as a forest plot.

use crate::markup::Markup;
use crate::report::comparison::{Compared, ComparisonReport, Ratio};
use crate::words::{number, studies, verdict};

use super::document::{self, Section};
use super::frame::percent;
use super::levels::{command, draw_sign, heading};
use super::pen;
use super::scale::{Scale, sane};
use super::table::{Cell, Table};

/// Height of one figure's row, in points: its name, and under it its interval.
const ROW: f64 = 46.0;
/// Room above the first row, for the words of the axis.
const HEAD: f64 = 34.0;
/// Ratios beyond are drawn at the edge.
const RATIO_MAX: f64 = 100.0;

/// The page of a comparison.
pub(super) fn comparison(report: &ComparisonReport) -> String {
    let mut opening = heading("Comparison", report.b.as_ref(), &studies::comparison(report));
    for (side, asked) in [("A, what is there", &report.a), ("B, what is judged", &report.b)] {
        let url = asked.as_ref().map_or(number::NONE, |asked| asked.url.as_str());
        opening.element("p", &[], &format!("{side}: {url}"));
    }
    let mut asked = command(report.a.as_ref());
    asked.append(command(report.b.as_ref()));
    let sections = vec![
        Section::new("ratios", "B over A", forest(report)),
        Section::new("figures", "Figures", figures(report)),
        Section::new("asked", "How it was measured", asked),
    ];
    document::document("Comparison", opening, sections)
}

fn forest(report: &ComparisonReport) -> Markup {
    let rows: Vec<_> =
        report.figures.iter().filter_map(|figure| Some((figure, figure.of_medians?))).collect();
    if rows.is_empty() {
        return super::paragraph("No figure was measured on both sides.");
    }
    let mut markup = Markup::new();
    let height = HEAD + ROW * rows.len() as f64 + 24.0;
    markup.open("figure", &[("class", &"plot forest"), ("id", &"forest")]);
    markup.open("figcaption", &[]);
    markup.element("strong", &[], "Ratio of medians, B over A");
    let confidence = number::share(report.confidence);
    markup.element(
        "span",
        &[("class", &"unit")],
        &format!(" with {confidence} confidence intervals, logarithmic"),
    );
    markup.close("figcaption");
    markup.open(
        "svg",
        &[
            ("class", &"chart"),
            ("height", &height),
            ("role", &"img"),
            ("aria-labelledby", &"forest-title forest-words"),
        ],
    );
    markup.element("title", &[("id", &"forest-title")], "Ratios of B over A");
    let words: Vec<_> =
        rows.iter().map(|(figure, _)| format!("{}: {}.", figure.name, studies::ratio(figure))).collect();
    markup.element("desc", &[("id", &"forest-words")], &words.join(" "));
    let x = axis(&rows);
    draw_axis(&mut markup, &x, height);
    for (position, (figure, ratio)) in rows.iter().enumerate() {
        draw_row(&mut markup, &x, HEAD + ROW * position as f64, figure, *ratio);
    }
    markup.close("svg");
    let note = "An interval that does not touch 1 is more than chance, if the test in the table agrees. A spot is better, a \
                cross worse, a ring neither.";
    markup.element("p", &[("class", &"note")], note);
    markup.close("figure");
    markup
}

/// As far to the left of 1 as to the right, so that twice and half are equally far away.
fn axis(rows: &[(&Compared, Ratio)]) -> Scale {
    let ends = rows.iter().flat_map(|(_, ratio)| [ratio.low, ratio.high, ratio.value]).filter_map(sane);
    let farthest = ends.filter(|end| *end > 0.0).map(|end| end.max(1.0 / end)).fold(1.1, f64::max);
    Scale::around_one(farthest.min(RATIO_MAX))
}

fn draw_axis(markup: &mut Markup, x: &Scale, height: f64) {
    let bottom = height - 20.0;
    for tick in &x.ticks {
        let place = percent(tick.at);
        let class = if tick.label == "1" { "pin" } else { "grid" };
        pen::upright(markup, class, &place, HEAD - 12.0, bottom);
        pen::text(markup, "tick middle", (&place, 0.0, height - 5.0), &tick.label);
    }
    pen::text(markup, "tick", ("0", 0.0, 12.0), "← B has less");
    pen::text(markup, "tick end", ("100%", 0.0, 12.0), "B has more →");
}

fn draw_row(markup: &mut Markup, x: &Scale, top: f64, figure: &Compared, ratio: Ratio) {
    let (mark, said) = studies::difference(figure.difference);
    let [value, low, high] = [ratio.value, ratio.low, ratio.high].map(number::figure);
    pen::text(markup, "halo", ("0", 0.0, top + 10.0), &figure.name);
    let numbers = format!("{value} ({low} to {high}), {said}");
    pen::text(markup, "halo end", ("100%", 0.0, top + 10.0), &numbers);
    let y = top + 25.0;
    let [from, to] = [ratio.low, ratio.high].map(|end| percent(x.place(end)));
    pen::line(markup, "interval", (&from, y), (&to, y));
    for end in [&from, &to] {
        pen::upright(markup, "interval", end, y - 5.0, y + 5.0);
    }
    draw_sign(markup, mark, (&percent(x.place(ratio.value)), y));
}

fn figures(report: &ComparisonReport) -> Markup {
    let heads = ["Figure", "A, median", "B, median", "B over A", "Interval", "p value", "Better is", "B is"];
    let mut table = Table::of_words(format!("Figures of both sides, {} rounds", report.rounds), &heads);
    for figure in &report.figures {
        let [a, b] = [&figure.a, &figure.b].map(|values| verdict::with_unit(median(values), &figure.unit));
        let (mark, said) = studies::difference(figure.difference);
        let interval =
            figure.of_medians.map(|ratio| [ratio.low, ratio.high].map(number::figure).join(" to "));
        table.push(vec![
            Cell::Words(figure.name.clone()),
            Cell::Words(a),
            Cell::Words(b),
            Cell::Words(number::maybe(figure.of_medians.map(|ratio| ratio.value))),
            Cell::Words(interval.unwrap_or_else(|| number::NONE.to_owned())),
            Cell::Words(number::trimmed(figure.p_value, 4)),
            Cell::Words(if figure.is_less_better { "less" } else { "more" }.to_owned()),
            Cell::Marked(mark, said.to_owned()),
        ]);
    }
    let mut markup = Markup::new();
    table.draw(&mut markup);
    markup
}

fn median(values: &[f64]) -> f64 {
    let mut sorted: Vec<_> = values.iter().copied().filter_map(sane).collect();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        (_, middle) => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[3.0, f64::NAN, 1.0, 2.0]), 2.0);
        assert!(median(&[]).is_nan());
    }
}
