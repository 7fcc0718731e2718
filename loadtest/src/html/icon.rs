//! Small drawings in a line of text: signs of a verdict, samples of lines, textures of areas. Each differs from the others
//! by its form, its colour comes on top.

use std::fmt::Display;

use crate::markup::Markup;
use crate::words::verdict::Mark;

/// How many lines can be told apart without colour.
pub(super) const LINES_MAX: usize = 6;
/// How many areas can be told apart without colour.
pub(super) const TEXTURES_MAX: usize = 8;

/// Strokes of each texture in a square of eight points; the last one, of the others together, is plain.
const TEXTURES: [&str; TEXTURES_MAX] = [
    "M-2,2l4,-4M0,8l8,-8M6,10l4,-4",
    "M-2,6l4,4M0,0l8,8M6,-2l4,4",
    "M0,4h8",
    "M4,0v8",
    "M2,2h.1M6,6h.1",
    "M0,4h8M4,0v8",
    "M0,0l8,8M0,8l8,-8",
    "",
];

/// The sign of an answer; the words beside it say the same.
pub(super) fn mark(markup: &mut Markup, mark: Mark) {
    let (class, path) = match mark {
        Mark::Good => ("mark good", "M4,8.5l3,3l5.5,-7"),
        Mark::Bad => ("mark bad", "M4.5,4.5l7,7M11.5,4.5l-7,7"),
        Mark::Open => ("mark open", "M4,8h8"),
    };
    let size = 16;
    markup.open(
        "svg",
        &[
            ("class", &class),
            ("viewBox", &"0 0 16 16"),
            ("width", &size),
            ("height", &size),
            ("aria-hidden", &"true"),
        ],
    );
    match mark {
        Mark::Bad => {
            markup.empty("rect", &[("x", &".5"), ("y", &".5"), ("width", &15), ("height", &15), ("rx", &2)])
        }
        _ => markup.empty("circle", &[("cx", &8), ("cy", &8), ("r", &7.5)]),
    }
    markup.empty("path", &[("d", &path)]);
    markup.close("svg");
}

/// A piece of a line of this style.
pub(super) fn line(markup: &mut Markup, style: usize) {
    let class = line_class(style);
    markup.open("svg", &[("class", &"sample"), ("width", &30), ("height", &10), ("aria-hidden", &"true")]);
    markup.empty("path", &[("class", &class), ("d", &"M2,5h26")]);
    markup.close("svg");
}

/// A square of this texture.
pub(super) fn texture(markup: &mut Markup, texture: usize) {
    let fill = texture_fill(texture);
    markup.open("svg", &[("class", &"sample"), ("width", &16), ("height", &16), ("aria-hidden", &"true")]);
    markup.empty("rect", &[("class", &"area"), ("width", &16), ("height", &16), ("fill", &fill)]);
    markup.close("svg");
}

/// Class of a line's style.
pub(super) fn line_class(style: usize) -> String {
    format!("line line-{}", style % LINES_MAX)
}

/// Fill of an area's texture.
pub(super) fn texture_fill(texture: usize) -> String {
    format!("url(#texture-{})", texture % TEXTURES_MAX)
}

/// The textures, once per page.
pub(super) fn define_textures(markup: &mut Markup) {
    markup.open("svg", &[("class", &"definitions"), ("width", &0), ("height", &0), ("aria-hidden", &"true")]);
    markup.open("defs", &[]);
    for (at, strokes) in TEXTURES.iter().enumerate() {
        let (id, ground, stroke) =
            (format!("texture-{at}"), format!("ground ground-{at}"), format!("texture texture-{at}"));
        markup.open(
            "pattern",
            &[("id", &id), ("patternUnits", &"userSpaceOnUse"), ("width", &8), ("height", &8)],
        );
        markup.empty("rect", &[("class", &ground), ("width", &8), ("height", &8)]);
        markup.empty("path", &[("class", &stroke), ("d", strokes)]);
        markup.close("pattern");
    }
    let units: &dyn Display = &"userSpaceOnUse";
    markup.open("pattern", &[("id", &"disturbed"), ("patternUnits", units), ("width", &6), ("height", &6)]);
    markup.empty("path", &[("class", &"disturbed"), ("d", &"M-1,1l2,-2M0,6l6,-6M5,7l2,-2")]);
    markup.close("pattern");
    markup.close("defs");
    markup.close("svg");
}
