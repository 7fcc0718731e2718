//! The grammar of a whole answer: a thought if the model has one, then what was asked for, in the manner in which
//! the model marks it.

use std::fmt::Write;

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use pomona_protocol::{AnswerForm, Cause, OutputFormat, Tool, ToolChoice};
use serde_json::{Value, json};

use super::Opening;
use super::lark::{Lark, Mark, literal};
use crate::channels::{AnswerFormat, CallStyle, Tags};
use crate::validate::invalid;

/// Space between the parts of JSON, enough to indent a deep value; without a bound some models write nothing else.
const JSON_SPACE: &str = "[ \\n\\r\\t]{1,12}";
const ANSWER: &str = "answer";

/// What the model must or may say once it has thought.
struct Wanted<'a> {
    tools: &'a [Tool],
    /// Whether each one's arguments are held to its schema.
    is_forced: bool,
    parallel: bool,
    has_answer: bool,
}

/// The grammar for an answer of this form, of which these tools may be called.
pub(super) fn grammar(
    lark: &Lark<'_>,
    form: &AnswerForm,
    tools: &[Tool],
    opening: Opening,
) -> Result<TopLevelGrammar, Cause> {
    let is_forced = matches!(form.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    let named: Vec<Tool> = match &form.tool_choice {
        ToolChoice::Named(name) => tools.iter().filter(|tool| tool.name == *name).cloned().collect(),
        _ => tools.to_vec(),
    };
    let answer = if is_forced { None } else { answer(form)? };
    let wanted =
        Wanted { tools: &named, is_forced, parallel: form.parallel_calls, has_answer: answer.is_some() };
    let may_think = form.thinking != Some(false);
    let mut rules = String::new();
    match (lark.format, opening) {
        (AnswerFormat::Harmony, Opening::Chat | Opening::Thought) => harmony(lark, &wanted, &mut rules),
        (AnswerFormat::Tagged { thoughts, calls }, Opening::Chat | Opening::Thought) => {
            let lead = lead(lark, *thoughts, opening, may_think, &mut rules);
            let _ = writeln!(rules, "start: {lead} body");
            body(lark, *calls, &wanted, &mut rules);
        }
        (_, Opening::Raw) => {
            let _ = writeln!(rules, "start: @{ANSWER}");
        }
    }
    let mut grammars = vec![GrammarWithLexer::from_lark(rules)];
    grammars.extend(answer);
    grammars.extend(
        named.iter().enumerate().map(|(index, tool)| arguments(index, tool, is_forced || tool.strict)),
    );
    Ok(TopLevelGrammar { grammars, max_tokens: None })
}

/// The part of a form that is no tool, to see whether it is at fault.
pub(super) fn answer_alone(form: &AnswerForm) -> Result<Option<TopLevelGrammar>, Cause> {
    Ok(answer(form)?.map(TopLevelGrammar::from_grammar))
}

/// The arguments of a tool, likewise.
pub(super) fn arguments_alone(tool: &Tool) -> TopLevelGrammar {
    TopLevelGrammar::from_grammar(arguments(0, tool, tool.strict))
}

fn answer(form: &AnswerForm) -> Result<Option<GrammarWithLexer>, Cause> {
    let mut grammar = match &form.format {
        OutputFormat::Text => return Ok(None),
        OutputFormat::Json => GrammarWithLexer::from_json_schema(bounded(json!({ "type": "object" }), false)),
        OutputFormat::JsonSchema(text) => {
            let schema: Value = serde_json::from_str(text)
                .map_err(|error| invalid("response_format", format!("the schema is no JSON: {error}")))?;
            if !schema.is_object() {
                return Err(invalid("response_format", "the schema is no JSON object".to_owned()));
            }
            GrammarWithLexer::from_json_schema(bounded(schema, false))
        }
        OutputFormat::Regex(text) => GrammarWithLexer::from_regex(text),
        OutputFormat::Grammar(text) => GrammarWithLexer::from_lark(text.clone()),
    };
    grammar.name = Some(ANSWER.to_owned());
    Ok(Some(grammar))
}

/// Arguments of a tool. Where the client did not ask for its schema, what the grammar does not know of it is passed
/// over.
fn arguments(index: usize, tool: &Tool, is_held: bool) -> GrammarWithLexer {
    let none = || json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let schema = match &tool.parameters {
        Some(text) if is_held => serde_json::from_str(text).unwrap_or_else(|_| none()),
        Some(_) => json!({ "type": "object" }),
        None => none(),
    };
    let mut grammar = GrammarWithLexer::from_json_schema(bounded(schema, !tool.strict));
    grammar.name = Some(arguments_name(index));
    grammar
}

fn arguments_name(index: usize) -> String {
    format!("arguments-{index}")
}

fn bounded(mut schema: Value, is_lenient: bool) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        let options = json!({ "whitespace_pattern": JSON_SPACE, "lenient": is_lenient });
        schema.insert("x-guidance".to_owned(), options);
    }
    schema
}

