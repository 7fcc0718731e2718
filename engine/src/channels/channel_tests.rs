//! Answers as models write them, cut anywhere, and what their readers get.

use pomona_protocol::{Said, Tool};
use proptest::prelude::*;

use super::*;

const THINK: Tags = Tags { open: "<think>", close: "</think>" };

fn tools() -> Vec<Tool> {
    let parameters = r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}"#;
    let tool = |name: &str| Tool {
        name: name.to_owned(),
        description: None,
        parameters: Some(parameters.to_owned()),
        strict: false,
    };
    vec![tool("weather"), tool("get.time-2")]
}

fn tagged(thoughts: Option<Tags>, calls: CallStyle) -> AnswerFormat {
    AnswerFormat::Tagged { thoughts, calls }
}

/// Special tokens stand between `⟦` and `⟧`.
fn feed(channels: &mut Channels, text: &str, pieces: &mut Pieces) {
    for part in text.split_inclusive('⟧') {
        let (plain, special) = match part.strip_suffix('⟧').and_then(|part| part.rsplit_once('⟦')) {
            Some((plain, special)) => (plain, Some(special)),
            None => (part, None),
        };
        channels.text(plain, pieces);
        if let Some(special) = special.filter(|special| channels.is_marker(special)) {
            channels.marker(special, pieces);
        }
    }
}

/// What a reader has in the end: `T(..)`, `R(..)`, `name(..)`, joined over pieces of the same kind.
fn told(pieces: &Pieces) -> String {
    let mut told: Vec<(Said, String, String)> = Vec::new();
    for (kind, text) in pieces.iter() {
        let name = match kind {
            Said::Text => "T".to_owned(),
            Said::Reasoning => "R".to_owned(),
            Said::Call { name, .. } => name.clone().unwrap_or_default(),
        };
        match told.last_mut() {
            Some((last, _, before)) if *last == kind.going_on() => before.push_str(text),
            _ => told.push((kind.going_on(), name, text.to_owned())),
        }
    }
    told.iter().map(|(_, name, text)| format!("{name}({text})")).collect::<Vec<_>>().join(" ")
}

fn read(format: AnswerFormat, in_thought: bool, text: &str) -> String {
    let mut channels = Channels::new(&format, &tools(), in_thought);
    let mut pieces = Pieces::default();
    feed(&mut channels, text, &mut pieces);
    channels.end(&mut pieces);
    told(&pieces)
}

fn check(format: AnswerFormat, text: &str, expected: &str) {
    assert_eq!(read(format, false, text), expected, "{text}");
}

#[test]
fn thoughts_are_told_from_text() {
    let format = tagged(Some(THINK), CallStyle::Hermes);
    check(format, "<think>\nhm, 1 < 2\n</think>\n\nYes.", "R(hm, 1 < 2) T(Yes.)");
    check(format, "Yes, <think> is a mark.", "T(Yes, <think> is a mark.)");
    check(format, "<think>never done ", "R(never done )");
    check(format, "\n <thinking>", "T(\n <thinking>)");
    assert_eq!(read(format, true, "hm\n</think>\n\nYes."), "R(hm) T(Yes.)");
    assert_eq!(read(format, true, "</think>Yes."), "T(Yes.)");
    check(tagged(None, CallStyle::Hermes), "<think>x</think>", "T(<think>x</think>)");
    check(tagged(Some(THINK), CallStyle::Bare), "⟦<think>⟧hm⟦</think>⟧Yes.", "R(hm) T(Yes.)");
}

