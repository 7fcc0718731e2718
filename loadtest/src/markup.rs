//! Markup that is well-formed by its making: text comes in as text and is escaped here, and nowhere else. HTML is written
//! as XML, so that any parser of either reads it.

use std::fmt::{Display, Write};

/// What stands for a character that no document may hold, or that would turn the text around it.
const REPLACEMENT: char = '\u{fffd}';

/// Attributes in the order in which they are written.
pub(crate) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// A document or a part of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Markup(String);

impl Markup {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An XML document, its declaration written.
    pub(crate) fn xml() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    /// An HTML document, its declaration written.
    pub(crate) fn html() -> Self {
        Self("<!DOCTYPE html>\n".to_owned())
    }

    /// Begins an element.
    pub(crate) fn open(&mut self, tag: &'static str, attributes: Attributes) {
        self.begin(tag, attributes);
        self.0.push('>');
    }

    /// Ends an element.
    pub(crate) fn close(&mut self, tag: &'static str) {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        if !is_inline(tag) {
            self.0.push('\n');
        }
    }

    /// An element without content.
    pub(crate) fn empty(&mut self, tag: &'static str, attributes: Attributes) {
        self.begin(tag, attributes);
        self.0.push_str("/>");
    }

    /// An element with text alone.
    pub(crate) fn element(&mut self, tag: &'static str, attributes: Attributes, text: &str) {
        self.open(tag, attributes);
        self.text(text);
        self.close(tag);
    }

    /// Text between elements.
    pub(crate) fn text(&mut self, text: &str) {
        escape(text, &mut self.0);
    }

    /// Elements that were made elsewhere.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.push_str(&other.0);
    }

    /// Style or script of our own, which holds no `<` and no `&`.
    pub(crate) fn verbatim(&mut self, own: &'static str) {
        debug_assert!(!own.contains(['<', '&']), "this would have to be escaped");
        self.0.push_str(own);
    }

    /// All of it.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    fn begin(&mut self, tag: &'static str, attributes: Attributes) {
        self.0.push('<');
        self.0.push_str(tag);
        let mut value = String::new();
        for (name, shown) in attributes {
            value.clear();
            write!(value, "{shown}").expect("invariant: a string takes all that is written");
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(&value, &mut self.0);
            self.0.push('"');
        }
    }
}

/// Elements after which a new line would be a blank in the text.
fn is_inline(tag: &str) -> bool {
    matches!(
        tag,
        "a" | "b" | "bdi" | "code" | "span" | "strong" | "text" | "th" | "td" | "summary" | "output"
    )
}

fn escape(text: &str, to: &mut String) {
    for character in text.chars() {
        match character {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            character => to.push(if is_harmful(character) { REPLACEMENT } else { character }),
        }
    }
}

/// Whether a character may break a document or a terminal, or change the direction of the text behind it.
pub(crate) fn is_harmful(character: char) -> bool {
    let is_control = character.is_control() && !matches!(character, '\t' | '\n');
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_no_character =
        matches!(character, '\u{fdd0}'..='\u{fdef}') || u32::from(character) & 0xfffe == 0xfffe;
    is_control || turns || is_no_character
}

/// A foreign text for one line of a terminal: nothing harmful, no new line, at most so many characters.
pub(crate) fn one_line(text: &str, characters_max: usize) -> String {
    let clean = |character: char| match character {
        '\t' | '\n' => ' ',
        character if is_harmful(character) => REPLACEMENT,
        character => character,
    };
    let mut line: String = text.chars().take(characters_max).map(clean).collect();
    if text.chars().nth(characters_max).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut markup = Markup::new();
        markup.element("b", &[("title", &"\"><script>")], "<img src=x onerror='a&b'>");
        let expected =
            "<b title=\"&quot;&gt;&lt;script&gt;\">&lt;img src=x onerror=&#39;a&amp;b&#39;&gt;</b>";
        assert_eq!(markup.into_string(), expected);
    }

    #[test]
    fn characters_that_turn_or_break_are_replaced() {
        let mut markup = Markup::new();
        markup.text("a\u{202e}b\u{0}c\u{ffff}d\u{1b}[31m");
        assert_eq!(markup.into_string(), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}[31m");
    }

    #[test]
    fn a_long_name_is_cut_to_its_limit() {
        assert_eq!(one_line("abc\ndef", 7), "abc def");
        assert_eq!(one_line("abcdefgh", 4), "abc…");
        assert_eq!(one_line("a\u{1b}[2J", 9), "a\u{fffd}[2J");
    }
}
