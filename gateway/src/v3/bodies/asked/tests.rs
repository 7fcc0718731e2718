//! What is taken and what is refused, by the name of the field.

use serde_json::{Value, json};

use super::*;
use crate::body::parse;
use crate::v3::bodies::sampling_body;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    parse(value.to_string().as_bytes())
}

fn asked(value: Value) -> Result<Asked, ApiError> {
    Asked::read(read(value)?, None, 3)
}

fn param(error: &ApiError) -> String {
    let body: Value = serde_json::from_slice(&error.to_json()).unwrap();
    body["error"]["param"].as_str().unwrap_or_default().to_owned()
}

fn message(role: &str, part: Value) -> Value {
    json!({"input": [{"role": role, "content": [part]}]})
}

#[test]
fn sampling_reads_back_as_it_was_asked() {
    let given = json!({"temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1,
        "presence_penalty": -0.5, "frequency_penalty": 0.25, "max_tokens": 9, "stop": ["a", "b"]});
    let checked = sampling(read(given.clone()).unwrap()).unwrap();
    assert_eq!(sampling_body(&checked), read(given).unwrap());
    assert_eq!(sampling_body(&Sampling::default()), SamplingBody::default());
}

#[test]
fn a_number_out_of_range_is_named_as_it_was_written() {
    for (body, name, says) in [
        (json!({"temperature": 2.1}), "sampling.temperature", "2.1"),
        (json!({"top_p": 0}), "sampling.top_p", "above 0"),
        (json!({"top_k": -7}), "sampling.top_k", "-7"),
        (json!({"max_tokens": 0}), "sampling.max_tokens", "1 to"),
        (json!({"stop": [""]}), "sampling.stop", "0 bytes"),
    ] {
        let error = sampling(read(body).unwrap()).unwrap_err();
        assert_eq!(param(&error), name);
        assert!(error.message().contains(says), "{}", error.message());
    }
}