#[test]
fn calls_of_hermes_and_qwen_are_heard() {
    let format = tagged(Some(THINK), CallStyle::Hermes);
    let call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln {\"}}\n</tool_call>";
    check(format, call, "weather({\"city\": \"Köln {\"})");
    check(
        format,
        &format!("<think>hm</think>\n\n{call}\n{call}\n"),
        "R(hm) weather({\"city\": \"Köln {\"}) weather({\"city\": \"Köln {\"})",
    );
    check(format, &format!("Look:\n{call} Done."), "T(Look:\n) weather({\"city\": \"Köln {\"}) T( Done.)");
    let swapped = "<tool_call>{\"id\": 3, \"arguments\": {\"days\": 2}, \"name\": \"weather\"}</tool_call>";
    check(format, swapped, "weather({\"days\": 2})");
    check(format, "<tool_call>{\"name\": \"weather\"}</tool_call>", "weather({})");
    let quoted = "<tool_call>{\"name\": \"weather\", \"arguments\": \"{\\\"days\\\": 2}\"}</tool_call>";
    check(format, quoted, "weather({\"days\": 2})");
    let open = "<tool_call>{\"name\": \"weather\", \"arguments\": {\"days\": </tool_call> x";
    check(format, open, "weather({\"days\": ) T( x)");
}

#[test]
fn what_is_no_call_is_text() {
    let format = tagged(None, CallStyle::Hermes);
    for text in [
        "a <tool_call> b",
        "<tool_call>",
        "<tool_call>\n{\"name\": 3}</tool_call>",
        "<tool_call>{\"arguments\": {}}</tool_call> x",
        "<tool_call>{\"name\": \"two words\", \"arguments\": {}}",
        "<tool_call>{\"name\": \"weather\", \"argu",
        "<tool_call>[1]</tool_call>",
        "<tool_cal",
        "x <tool_call><function=weather </tool_call>",
    ] {
        check(format, text, &format!("T({text})"));
    }
    check(format, "<tool_call><tool_call>{\"name\": \"weather\"}", "T(<tool_call>) weather({})");
    assert_eq!(
        {
            let mut pieces = Pieces::default();
            let mut channels = Channels::new(&format, &[], false);
            feed(&mut channels, "<tool_call>{}", &mut pieces);
            told(&pieces)
        },
        "T(<tool_call>{})",
        "without tools there are no calls"
    );
}

#[test]
fn calls_in_the_manner_of_qwens_coder_become_json() {
    let format = tagged(None, CallStyle::Xml);
    let call = "<tool_call>\n<function=weather>\n<parameter=city>\nBad \"Ems\"\nx<y\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>";
    check(format, call, r#"weather({"city": "Bad \"Ems\"\nx<y", "days": 3})"#);
    check(
        format,
        &format!("{call}\n{call}"),
        &[r#"weather({"city": "Bad \"Ems\"\nx<y", "days": 3})"#; 2].join(" "),
    );
    let loose = "<tool_call><function=weather><parameter=days>many</parameter><parameter=more>[1, True]</parameter></function></tool_call>.";
    check(format, loose, r#"weather({"days": "many", "more": "[1, True]"}) T(.)"#);
    check(format, "<tool_call><function=weather></function></tool_call>", "weather({})");
    check(format, "<tool_call><function=weather><parameter=city>Bon", r#"weather({"city": "Bon)"#);
}

#[test]
fn calls_of_mistral_are_heard() {
    for style in [CallStyle::MistralList, CallStyle::MistralNamed] {
        let format = tagged(None, style);
        let list = r#"⟦[TOOL_CALLS]⟧ [{"name": "weather", "arguments": {"days": 1}, "id": "abc"}, {"name": "get.time-2", "arguments": {}}]"#;
        check(format, list, r#"weather({"days": 1}) get.time-2({})"#);
        let named = r#"Well.⟦[TOOL_CALLS]⟧weather⟦[CALL_ID]⟧abc⟦[ARGS]⟧{"days": [1]}⟦[TOOL_CALLS]⟧get.time-2⟦[ARGS]⟧{}"#;
        check(format, named, r#"T(Well.) weather({"days": [1]}) get.time-2({})"#);
        check(format, "[TOOL_CALLS]weather{\"days\": 1}", r#"weather({"days": 1})"#);
        check(format, "[TOOL_CALLS] are <b>", "T([TOOL_CALLS] are <b>)");
    }
}

#[test]
fn calls_of_phi_and_llama_are_heard() {
    let phi = tagged(None, CallStyle::PhiList);
    check(
        phi,
        r#"<|tool_call|>[{"name": "weather", "arguments": {"days": 1}}]<|/tool_call|>"#,
        r#"weather({"days": 1})"#,
    );
    let llama = tagged(None, CallStyle::Bare);
    let call = r#"{"name": "weather", "parameters": {"days": "1"}}"#;
    check(llama, call, r#"weather({"days": "1"})"#);
    check(
        llama,
        &format!("⟦<|python_tag|>⟧{call}; {call}"),
        r#"weather({"days": "1"}) weather({"days": "1"})"#,
    );
    check(llama, r#"{"type": "function", "name": "weather", "parameters": {}}"#, "weather({})");
    for text in [
        r#"{"name": "Bob", "age": 3}"#,
        r#"{"name": "other", "parameters": {}}"#,
        r#"{"a": 1}"#,
        "a {\"name\"",
        "{",
    ] {
        check(llama, text, &format!("T({text})"));
    }
    check(llama, "⟦<|python_tag|>⟧print(1)", "T(<|python_tag|>print(1))");
}

#[test]
fn the_channels_of_gpt_oss_are_told_apart() {
    let format = AnswerFormat::Harmony;
    let thought = "⟦<|channel|>⟧analysis⟦<|message|>⟧hm <|end|>⟦<|end|>⟧⟦<|start|>⟧assistant";
    check(
        format,
        &format!("{thought}⟦<|channel|>⟧final⟦<|message|>⟧Yes.⟦<|return|>⟧"),
        "R(hm <|end|>) T(Yes.)",
    );
    let call =
        "⟦<|channel|>⟧commentary to=functions.weather ⟦<|constrain|>⟧json⟦<|message|>⟧{\"days\":1}⟦<|call|>⟧";
    check(format, &format!("{thought}{call}"), "R(hm <|end|>) weather({\"days\":1})");
    let other = " to=functions.weather⟦<|channel|>⟧commentary json⟦<|message|>⟧{}⟦<|call|>⟧";
    check(format, other, "weather({})");
    check(format, "⟦<|channel|>⟧commentary⟦<|message|>⟧I look.⟦<|end|>⟧", "T(I look.)");
    check(format, "⟦<|channel|>⟧analysis to=browser.search⟦<|message|>⟧x", "R(x)");
    check(format, "no header", "T(no header)");
    check(format, &"long ".repeat(99), &format!("T({})", "long ".repeat(99)));
}

#[test]
fn a_call_is_told_as_soon_as_it_is_certain() {
    let mut channels = Channels::new(&tagged(None, CallStyle::Hermes), &tools(), false);
    let mut step = |text: &str| {
        let mut pieces = Pieces::default();
        channels.text(text, &mut pieces);
        pieces.iter().map(|(kind, text)| (kind.clone(), text.to_owned())).collect::<Vec<_>>()
    };
    let call = |name: Option<&str>| Said::Call { index: 0, name: name.map(str::to_owned) };
    assert_eq!(step("<tool_call>{\"name\": \"weather\", \"arguments\": "), []);
    assert_eq!(step("{"), [(call(Some("weather")), "{".to_owned())]);
    assert_eq!(step("\"days\""), [(call(None), "\"days\"".to_owned())]);
    assert_eq!(step(": 1}}</tool"), [(call(None), ": 1}".to_owned())]);
    assert_eq!(step("_call> ok"), [(Said::Text, " ok".to_owned())]);
}

#[test]
fn a_call_that_never_ends_holds_back_no_more_than_a_bound() {
    let mut channels = Channels::new(&tagged(None, CallStyle::Hermes), &tools(), false);
    let mut pieces = Pieces::default();
    let endless = format!("<tool_call>{{\"arguments\": {{\"a\": \"{}", "x".repeat(2 * HELD_BYTES_MAX));
    channels.text(&endless, &mut pieces);
    assert_eq!(told(&pieces).len(), endless.len() + "T()".len());
}

fn formats() -> impl Strategy<Value = AnswerFormat> {
    let styles = [
        CallStyle::Hermes,
        CallStyle::Xml,
        CallStyle::MistralList,
        CallStyle::MistralNamed,
        CallStyle::PhiList,
        CallStyle::Bare,
    ];
    prop_oneof![
        Just(AnswerFormat::Harmony),
        (prop::sample::select(styles.to_vec()), prop::bool::ANY)
            .prop_map(|(calls, thinks)| tagged(thinks.then_some(THINK), calls)),
    ]
}

/// Words that answers are made of, in and out of place.
fn words() -> impl Strategy<Value = Vec<&'static str>> {
    let words = [
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "{\"name\": \"weather\", \"arguments\": {\"a\": [1, \"}\"]}}",
        "{\"name\": \"weather\", ",
        "\"parameters\": {\"days\": 1}}",
        "[",
        "]",
        ",",
        "{",
        "}",
        "\"",
        "\\",
        " ",
        "\n",
        ";",
        "ä",
        "x",
        "<function=weather>",
        "<parameter=city>",
        "<parameter=days>",
        "3",
        "</parameter>",
        "</function>",
        "[TOOL_CALLS]",
        "weather[ARGS]",
        "<|tool_call|>",
        "<|/tool_call|>",
        "<",
        "⟦<|channel|>⟧",
        "⟦<|message|>⟧",
        "⟦<|start|>⟧",
        "⟦<|end|>⟧",
        "⟦[TOOL_CALLS]⟧",
        "⟦[ARGS]⟧",
        "analysis",
        "final",
        "commentary to=functions.weather",
        "⟦<|python_tag|>⟧",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..14)
}

proptest! {
    #[test]
    fn what_came_out_follows_from_the_text_alone(format in formats(), words in words(), in_thought: bool, cut in 1usize..5) {
        // By letter and by chunk: after each common prefix the same has come out.
        let tools = tools();
        let (mut fine, mut coarse) = (Channels::new(&format, &tools, in_thought), Channels::new(&format, &tools, in_thought));
        let (mut by_letter, mut by_chunk) = (Pieces::default(), Pieces::default());
        for word in words {
            if word.contains('⟦') {
                feed(&mut fine, word, &mut by_letter);
                feed(&mut coarse, word, &mut by_chunk);
            } else {
                let letters: Vec<String> = word.chars().map(String::from).collect();
                for chunk in letters.chunks(cut) {
                    chunk.iter().for_each(|letter| fine.text(letter, &mut by_letter));
                    coarse.text(&chunk.concat(), &mut by_chunk);
                    prop_assert_eq!(&by_letter, &by_chunk);
                }
            }
            prop_assert_eq!((fine.calls(), fine.is_thinking()), (coarse.calls(), coarse.is_thinking()));
        }
        fine.end(&mut by_letter);
        coarse.end(&mut by_chunk);
        prop_assert_eq!(by_letter, by_chunk);
    }

    #[test]
    fn text_without_marks_comes_through_whole(format in formats(), text in "[a-zA-Z .,:0-9ä\n]{0,80}") {
        let shown = read(format, false, &text);
        let expected = if text.is_empty() { String::new() } else { format!("T({text})") };
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn a_broken_call_loses_nothing(junk in "[a-z <>\\[{}\":,0-9]{0,40}") {
        // Whatever stands behind the mark, all its letters come out, but for those of a call and the marks.
        let text = format!("<tool_call>{junk}");
        let shown = read(tagged(None, CallStyle::Hermes), false, &text);
        if !shown.contains("weather(") && shown.starts_with("T(<tool_call>") {
            prop_assert_eq!(shown, format!("T({text})"));
        }
    }
}
