//! Grammars of whole answers: what they let through and what they do not, token by token.

use std::path::Path;

use pomona_protocol::Tool;
use serde_json::{Value, json};

use super::*;
use crate::channels::{CallStyle, Tags};
use crate::tokenizer::Tokenizer;

const VOCABULARY: usize = 2064;
const EOS: u32 = 2;
const THINK: Tags = Tags { open: "<think>", close: "</think>" };
const SPECIALS: [&str; 9] = [
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|end|>",
    "<|constrain|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<think>",
    "</think>",
];

/// The built-in model's tokenizer with special tokens of other families.
fn tokenizer(specials: &[&str]) -> Tokenizer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sprout/model/tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let added = json["added_tokens"].as_array_mut().unwrap();
    for (offset, content) in specials.iter().enumerate() {
        added.push(json!({ "id": 2048 + offset, "content": content, "special": true, "single_word": false,
                           "lstrip": false, "rstrip": false, "normalized": false }));
    }
    Tokenizer::from_json(&serde_json::to_vec(&json).unwrap(), VOCABULARY).unwrap()
}

fn tool(name: &str, strict: bool) -> Tool {
    let parameters = r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"],"additionalProperties":false}"#;
    Tool { name: name.to_owned(), description: None, parameters: Some(parameters.to_owned()), strict }
}

struct Bench {
    tokenizer: Tokenizer,
    grammars: Grammars,
}

impl Bench {
    fn new(specials: &[&str], format: AnswerFormat) -> Self {
        let tokenizer = tokenizer(specials);
        let grammars = Grammars::new(tokenizer.table(), VOCABULARY, &[EOS], format);
        Self { tokenizer, grammars }
    }

    /// `None` when the whole text may be the answer; else what of it was let through, or all of it and a dash when
    /// more is wanted.
    fn refusal(&self, form: &AnswerForm, opening: Opening, text: &str) -> Option<String> {
        let mut guide = self.grammars.guide(form, opening).unwrap().expect("the form asks for something");
        let mut is_over = false;
        let mut passed = String::new();
        for id in self.tokenizer.encode_rendered(text).unwrap() {
            if is_over || !guide.mask().unwrap().allows(id) {
                return Some(passed);
            }
            is_over = guide.push(id).unwrap();
            passed.push_str(&String::from_utf8_lossy(self.tokenizer.table().bytes(id)));
        }
        let may_end = is_over || guide.mask().unwrap().allows(EOS);
        (!may_end).then_some(passed + "-")
    }

    fn accepts(&self, form: &AnswerForm, text: &str) {
        assert_eq!(self.refusal(form, Opening::Chat, text), None, "{text}");
    }

    fn refuses(&self, form: &AnswerForm, text: &str, passed: &str) {
        assert_eq!(self.refusal(form, Opening::Chat, text).as_deref(), Some(passed), "{text}");
    }
}

fn tagged(thoughts: Option<Tags>, calls: CallStyle) -> AnswerFormat {
    AnswerFormat::Tagged { thoughts, calls }
}

fn of(format: OutputFormat) -> AnswerForm {
    AnswerForm { format, ..AnswerForm::default() }
}

fn with_tools(tool_choice: ToolChoice, strict: bool) -> AnswerForm {
    let tools = vec![tool("weather", strict), tool("time", strict)];
    AnswerForm { tools, tool_choice, ..AnswerForm::default() }
}

#[test]
fn an_answer_that_may_be_anything_has_no_guide() {
    let bench = Bench::new(&[], tagged(None, CallStyle::Hermes));
    for form in
        [AnswerForm::default(), with_tools(ToolChoice::Auto, false), with_tools(ToolChoice::None, true)]
    {
        assert!(bench.grammars.guide(&form, Opening::Chat).unwrap().is_none());
    }
}

#[test]
fn json_and_its_schemas_are_held_to() {
    let bench = Bench::new(&[], tagged(None, CallStyle::Hermes));
    let json = of(OutputFormat::Json);
    bench.accepts(&json, "{\"a\": [1, {\"b\": \"x\"}]}");
    bench.accepts(&json, "{\n    \"a\": null\n}");
    bench.refuses(&json, "[1]", "");
    bench.refuses(&json, "{\"a\": 1", "{\"a\": 1-");
    let schema = r##"{"type":"object","properties":{"kind":{"enum":["apple","pear"]},"in":{"$ref":"#/$defs/n"}},"required":["kind","in"],"additionalProperties":false,"$defs":{"n":{"type":"integer","minimum":1}}}"##;
    let schema = of(OutputFormat::JsonSchema(schema.to_owned()));
    bench.accepts(&schema, "{\"kind\": \"pear\", \"in\": 12}");
    assert!(bench.refusal(&schema, Opening::Chat, "{\"kind\": \"plum\"").is_some());
    assert!(bench.refusal(&schema, Opening::Chat, "{\"kind\": \"pear\", \"in\": 0}").is_some());
}