#[test]
fn the_form_of_an_answer_and_parts_of_messages_are_read() {
    let body = json!({
        "input": [
            {"role": "assistant", "content": [
                {"type": "reasoning", "text": "hm"},
                {"type": "tool_call", "id": "c", "name": "f", "arguments": "{}"},
            ]},
            {"role": "tool", "content": [{"type": "answers", "call": "c"}, {"type": "text", "text": "21"}]},
        ],
        "tools": [{"name": "f", "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"name": "f"},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "schema": {"type": "object"}},
        "thinking": true,
        "effort": "high",
    });
    let ask = asked(body).unwrap().ask;
    assert_eq!(ask.input[1].parts, [Part::Answers("c".to_owned()), Part::Text("21".to_owned())]);
    let tool = Tool {
        name: "f".to_owned(),
        description: None,
        parameters: Some(r#"{"type":"object"}"#.to_owned()),
        strict: true,
    };
    let form = AnswerForm {
        format: OutputFormat::JsonSchema(r#"{"type":"object"}"#.to_owned()),
        tools: vec![tool],
        tool_choice: ToolChoice::Named("f".to_owned()),
        parallel_calls: false,
        thinking: Some(true),
        effort: Some(pomona_protocol::Effort::High),
    };
    assert_eq!(ask.form, form);
}

#[test]
fn a_turn_is_refused_by_the_name_of_its_field() {
    for (body, name) in [
        (json!({"input": []}), "input"),
        (json!({"input": ""}), "input"),
        (json!({"input": vec![json!({"role": "user", "content": "x"}); 4]}), "input"),
        (json!({"input": "x", "turn": "turn_1"}), "turn"),
        (json!({"input": "x", "parent": "ses_00000000000000000000000000000001"}), "parent"),
        (json!({"input": "x", "idempotency_key": ""}), "idempotency_key"),
        (json!({"input": "x", "model": ""}), "model"),
        (json!({"input": "x", "sampling": {"min_p": 2}}), "sampling.min_p"),
        (json!({"input": "x", "tools": [{"name": ""}]}), "tools[0].name"),
        (json!({"input": "x", "tools": [{"name": "f", "parameters": []}]}), "tools[0].parameters"),
        (json!({"input": "x", "tool_choice": {"name": "f"}}), "tool_choice"),
        (json!({"input": "x", "response_format": {"type": "regex", "regex": ""}}), "response_format.regex"),
        (
            message("user", json!({"type": "image", "media_type": "image/png", "data": "AAAA"})),
            "input[0].content[0]",
        ),
        (message("user", json!({"type": "reasoning", "text": "hm"})), "input[0].content[0]"),
        (message("user", json!({"type": "answers", "call": "c"})), "input[0].content[0]"),
    ] {
        assert_eq!(param(&asked(body.clone()).unwrap_err()), name, "{body}");
    }
}

#[test]
fn each_route_takes_the_fields_that_mean_something_there() {
    let turn = TurnId(5);
    let with = |value| asked(value).unwrap();
    let text = json!({"input": "x"});
    assert!(matches!(with(text.clone()).into_ask(), Ok(SessionCommand::Ask(ask)) if ask.input.len() == 1));
    assert!(matches!(with(text.clone()).into_edit(turn), Ok(SessionCommand::Edit { .. })));
    assert!(matches!(with(json!({})).into_regenerate(turn), Ok(SessionCommand::Regenerate { .. })));
    let parent = json!({"input": "x", "parent": turn.to_string()});
    for (refused, name) in [
        (with(json!({})).into_ask(), "input"),
        (with(json!({"input": "x", "turn": turn.to_string()})).into_ask(), "turn"),
        (with(json!({})).into_edit(turn), "input"),
        (with(parent).into_edit(turn), "parent"),
        (with(text).into_regenerate(turn), "input"),
    ] {
        assert_eq!(param(&refused.unwrap_err()), name);
    }
}

#[test]
fn a_header_and_a_field_name_one_key() {
    let body = || read::<AskBody>(json!({"input": "x", "idempotency_key": "k"})).unwrap();
    let key = |header: Option<&str>| {
        Asked::read(body(), header.map(str::to_owned), 3).map(|asked| asked.ask.idempotency_key)
    };
    assert_eq!(key(None).unwrap().as_deref(), Some("k"));
    assert_eq!(key(Some("k")).unwrap().as_deref(), Some("k"));
    assert_eq!(param(&key(Some("other")).unwrap_err()), "idempotency_key");
}

#[test]
fn a_key_always_makes_the_same_session_for_its_owner_alone() {
    let id = |by, key| new_session_id(Principal(by), key).unwrap();
    assert_eq!(id(1, Some("k")), id(1, Some("k")));
    assert_ne!(id(1, Some("k")), id(2, Some("k")));
    assert_ne!(id(1, Some("k")), id(1, Some("l")));
    assert_ne!(id(1, None), id(1, None));
    // SHA-256("pomona session\0" || 00 00 00 00 00 00 00 01 || "k"), first half.
    assert_eq!(id(1, Some("k")).to_string(), "ses_0704d7ebd4ed38efe154cf4c81b603e0");
}

#[test]
fn a_session_is_made_from_what_is_given() {
    let body =
        json!({"title": "Pears", "tags": ["fruit"], "model": "m", "seed": 3, "context": "drop_oldest"});
    let new = new_session(read(body).unwrap(), &[]).unwrap();
    assert_eq!(
        (new.title.as_str(), new.settings.model.0.as_str(), new.settings.seed),
        ("Pears", "m", Some(3))
    );
    let none = new_session(NewSessionBody::default(), &[]).unwrap_err();
    assert_eq!(none.code(), "model_unavailable");
}

#[test]
fn a_seed_beyond_its_range_is_refused_wherever_it_is_taken() {
    for (seed, is_taken) in [(SEED_MAX, true), (SEED_MAX + 1, false), (u64::MAX, false)] {
        let body = json!({"seed": seed, "model": "m"});
        let taken = [
            new_session(read(body.clone()).unwrap(), &[]).map(|new| new.settings.seed),
            change(read(body.clone()).unwrap()).map(|(change, _)| change.seed.flatten()),
            asked(body).map(|asked| asked.ask.seed),
        ];
        for taken in taken {
            match taken {
                Ok(taken) => assert!(is_taken && taken == Some(seed), "{seed} became {taken:?}"),
                Err(error) => {
                    assert!(!is_taken && error.message().contains(&seed.to_string()), "{}", error.message());
                    assert_eq!(param(&error), "seed");
                }
            }
        }
    }
}

#[test]
fn a_change_is_refused_by_the_name_of_its_field() {
    for (body, name) in [
        (json!({"title": "x".repeat(201)}), "title"),
        (json!({"title": "a\nb"}), "title"),
        (json!({"tags": vec!["a"; 33]}), "tags"),
        (json!({"tags": ["a", ""]}), "tags[1]"),
        (json!({"model": "m".repeat(257)}), "model"),
        (json!({"shared": {"ann": "read"}}), "shared"),
    ] {
        assert_eq!(param(&change(read(body.clone()).unwrap()).unwrap_err()), name, "{body}");
    }
    let (change, expected) = change(read(json!({"system": null, "expected_seq": 4})).unwrap()).unwrap();
    assert_eq!((change.system, change.seed, expected), (Some(None), None, Some(4)));
}
