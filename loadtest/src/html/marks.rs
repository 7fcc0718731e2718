//! Events on a time axis: a numbered sign and line where a fault begins, a hatched band until the figures are as before, a
//! dashed line at its end. The numbers are those of the list of events.

use crate::markup::Markup;
use crate::report::Event;
use crate::words::number;

use super::frame::{HEIGHT, TOP, percent};
use super::pen;
use super::scale::{Scale, sane};

/// Most events that are drawn; a plot with more is a plot of events.
pub(super) const EVENTS_MAX: usize = 40;
/// Pixels of the narrowest plot's axis on a screen that has room for two beside each other.
const AXIS_PIXELS: f64 = 400.0;

/// One event on the axis, in milliseconds.
struct Mark {
    number: usize,
    at: f64,
    /// Until when the fault lasted.
    until: Option<f64>,
    /// When the figures were as before.
    recovered: Option<f64>,
}

/// The events of a run.
pub(super) struct Marks(Vec<Mark>);

impl Marks {
    /// The first [`EVENTS_MAX`] that can be drawn.
    pub(super) fn new(events: &[Event]) -> Self {
        let mark = |(position, event): (usize, &Event)| {
            let at = sane(event.at_ms)?;
            let recovered = event.recovered_ms.and_then(sane).map(|recovered| at + recovered);
            Some(Mark { number: position + 1, at, until: event.until_ms.and_then(sane), recovered })
        };
        Self(events.iter().enumerate().filter_map(mark).take(EVENTS_MAX).collect())
    }

    /// Where the last one ends, in milliseconds; 0 when there is none.
    pub(super) fn end(&self) -> f64 {
        self.0
            .iter()
            .flat_map(|mark| [Some(mark.at), mark.until, mark.recovered])
            .flatten()
            .fold(0.0, f64::max)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When they happened, for a description.
    pub(super) fn in_words(&self) -> Option<String> {
        let times: Vec<_> = self.0.iter().map(|mark| number::duration(mark.at)).collect();
        (!times.is_empty()).then(|| format!("Events at {}.", times.join(", ")))
    }

    /// On the axis `x`, behind what the plot shows.
    pub(super) fn draw(&self, markup: &mut Markup, x: &Scale) {
        for mark in &self.0 {
            self.draw_bands(markup, mark, x);
        }
        for mark in &self.0 {
            draw_line(markup, "event", x.place(mark.at));
            if let Some(recovered) = mark.recovered {
                draw_line(markup, "recovery", x.place(recovered));
            }
        }
        for sign in self.signs(x) {
            let (x, width, label) = (percent(sign.at), sign.width(), sign.label());
            let left = format!("translate({} 0)", -width / 2.0);
            markup.open("g", &[("transform", &left)]);
            pen::area(markup, "sign", "currentColor", (&x, 1.0), (&width.to_string(), 17.0));
            markup.close("g");
            pen::text(markup, "sign-number middle", (&x, 0.0, 14.0), &label);
        }
    }

    fn draw_bands(&self, markup: &mut Markup, mark: &Mark, x: &Scale) {
        let bands = [("band", mark.recovered, TOP, HEIGHT), ("lasting", mark.until, TOP - 4.0, 4.0)];
        for (class, end, y, height) in bands {
            let Some(end) = end else { continue };
            let (from, to) = (x.place(mark.at), x.place(end));
            let (at, width) = (percent(from), percent((to - from).max(0.0)));
            let fill = if class == "band" { "url(#disturbed)" } else { "currentColor" };
            pen::area(markup, class, fill, (&at, y), (&width, height));
        }
    }

    /// From left to right; signs that would meet are one, with the numbers of both.
    fn signs(&self, x: &Scale) -> Vec<Sign> {
        let mut places: Vec<_> = self.0.iter().map(|mark| (x.place(mark.at), mark.number)).collect();
        places.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let mut signs: Vec<Sign> = Vec::new();
        for (at, number) in places {
            let mut sign = Sign { at, first: number, last: number };
            // One with two numbers is wider, and may meet the sign before.
            while let Some(before) = signs.pop_if(|before| before.meets(&sign)) {
                let (first, last) = (before.first.min(sign.first), before.last.max(sign.last));
                sign = Sign { at: before.at, first, last };
            }
            signs.push(sign);
        }
        signs
    }
}

/// The numbers of events that are near each other.
struct Sign {
    at: f64,
    first: usize,
    last: usize,
}

impl Sign {
    fn label(&self) -> String {
        let Self { first, last, .. } = self;
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    }

    /// In pixels.
    fn width(&self) -> f64 {
        10.0 + 7.0 * self.label().chars().count() as f64
    }

    fn meets(&self, behind: &Self) -> bool {
        (behind.at - self.at) * AXIS_PIXELS < f64::midpoint(self.width(), behind.width())
    }
}

fn draw_line(markup: &mut Markup, class: &str, at: f64) {
    pen::upright(markup, class, &percent(at), TOP - 8.0, TOP + HEIGHT);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_ms: f64) -> Event {
        Event {
            at_ms,
            until_ms: None,
            kind: "kill".into(),
            what: "node n1 killed".into(),
            node: None,
            failed: None,
            recovered_ms: None,
            resumed: None,
        }
    }

    #[test]
    fn signs_that_would_meet_are_one() {
        let marks = Marks::new(&[event(10_000.0), event(10_500.0), event(f64::NAN), event(40_000.0)]);
        let signs = marks.signs(&Scale::for_time(60_000.0));
        let labels: Vec<_> = signs.iter().map(Sign::label).collect();
        assert_eq!(labels, ["1–2", "4"]);
    }

    #[test]
    fn many_events_have_signs_that_do_not_meet() {
        let events: Vec<_> = (0..EVENTS_MAX).map(|place| event(40_000.0 * place as f64)).collect();
        let marks = Marks::new(&events);
        let signs = marks.signs(&Scale::for_time(40_000.0 * EVENTS_MAX as f64));
        assert!(signs.len() > 4 && signs.windows(2).all(|pair| !pair[0].meets(&pair[1])));
        assert_eq!((signs[0].first, signs.last().map(|sign| sign.last)), (1, Some(EVENTS_MAX)));
        assert!(signs.windows(2).all(|pair| pair[0].last + 1 == pair[1].first));
    }
}