#[test]
fn regular_expressions_and_grammars_are_held_to() {
    let bench = Bench::new(&[], tagged(None, CallStyle::Hermes));
    let regex = of(OutputFormat::Regex("[a-c]+-[0-9]{2}".to_owned()));
    bench.accepts(&regex, "abba-17");
    assert!(bench.refusal(&regex, Opening::Chat, "abba-1x").is_some());
    let grammar = of(OutputFormat::Grammar("start: \"a\" item+\nitem: \",\" /[0-9]/\n".to_owned()));
    bench.accepts(&grammar, "a,1,2");
    bench.refuses(&grammar, "a", "a-");
    assert_eq!(bench.refusal(&regex, Opening::Raw, "a-12"), None);
}

#[test]
fn a_thought_before_the_answer_is_free() {
    let json = of(OutputFormat::Json);
    for specials in [&[][..], &SPECIALS] {
        let bench = Bench::new(specials, tagged(Some(THINK), CallStyle::Hermes));
        bench.accepts(&json, "<think>\nLet me { see < x.\n</think>\n\n{\"a\": 1}");
        bench.accepts(&json, "{\"a\": 1}");
        assert!(bench.refusal(&json, Opening::Chat, "<think>hm</think>no").is_some());
        assert!(bench.refusal(&json, Opening::Chat, "<think>hm").is_some());
        assert_eq!(bench.refusal(&json, Opening::Thought, "so: it is\n</think>{\"a\": 1}"), None);
        let quiet = AnswerForm { thinking: Some(false), ..json.clone() };
        assert!(bench.refusal(&quiet, Opening::Chat, "<think>hm</think>{}").is_some());
    }
}

#[test]
fn a_call_that_must_come_has_the_form_of_its_family() {
    let required = with_tools(ToolChoice::Required, false);
    let named = with_tools(ToolChoice::Named("time".to_owned()), false);
    let check = |format: AnswerFormat, call: &dyn Fn(&str) -> String| {
        let bench = Bench::new(&SPECIALS[..7], format);
        bench.accepts(&required, &call("weather"));
        bench.accepts(&named, &call("time"));
        for (form, text) in
            [(&named, call("weather")), (&required, call("other")), (&required, "Hello".to_owned())]
        {
            assert!(bench.refusal(form, Opening::Chat, &text).is_some(), "{text}");
        }
    };
    let arguments = "{\"city\": \"Bonn\", \"days\": 3}";
    check(tagged(None, CallStyle::Hermes), &|name| {
        format!("<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>")
    });
    check(tagged(None, CallStyle::Xml), &|name| {
        format!(
            "<tool_call>\n<function={name}>\n<parameter=city>\nBonn <b>\n</parameter>\n</function>\n</tool_call>"
        )
    });
    check(tagged(None, CallStyle::MistralList), &|name| {
        format!("[TOOL_CALLS][{{\"name\": \"{name}\", \"arguments\": {arguments}}}]")
    });
    check(tagged(None, CallStyle::MistralNamed), &|name| format!("[TOOL_CALLS]{name}[ARGS]{arguments}"));
    check(tagged(None, CallStyle::PhiList), &|name| {
        format!("<|tool_call|>[{{\"name\": \"{name}\", \"arguments\": {arguments}}}]<|/tool_call|>")
    });
    check(tagged(None, CallStyle::Bare), &|name| {
        format!("{{\"name\": \"{name}\", \"parameters\": {arguments}}}")
    });
    let harmony = |name: &str| {
        let thought = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant";
        format!("{thought}<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{arguments}")
    };
    check(AnswerFormat::Harmony, &harmony);
}

#[test]
fn several_calls_come_only_where_they_may() {
    let bench = Bench::new(&[], tagged(None, CallStyle::Hermes));
    let call = "<tool_call>\n{\"name\": \"time\", \"arguments\": {\"city\": \"x\"}}\n</tool_call>";
    let several = with_tools(ToolChoice::Required, false);
    bench.accepts(&several, &format!("{call}\n{call}"));
    let one = AnswerForm { parallel_calls: false, ..several };
    bench.accepts(&one, call);
    assert!(bench.refusal(&one, Opening::Chat, &format!("{call}\n{call}")).is_some());
}

