//! Answers that must have a form: JSON, a schema, a regular expression, a grammar, calls of tools.
//!
//! A [`Grammars`] per model compiles what a request asks for into a [`Guide`], off the engine's thread; `generation`
//! asks the guide before each token which ones are allowed, and tells it which one it was. The grammar describes the
//! whole answer, thoughts and marks included, so it needs nothing but the ids: a resumed answer is replayed into a
//! fresh guide. The work is done by the crate `llguidance`; its words are written in [`lark`].

mod guide;
mod lark;
mod structure;

use std::sync::{Arc, OnceLock};

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{
    ApproximateTokEnv, INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie,
};
use llguidance::{Matcher, ParserFactory};
use pomona_protocol::{AnswerForm, Cause, OutputFormat, ToolChoice};

use crate::channels::AnswerFormat;
use crate::tokenizer::TokenTable;
use crate::validate::invalid;

pub use guide::{Guide, TokenMask};
use lark::Lark;

/// Symbols of one grammar; a schema of a quarter of a megabyte has fewer.
const GRAMMAR_SYMBOLS_MAX: usize = 200_000;
/// Work to compile the regular expressions of one grammar, at about 50,000 a millisecond.
const COMPILE_WORK_MAX: u64 = 1_000_000;
/// Work on regular expressions for one token, at about 14,000 a millisecond: it holds up the whole batch.
const STEP_WORK_MAX: u64 = 200_000;
/// Parser items for one token, at about 20,000 a millisecond.
const STEP_ITEMS_MAX: usize = 50_000;
/// Parser items in one place; only ambiguous grammars have so many.
const ROW_ITEMS_MAX: usize = 2_000;
/// States of the lexer of one answer, at most 2 KiB each.
const LEXER_STATES_MAX: usize = 50_000;
/// Bytes of an error that are passed on.
const MESSAGE_BYTES_MAX: usize = 300;

/// How the answer to a prompt may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// As plain text: no chat.
    Raw,
    /// In a thought that the prompt has begun.
    Thought,
    /// As the model likes.
    Chat,
}

/// Compiles forms for one model.
pub struct Grammars {
    tokens: Arc<TokenTable>,
    vocabulary: usize,
    eos_token_ids: Vec<u32>,
    format: AnswerFormat,
    /// Made when the first answer needs it: it takes a while and some memory.
    factory: OnceLock<Result<ParserFactory, String>>,
}

impl Grammars {
    /// For a model with this many logits, whose answers are marked like this.
    pub fn new(
        tokens: &Arc<TokenTable>,
        vocabulary: usize,
        eos_token_ids: &[u32],
        format: AnswerFormat,
    ) -> Self {
        let tokens = Arc::clone(tokens);
        Self { tokens, vocabulary, eos_token_ids: eos_token_ids.to_vec(), format, factory: OnceLock::new() }
    }

    /// The guide for an answer of this form; none when the model may say what it likes.
    pub fn guide(&self, form: &AnswerForm, opening: Opening) -> Result<Option<Guide>, Cause> {
        let tools = if form.tool_choice == ToolChoice::None { &[][..] } else { &form.tools };
        let is_forced = matches!(form.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
        let has_strict = tools.iter().any(|tool| tool.strict);
        if form.format == OutputFormat::Text && !is_forced && !has_strict {
            return Ok(None);
        }
        let lark = Lark::new(&self.tokens, &self.format);
        let grammar = structure::grammar(&lark, form, tools, opening)?;
        match self.compile(grammar) {
            Ok(matcher) => Ok(Some(Guide::new(matcher, parameter(form)))),
            Err(message) => Err(self.blame(form, message)),
        }
    }

    /// Which part of the request an error belongs to.
    fn blame(&self, form: &AnswerForm, message: String) -> Cause {
        if let Ok(Some(answer)) = structure::answer_alone(form)
            && let Err(message) = self.compile(answer)
        {
            return invalid("response_format", message);
        }
        for tool in &form.tools {
            if let Err(message) = self.compile(structure::arguments_alone(tool)) {
                return invalid("tools", format!("the parameters of `{}`: {message}", tool.name));
            }
        }
        invalid(parameter(form), message)
    }

    fn compile(&self, grammar: TopLevelGrammar) -> Result<Matcher, String> {
        let factory = self.factory.get_or_init(|| self.make_factory()).as_ref().map_err(String::clone)?;
        let parser = factory.create_parser(grammar).map_err(|error| shortened(&format!("{error:#}")))?;
        Ok(Matcher::new(Ok(parser)))
    }

    fn make_factory(&self) -> Result<ParserFactory, String> {
        let info = TokRxInfo::new(
            self.vocabulary as u32,
            self.eos_token_ids.first().copied().unwrap_or(INVALID_TOKEN),
        );
        let words: Vec<Vec<u8>> = (0..self.vocabulary as u32).map(|id| self.word(id)).collect();
        let mut trie = TokTrie::from(&info, &words);
        if !self.eos_token_ids.is_empty() {
            trie = trie.with_eos_tokens(&self.eos_token_ids);
        }
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let made = ParserFactory::new(&environment, InferenceCapabilities::default(), &slices);
        let mut factory = made.map_err(|error| shortened(&format!("{error:#}")))?;
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            max_items_in_row: ROW_ITEMS_MAX,
            initial_lexer_fuel: COMPILE_WORK_MAX,
            step_lexer_fuel: STEP_WORK_MAX,
            step_max_items: STEP_ITEMS_MAX,
            max_lexer_states: LEXER_STATES_MAX,
            max_grammar_size: GRAMMAR_SYMBOLS_MAX,
            verbose_errors: false,
            ..ParserLimits::default()
        };
        Ok(factory)
    }

    /// The bytes of a token; a special one is marked, so that no text is mistaken for it.
    fn word(&self, id: u32) -> Vec<u8> {
        let bytes = self.tokens.bytes(id);
        if self.tokens.is_special(id) || self.eos_token_ids.contains(&id) {
            [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat()
        } else {
            bytes.to_vec()
        }
    }
}

/// The parameter that a dead end is blamed on.
fn parameter(form: &AnswerForm) -> &'static str {
    match (&form.format, &form.tool_choice) {
        (OutputFormat::Text, ToolChoice::Required | ToolChoice::Named(_)) => "tool_choice",
        (OutputFormat::Text, _) => "tools",
        _ => "response_format",
    }
}

/// What a person can use of an error: its first lines, and nothing of the parser's state.
fn shortened(message: &str) -> String {
    let said = message.split("<state>").next().unwrap_or_default().replace("<non-verbose/>", "");
    let mut said = said.trim().to_owned();
    let end = (0..=MESSAGE_BYTES_MAX.min(said.len())).rev().find(|end| said.is_char_boundary(*end));
    said.truncate(end.unwrap_or(0));
    said
}

#[cfg(test)]
mod grammar_tests;
