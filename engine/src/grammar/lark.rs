//! Pieces of grammars in the Lark syntax of `llguidance`: texts, marks by their id, rules with names of their own.

use serde_json::Value;

use crate::channels::AnswerFormat;
use crate::tokenizer::TokenTable;

/// Writes pieces for one model.
pub(super) struct Lark<'a> {
    tokens: &'a TokenTable,
    pub(super) format: &'a AnswerFormat,
}

/// How a mark is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A special token: `<[7]>`. No text is mistaken for it.
    Token(String),
    /// A text.
    Text(&'static str),
}

impl<'a> Lark<'a> {
    pub(super) fn new(tokens: &'a TokenTable, format: &'a AnswerFormat) -> Self {
        Self { tokens, format }
    }

    /// A mark as this model's vocabulary has it.
    pub(super) fn mark(&self, text: &'static str) -> Mark {
        let ids = 0..self.tokens.len() as u32;
        let special = ids.into_iter().find(|id| self.tokens.special_name(*id) == Some(text));
        special.map_or(Mark::Text(text), |id| Mark::Token(format!("<[{id}]>")))
    }
}

impl Mark {
    /// As a piece of a rule.
    pub(super) fn piece(&self) -> String {
        match self {
            Mark::Token(token) => token.clone(),
            Mark::Text(text) => literal(text),
        }
    }

    /// A rule of this name: anything up to the mark, and the mark.
    pub(super) fn up_to(&self, name: &str) -> String {
        match self {
            Mark::Token(token) => format!("{name}: /(?s:.+)/? {token}\n"),
            Mark::Text(text) => format!("{name}[lazy]: /(?s:.*){}/\n", escaped(text)),
        }
    }
}

/// A text as it stands.
pub(super) fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// A text as part of a regular expression between slashes.
pub(super) fn escaped(text: &str) -> String {
    const SIGNS: &str = r"\.+*?()|[]{}^$#&-~/";
    let mut escaped = String::with_capacity(2 * text.len());
    for letter in text.chars() {
        if letter == '\n' {
            escaped.push_str("\\n");
            continue;
        }
        if SIGNS.contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