/// A thought before everything else, and the space behind it.
fn lead(
    lark: &Lark<'_>,
    thoughts: Option<Tags>,
    opening: Opening,
    may_think: bool,
    rules: &mut String,
) -> &'static str {
    let Some(tags) = thoughts else { return "" };
    rules.push_str(&lark.mark(tags.close).up_to("thought"));
    rules.push_str("space: /[ \\n]{1,4}/\n");
    match opening {
        Opening::Thought => "thought space?",
        _ if may_think => {
            let _ = writeln!(rules, "whole_thought: {} thought space?", lark.mark(tags.open).piece());
            "whole_thought?"
        }
        _ => "",
    }
}

fn body(lark: &Lark<'_>, style: CallStyle, wanted: &Wanted<'_>, rules: &mut String) {
    if wanted.tools.is_empty() {
        let _ = writeln!(rules, "body: @{ANSWER}");
        return;
    }
    calls(lark, style, wanted, rules);
    let _ = match (wanted.is_forced, wanted.has_answer) {
        (true, _) => writeln!(rules, "body: calls"),
        (false, true) => writeln!(rules, "body: calls | @{ANSWER}"),
        (false, false) => free(lark, style, rules),
    };
}

/// Text as the model likes, and calls in it, whose marks are never text.
fn free(lark: &Lark<'_>, style: CallStyle, rules: &mut String) -> std::fmt::Result {
    let Some(open) = style.open() else {
        return writeln!(rules, "body: calls | /[^{{ \\n](?s:.*)/?");
    };
    rules.push_str(&lark.mark(open).up_to("up_to_call"));
    writeln!(rules, "body: (up_to_call call_behind_mark)* /(?s:.+)/?")
}

