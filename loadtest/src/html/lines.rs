//! Lines over an axis: each with its own pattern of dashes and its name at its end, so that colour only helps.

use crate::markup::Markup;
use crate::words::number;

use super::frame::{Frame, HEIGHT, MIDDLE, STRETCHED, Sample, TOP, down, percent, rounded};
use super::icon;
use super::marks::Marks;
use super::pen;
use super::scale::{Scale, sane};
use super::table::Table;

/// Least distance of two names at the ends of lines, in points.
const LABEL_HEIGHT: f64 = 14.0;
/// Longest name at the end of a line.
const LABEL_CHARACTERS_MAX: usize = 16;
/// Lines of up to so many points show each as a dot; beyond, a point has one only when it stands alone.
const DOTS_MAX: usize = 24;
/// Names up to here need little room.
const LABEL_CHARACTERS_SHORT: usize = 9;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Its name.
    pub(super) name: String,
    /// Its pattern of dashes and its colour.
    pub(super) style: usize,
    /// Place on the horizontal axis and value; a `None` breaks the line.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A bound that values are held against.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    /// Where it lies on the vertical axis.
    pub(super) value: f64,
    /// What it is: `p95 at most 500 ms`.
    pub(super) name: String,
}

/// A vertical line at a place that matters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pin {
    /// Where it lies on the horizontal axis.
    pub(super) at: f64,
    /// What it is: `knee`.
    pub(super) name: String,
}

/// A plot of lines.
pub(super) struct Lines<'a> {
    /// Unique in the page.
    pub(super) id: String,
    /// What is shown.
    pub(super) title: &'a str,
    /// Unit of the values, for the caption.
    pub(super) unit: &'a str,
    /// Horizontal axis.
    pub(super) x: &'a Scale,
    /// What it is; nothing for time.
    pub(super) x_name: &'a str,
    /// Vertical axis.
    pub(super) y: Scale,
    /// At most [`icon::LINES_MAX`].
    pub(super) lines: Vec<Line>,
    /// Faults and recoveries.
    pub(super) marks: Option<&'a Marks>,
    /// Horizontal lines.
    pub(super) bounds: Vec<Bound>,
    /// Vertical lines.
    pub(super) pins: Vec<Pin>,
    /// What must be known to read it right.
    pub(super) note: Option<String>,
    /// The same values.
    pub(super) table: Table,
}

impl Lines<'_> {
    /// The figure.
    pub(super) fn draw(self, markup: &mut Markup) {
        let has_points = |line: &Line| line.points.iter().any(|(_, value)| value.and_then(sane).is_some());
        let lines: Vec<_> = self.lines.into_iter().take(icon::LINES_MAX).filter(has_points).collect();
        let longest = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
        let frame = Frame {
            id: self.id,
            title: self.title,
            unit: self.unit,
            words: in_words(&lines, self.marks),
            x: self.x,
            x_name: self.x_name,
            y: &self.y,
            legend: lines.iter().map(|line| (Sample::Line(line.style), line.name.clone())).collect(),
            marks: self.marks,
            has_long_labels: longest > LABEL_CHARACTERS_SHORT,
            is_empty: lines.is_empty(),
            note: self.note,
            table: self.table,
        };
        frame.draw(markup, |markup| {
            self.bounds.iter().for_each(|bound| draw_bound(markup, bound, &self.y));
            self.pins.iter().for_each(|pin| draw_pin(markup, pin, self.x));
            draw_paths(markup, &lines, self.x, &self.y);
            draw_names(markup, &lines, &self.y);
        });
    }
}

/// Each line with its lowest, highest and last value.
fn in_words(lines: &[Line], marks: Option<&Marks>) -> String {
    let mut sentences = Vec::new();
    for line in lines {
        let values = || line.points.iter().filter_map(|(_, value)| value.and_then(sane));
        let low = values().fold(f64::INFINITY, f64::min);
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        let last = values().next_back().unwrap_or(high);
        let [low, high, last] = [low, high, last].map(number::figure);
        sentences.push(format!("{}: from {low} to {high}, at the end {last}.", line.name));
    }
    if lines.is_empty() {
        sentences.push("Nothing was measured.".to_owned());
    }
    if let Some(words) = marks.and_then(Marks::in_words) {
        sentences.push(words);
    }
    sentences.join(" ")
}

