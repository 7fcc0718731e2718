//! What all plots have around them: a caption, a drawing with title and description, axes and grid, marks of events, a legend
//! and the table of the same values. What is inside is drawn by the caller.
//!
//! A drawing has no width of its own: horizontal places are percentages and heights are points, so that lines stretch with
//! the page and letters do not. Only paths need numbers; they lie in an inner drawing that is stretched, whose strokes
//! are not.

use crate::markup::Markup;

use super::icon;
use super::marks::Marks;
use super::pen;
use super::scale::Scale;
use super::table::Table;

/// Height of the area between the axes, in points.
pub(super) const HEIGHT: f64 = 200.0;
/// Room above it, for the numbers of events.
pub(super) const TOP: f64 = 26.0;
/// Room below it, for the labels.
const BOTTOM: f64 = 28.0;
/// From the middle of a line of small letters down to its foot.
pub(super) const MIDDLE: f64 = 4.0;
/// Width of the inner drawing, in units that are stretched.
pub(super) const STRETCHED: f64 = 1000.0;

/// What a line of a legend shows beside its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// A line of this style.
    Line(usize),
    /// An area with this texture.
    Area(usize),
}

/// The surroundings of one plot.
pub(super) struct Frame<'a> {
    /// Unique in the page; letters, digits and hyphens.
    pub(super) id: String,
    /// What is shown.
    pub(super) title: &'a str,
    /// Unit of the vertical axis, and from where is counted.
    pub(super) unit: &'a str,
    /// The plot in sentences, for those who do not see it.
    pub(super) words: String,
    /// Horizontal axis.
    pub(super) x: &'a Scale,
    /// What the horizontal axis is; nothing for time.
    pub(super) x_name: &'a str,
    /// Vertical axis.
    pub(super) y: &'a Scale,
    /// One line each.
    pub(super) legend: Vec<(Sample, String)>,
    /// Faults and recoveries.
    pub(super) marks: Option<&'a Marks>,
    /// Whether labels beside the right end need much room.
    pub(super) has_long_labels: bool,
    /// Whether nothing was measured.
    pub(super) is_empty: bool,
    /// What must be known to read it right.
    pub(super) note: Option<String>,
    /// The same values.
    pub(super) table: Table,
}

impl Frame<'_> {
    /// The whole figure around what `inside` draws.
    pub(super) fn draw(&self, markup: &mut Markup, inside: impl FnOnce(&mut Markup)) {
        let class = if self.has_long_labels { "plot long" } else { "plot" };
        markup.open("figure", &[("class", &class), ("id", &self.id)]);
        self.draw_caption(markup);
        self.draw_legend(markup);
        markup.open("div", &[("class", &"drawing")]);
        let (title, words) = (format!("{}-title", self.id), format!("{}-words", self.id));
        let height = TOP + HEIGHT + BOTTOM;
        let named = format!("{title} {words}");
        markup.open(
            "svg",
            &[("class", &"chart"), ("height", &height), ("role", &"img"), ("aria-labelledby", &named)],
        );
        markup.element("title", &[("id", &title)], self.title);
        markup.element("desc", &[("id", &words)], &self.words);
        self.draw_vertical(markup);
        self.draw_horizontal(markup);
        if let Some(marks) = self.marks {
            marks.draw(markup, self.x);
        }
        if self.is_empty {
            pen::text(markup, "nothing", ("50%", 0.0, TOP + HEIGHT / 2.0), "Nothing was measured");
        } else {
            inside(markup);
        }
        pen::upright(markup, "cross", "0", TOP, TOP + HEIGHT);
        markup.close("svg");
        markup.close("div");
        markup.element("output", &[("class", &"readout"), ("for", &self.id)], "");
        if let Some(note) = &self.note {
            markup.element("p", &[("class", &"note")], note);
        }
        self.table.draw_folded(markup);
        markup.close("figure");
    }

    fn draw_caption(&self, markup: &mut Markup) {
        markup.open("figcaption", &[]);
        markup.element("strong", &[], self.title);
        let logarithmic = if self.y.is_logarithmic() { ", logarithmic" } else { "" };
        let over = if self.x_name.is_empty() { String::new() } else { format!(", over {}", self.x_name) };
        markup.element("span", &[("class", &"unit")], &format!(" {}{logarithmic}{over}", self.unit));
        markup.close("figcaption");
    }

    fn draw_legend(&self, markup: &mut Markup) {
        if self.legend.len() < 2 && !self.has_long_labels {
            return;
        }
        markup.open("ul", &[("class", &"legend")]);
        for (sample, name) in &self.legend {
            markup.open("li", &[]);
            match sample {
                Sample::Line(style) => icon::line(markup, *style),
                Sample::Area(texture) => icon::texture(markup, *texture),
            }
            markup.text(name);
            markup.close("li");
        }
        markup.close("ul");
    }

    fn draw_vertical(&self, markup: &mut Markup) {
        for tick in &self.y.ticks {
            let y = down(tick.at);
            pen::level(markup, if tick.at == 0.0 { "axis" } else { "grid" }, y);
            pen::text(markup, "tick end", ("0", -8.0, y + MIDDLE), &tick.label);
        }
    }

    fn draw_horizontal(&self, markup: &mut Markup) {
        let (from, to) = (TOP + HEIGHT, TOP + HEIGHT + 5.0);
        for tick in &self.x.ticks {
            let x = percent(tick.at);
            let class = if tick.is_minor { "axis roomy" } else { "axis" };
            pen::upright(markup, class, &x, from, to);
            let class = if tick.is_minor { "tick middle roomy" } else { "tick middle" };
            pen::text(markup, class, (&x, 0.0, to + 13.0), &tick.label);
        }
    }
}

/// Vertical place of a share of the axis, from the top, in points.
pub(super) fn down(share: f64) -> f64 {
    rounded(TOP + HEIGHT * (1.0 - share))
}

/// Horizontal place of a share of the axis.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", (share * 10_000.0).round() / 100.0)
}

/// One decimal, which is finer than a screen.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
