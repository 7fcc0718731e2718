//! The few forms that plots are made of. Horizontal places are texts, since they are percentages of a width that only the
//! page knows; vertical ones are points from the top.

use std::fmt::Display;

use crate::markup::Markup;

/// A straight line from (x, y) to (x, y).
pub(super) fn line(markup: &mut Markup, class: &str, from: (&str, f64), to: (&str, f64)) {
    let ends: [(&str, &dyn Display); 5] =
        [("class", &class), ("x1", &from.0), ("y1", &from.1), ("x2", &to.0), ("y2", &to.1)];
    markup.empty("line", &ends);
}

/// A vertical line.
pub(super) fn upright(markup: &mut Markup, class: &str, x: &str, top: f64, bottom: f64) {
    line(markup, class, (x, top), (x, bottom));
}

/// A horizontal line over the whole width.
pub(super) fn level(markup: &mut Markup, class: &str, y: f64) {
    line(markup, class, ("0", y), ("100%", y));
}

/// A text, `right` points right of x, its foot at y.
pub(super) fn text(markup: &mut Markup, class: &str, (x, right, y): (&str, f64, f64), text: &str) {
    let place: [(&str, &dyn Display); 4] = [("class", &class), ("x", &x), ("dx", &right), ("y", &y)];
    markup.element("text", &place, text);
}

/// A rectangle with its top left corner at (x, y).
pub(super) fn area(markup: &mut Markup, class: &str, fill: &str, at: (&str, f64), size: (&str, f64)) {
    let form: [(&str, &dyn Display); 6] = [
        ("class", &class),
        ("fill", &fill),
        ("x", &at.0),
        ("y", &at.1),
        ("width", &size.0),
        ("height", &size.1),
    ];
    markup.empty("rect", &form);
}

/// A round spot.
pub(super) fn spot(markup: &mut Markup, class: &str, (x, y): (&str, f64), radius: f64) {
    let form: [(&str, &dyn Display); 4] = [("class", &class), ("cx", &x), ("cy", &y), ("r", &radius)];
    markup.empty("circle", &form);
}
