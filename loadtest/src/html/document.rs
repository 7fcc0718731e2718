//! The HTML around a report: head, policy, style, opening, list of sections, sections, script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::markup::{Markup, one_line};

use super::icon;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Longest title of a window.
const TITLE_CHARACTERS_MAX: usize = 120;

/// A part of the page with a heading.
pub(super) struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

impl Section {
    /// A part with this body.
    pub(super) fn new(id: &'static str, title: &'static str, body: Markup) -> Self {
        Self { id, title, body }
    }
}

/// The whole file.
pub(super) fn document(title: &str, opening: Markup, sections: Vec<Section>) -> String {
    let mut markup = Markup::html();
    markup.open("html", &[("lang", &"en")]);
    head(&mut markup, title);
    markup.open("body", &[]);
    icon::define_textures(&mut markup);
    markup.open("header", &[]);
    markup.append(opening);
    markup.close("header");
    navigation(&mut markup, &sections);
    markup.open("main", &[]);
    for section in sections {
        let heading = format!("{}-heading", section.id);
        markup.open("section", &[("id", &section.id), ("aria-labelledby", &heading)]);
        markup.element("h2", &[("id", &heading)], section.title);
        markup.append(section.body);
        markup.close("section");
    }
    markup.close("main");
    markup.open("footer", &[]);
    markup.element(
        "p",
        &[],
        "Written by pomona loadtest. Times are UTC. One file, which asks for nothing from any network.",
    );
    markup.close("footer");
    markup.open("script", &[]);
    markup.verbatim(SCRIPT);
    markup.close("script");
    markup.close("body");
    markup.close("html");
    markup.into_string()
}

fn head(markup: &mut Markup, title: &str) {
    markup.open("head", &[]);
    markup.empty("meta", &[("charset", &"utf-8")]);
    markup.empty("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy())]);
    markup.empty("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")]);
    markup.empty("meta", &[("name", &"color-scheme"), ("content", &"light dark")]);
    markup.empty("meta", &[("name", &"referrer"), ("content", &"no-referrer")]);
    markup.element("title", &[], &one_line(title, TITLE_CHARACTERS_MAX));
    markup.open("style", &[]);
    markup.verbatim(STYLE);
    markup.close("style");
    markup.close("head");
}

/// Nothing is loaded, and only this style and this script are taken.
fn policy() -> String {
    let [style, script] = [STYLE, SCRIPT].map(|own| STANDARD.encode(Sha256::digest(own)));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )
}

fn navigation(markup: &mut Markup, sections: &[Section]) {
    markup.open("nav", &[("aria-label", &"Sections")]);
    markup.open("ul", &[]);
    for section in sections {
        markup.open("li", &[]);
        markup.element("a", &[("href", &format!("#{}", section.id))], section.title);
        markup.close("li");
    }
    markup.close("ul");
    markup.close("nav");
}