fn draw_bound(markup: &mut Markup, bound: &Bound, y: &Scale) {
    let place = down(y.place(bound.value));
    pen::level(markup, "bound", place);
    // Under the line where there is no room above it.
    let below = if place < TOP + LABEL_HEIGHT { 13.0 } else { -5.0 };
    pen::text(markup, "tick halo", ("0", 4.0, place + below), &bound.name);
}

fn draw_pin(markup: &mut Markup, pin: &Pin, x: &Scale) {
    let share = x.place(pin.at);
    let (place, top) = (percent(share), TOP - 8.0);
    pen::upright(markup, "pin", &place, top, TOP + HEIGHT);
    let class = match share {
        share if share > 0.8 => "pin-name end",
        share if share < 0.2 => "pin-name",
        _ => "pin-name middle",
    };
    pen::text(markup, class, (&place, 0.0, top - 4.0), &pin.name);
}

fn draw_paths(markup: &mut Markup, lines: &[Line], x: &Scale, y: &Scale) {
    let box_of = format!("0 0 {STRETCHED} {HEIGHT}");
    markup.open(
        "svg",
        &[
            ("class", &"stretched"),
            ("viewBox", &box_of),
            ("preserveAspectRatio", &"none"),
            ("y", &TOP),
            ("width", &"100%"),
            ("height", &HEIGHT),
        ],
    );
    let mut dots = Vec::new();
    for line in lines {
        let mut path = String::new();
        for run in runs(line) {
            push_run(&mut path, &run, x, y);
            if run.len() == 1 || line.points.len() <= DOTS_MAX {
                dots.extend(run.iter().map(|(at, value)| (line.style, x.place(*at), y.place(*value))));
            }
        }
        markup.empty("path", &[("class", &icon::line_class(line.style)), ("d", &path)]);
    }
    markup.close("svg");
    for (style, at, value) in dots {
        pen::spot(markup, &format!("dot dot-{style}"), (&percent(at), down(value)), 3.5);
    }
}

/// Points that follow each other without a gap.
fn runs(line: &Line) -> Vec<Vec<(f64, f64)>> {
    let mut runs = vec![Vec::new()];
    for (at, value) in &line.points {
        match (value.and_then(sane), runs.last_mut()) {
            (Some(value), Some(run)) => run.push((*at, value)),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn push_run(path: &mut String, run: &[(f64, f64)], x: &Scale, y: &Scale) {
    for (position, (at, value)) in run.iter().enumerate() {
        path.push(if position == 0 { 'M' } else { 'L' });
        let place = (rounded(x.place(*at) * STRETCHED), rounded(HEIGHT * (1.0 - y.place(*value))));
        path.push_str(&format!("{},{}", place.0, place.1));
    }
}

fn draw_names(markup: &mut Markup, lines: &[Line], y: &Scale) {
    let ends = lines.iter().map(|line| {
        let last = line.points.iter().rev().find_map(|(_, value)| value.and_then(sane));
        down(y.place(last.unwrap_or(0.0)))
    });
    for (line, place) in lines.iter().zip(spread(ends.collect())) {
        let class = format!("name name-{}", line.style);
        let name = crate::markup::one_line(&line.name, LABEL_CHARACTERS_MAX);
        pen::text(markup, &class, ("100%", 7.0, place + MIDDLE), &name);
    }
}

/// The same places, moved apart as little as names need, within the area where they fit in.
pub(super) fn spread(places: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|one, other| places[*one].total_cmp(&places[*other]));
    let mut spread = places;
    let mut free = f64::NEG_INFINITY;
    for at in &order {
        spread[*at] = spread[*at].max(free);
        free = spread[*at] + LABEL_HEIGHT;
    }
    let mut free = TOP + HEIGHT;
    for at in order.iter().rev() {
        spread[*at] = spread[*at].min(free);
        free = spread[*at] - LABEL_HEIGHT;
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_meet_are_moved_apart() {
        assert_eq!(spread(vec![100.0, 101.0, 50.0]), [100.0, 114.0, 50.0]);
        let bottom = TOP + HEIGHT;
        assert_eq!(spread(vec![bottom, bottom, bottom]), [bottom - 28.0, bottom - 14.0, bottom]);
    }

    #[test]
    fn a_gap_breaks_a_line() {
        let points =
            vec![(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(f64::NAN)), (4.0, Some(3.0))];
        let line = Line { name: "p50".into(), style: 0, points };
        assert_eq!(runs(&line), [vec![(0.0, 1.0), (1.0, 2.0)], vec![(4.0, 3.0)]]);
    }
}