/// The rules `calls`, one or several, and `call_behind_mark`.
fn calls(lark: &Lark<'_>, style: CallStyle, wanted: &Wanted<'_>, rules: &mut String) {
    let open = style.open().map(|open| lark.mark(open).piece()).unwrap_or_default();
    let close = style.close().map(|close| lark.mark(close).piece()).unwrap_or_default();
    let each = |write: &dyn Fn(&Tool, usize) -> String| {
        let written: Vec<String> =
            wanted.tools.iter().enumerate().map(|(index, tool)| write(tool, index)).collect();
        written.join(" | ")
    };
    let json = |tool: &Tool, index: usize| {
        let head =
            format!("{{\"name\": {}, \"{}\": ", Value::from(tool.name.as_str()), style.arguments_key());
        format!("{} @{} \"}}\"", literal(&head), arguments_name(index))
    };
    let several =
        |separator: &str| if wanted.parallel { format!("({separator} one)*") } else { String::new() };
    let _ = match style {
        CallStyle::Hermes => writeln!(
            rules,
            "one: {open} call_behind_mark\ncall_behind_mark: \"\\n\" ({}) \"\\n\" {close}",
            each(&json)
        )
        .and_then(|()| writeln!(rules, "calls: one {}", several("\"\\n\""))),
        CallStyle::Xml => {
            let mut functions = String::new();
            let function = |tool: &Tool, index: usize| xml_function(tool, index);
            for (index, tool) in wanted.tools.iter().enumerate() {
                functions.push_str(&xml_rules(tool, index));
            }
            rules.push_str(&functions);
            writeln!(
                rules,
                "one: {open} call_behind_mark\ncall_behind_mark: \"\\n\" ({}) {close}",
                each(&function)
            )
            .and_then(|()| writeln!(rules, "calls: one {}", several("\"\\n\"")))
        }
        CallStyle::MistralList | CallStyle::PhiList => writeln!(
            rules,
            "one: {}\ncall_behind_mark: \"[\" one {} \"]\" {close}",
            each(&json),
            several("\", \"")
        )
        .and_then(|()| writeln!(rules, "calls: {open} call_behind_mark")),
        CallStyle::MistralNamed => {
            let args = lark.mark("[ARGS]").piece();
            let named = |tool: &Tool, index: usize| {
                format!("{} {args} @{}", literal(&tool.name), arguments_name(index))
            };
            writeln!(rules, "one: {open} call_behind_mark\ncall_behind_mark: {}", each(&named))
                .and_then(|()| writeln!(rules, "calls: one {}", several("")))
        }
        CallStyle::Bare => writeln!(rules, "one: {}\ncalls: one {}", each(&json), several("\"; \"")),
    };
}

fn xml_function(tool: &Tool, index: usize) -> String {
    let head = format!("<function={}>\n", tool.name);
    format!("{} parameters_{index} \"</function>\\n\"", literal(&head))
}

/// Parameters in the order of the schema; values are text up to their mark, as the model writes them.
fn xml_rules(tool: &Tool, index: usize) -> String {
    let schema: Value =
        tool.parameters.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|is| is == name));
    let mut parameters = String::new();
    for (name, _) in schema["properties"].as_object().into_iter().flatten() {
        let optional = if is_required(name) { "" } else { "?" };
        let head = format!("<parameter={name}>\n");
        let _ = write!(parameters, "({} xml_value){optional} ", literal(&head));
    }
    let value = if index == 0 { Mark::Text("\n</parameter>\n").up_to("xml_value") } else { String::new() };
    let parameters = if parameters.is_empty() { "\"\"".to_owned() } else { parameters };
    format!("{value}parameters_{index}: {parameters}\n")
}

/// Messages with their channels: thoughts and words between, then the answer or a call.
fn harmony(lark: &Lark<'_>, wanted: &Wanted<'_>, rules: &mut String) {
    let mark = |text| lark.mark(text).piece();
    let (channel, message, constrain) = (mark("<|channel|>"), mark("<|message|>"), mark("<|constrain|>"));
    let _ = writeln!(rules, "next: {} {} \"assistant\"", mark("<|end|>"), mark("<|start|>"));
    let _ = writeln!(rules, "said: {channel} (\"analysis\" | \"commentary\") {message} /(?s:.+)/?");
    let _ = writeln!(rules, "json: (\" \"? {constrain}? \"json\")? {message}");
    let answer = if wanted.has_answer { format!("json @{ANSWER}") } else { format!("{message} /(?s:.+)/?") };
    let _ = writeln!(rules, "final: {channel} \"final\" {answer}");
    let mut calls = Vec::new();
    for (index, tool) in wanted.tools.iter().enumerate() {
        let to = literal(&format!(" to=functions.{}", tool.name));
        let name = arguments_name(index);
        calls.push(format!("{to} {channel} \"commentary\" json @{name}"));
        calls.push(format!("{channel} \"commentary\" {to} json @{name}"));
    }
    let last = match (wanted.is_forced, calls.is_empty()) {
        (_, true) => "final".to_owned(),
        (true, false) => calls.join(" | "),
        (false, false) => format!("final | {}", calls.join(" | ")),
    };
    let _ = writeln!(rules, "start: (said next)* ({last})");
}