#[test]
fn strict_tools_hold_arguments_and_leave_text_alone() {
    for (specials, style, open) in [
        (&[][..], CallStyle::Hermes, "<tool_call>\n"),
        (&SPECIALS[..], CallStyle::MistralNamed, "[TOOL_CALLS]"),
    ] {
        let bench = Bench::new(specials, tagged(None, style));
        let strict = with_tools(ToolChoice::Auto, true);
        bench.accepts(&strict, "Hello, {\"a\"} <tool is nothing.");
        let (good, bad) = match style {
            CallStyle::Hermes => (
                "{\"name\": \"time\", \"arguments\": {\"city\": \"x\"}}\n</tool_call>",
                "{\"name\": \"time\", \"arguments\": {\"town\": 3",
            ),
            _ => ("time[ARGS]{\"city\": \"x\"}", "time[ARGS]{\"town\": 3"),
        };
        bench.accepts(&strict, &format!("Look. {open}{good}"));
        assert!(bench.refusal(&strict, Opening::Chat, &format!("Look. {open}{bad}")).is_some(), "{style:?}");
    }
    let bench = Bench::new(&[], tagged(None, CallStyle::Bare));
    let strict = with_tools(ToolChoice::Auto, true);
    bench.accepts(&strict, "Hello {");
    bench.accepts(&strict, "{\"name\": \"time\", \"parameters\": {\"city\": \"x\"}}");
    assert!(
        bench.refusal(&strict, Opening::Chat, "{\"name\": \"time\", \"parameters\": {\"town\"").is_some()
    );
}

#[test]
fn json_of_gpt_oss_stands_in_its_last_channel() {
    let bench = Bench::new(&SPECIALS, AnswerFormat::Harmony);
    let json = of(OutputFormat::Json);
    let thought = "<|channel|>analysis<|message|>hm { x<|end|><|start|>assistant";
    bench.accepts(&json, &format!("{thought}<|channel|>final<|message|>{{\"a\": 1}}"));
    bench.accepts(&json, "<|channel|>final <|constrain|>json<|message|>{}");
    assert!(bench.refusal(&json, Opening::Chat, "<|channel|>final<|message|>no").is_some());
    assert!(bench.refusal(&json, Opening::Chat, "no").is_some());
}

#[test]
fn a_form_that_makes_no_sense_is_named() {
    let bench = Bench::new(&[], tagged(None, CallStyle::Hermes));
    let refusal = |form: &AnswerForm| match bench.grammars.guide(form, Opening::Chat) {
        Err(Cause::InvalidRequest { parameter, message }) => (parameter, message),
        other => panic!("{other:?}"),
    };
    let said = |format: OutputFormat| refusal(&of(format));
    let (parameter, message) = said(OutputFormat::JsonSchema("{".to_owned()));
    assert!(parameter == "response_format" && message.starts_with("the schema is no JSON: "), "{message}");
    let (_, message) = said(OutputFormat::JsonSchema(r#"{"type": "thing"}"#.to_owned()));
    assert!(message.contains("thing"), "{message}");
    let (_, message) = said(OutputFormat::Regex("(".to_owned()));
    assert!(!message.is_empty() && message.len() <= MESSAGE_BYTES_MAX, "{message}");
    let (_, message) = said(OutputFormat::Grammar("start: missing".to_owned()));
    assert!(message.contains("missing"), "{message}");
    let mut form = with_tools(ToolChoice::Auto, true);
    form.tools[1].parameters = Some(r#"{"type": "thing"}"#.to_owned());
    let (parameter, message) = refusal(&form);
    assert!(parameter == "tools" && message.starts_with("the parameters of `time`: "), "{message}");
}

#[test]
fn a_dead_end_is_named() {
    // Nothing is both letters at once.
    let bench = Bench::new(&[], tagged(None, CallStyle::Hermes));
    let form = of(OutputFormat::Grammar("start: \"a\" NONE\nNONE: /b/ & /c/\n".to_owned()));
    let guide = bench.grammars.guide(&form, Opening::Chat);
    let said = match guide {
        Err(cause) => cause,
        Ok(guide) => {
            let mut guide = guide.unwrap();
            let a = bench.tokenizer.encode_rendered("a").unwrap();
            a.iter().for_each(|id| assert!(!guide.push(*id).unwrap()));
            guide.mask().map(|_| ()).unwrap_err()
        }
    };
    assert!(
        matches!(&said, Cause::InvalidRequest { parameter, .. } if parameter == "response_format"),
        "{said}"
    );
    assert!(!said.is_retryable());
}
