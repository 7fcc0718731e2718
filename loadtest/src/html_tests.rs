//! What the style promises to eyes: letters on the page and on a raised surface have the contrast that WCAG 2.2 asks for at
//! level AA, 4.5 to 1, in both schemes; lines that carry meaning have 3 to 1.

const STYLE: &str = include_str!("html/page.css");

const LETTERS: [&str; 13] =
    ["text", "faint", "good", "wrong", "open", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
const GROUNDS: [&str; 2] = ["ground", "raised"];

/// Colour of a variable in the first `:root` behind the mark.
fn colour(scheme: &str, name: &str) -> [f64; 3] {
    let style = &STYLE[STYLE.find(scheme).expect(scheme)..];
    let from = style.find(&format!("--{name}: #")).expect(name) + name.len() + 5;
    [0, 2, 4].map(|at| {
        let hex = &style[from + at..from + at + 2];
        f64::from(u8::from_str_radix(hex, 16).expect(hex)) / 255.0
    })
}

/// Relative luminance as WCAG 2.2 defines it.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear =
        colour.map(|part| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn letters_can_be_read_in_both_schemes() {
    for scheme in [":root", "(prefers-color-scheme: dark)"] {
        for ground in GROUNDS {
            for letters in LETTERS {
                let seen = contrast(colour(scheme, letters), colour(scheme, ground));
                assert!(seen >= 4.5, "--{letters} on --{ground} in {scheme}: {seen:.2}");
            }
            let edge = contrast(colour(scheme, "edge"), colour(scheme, ground));
            assert!(edge >= 3.0, "--edge on --{ground} in {scheme}: {edge:.2}");
        }
    }
}

#[test]
fn contrast_is_that_of_the_standard() {
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
    assert!((contrast([0.467; 3], [1.0; 3]) - 4.48).abs() < 0.03);
}
