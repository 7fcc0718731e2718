//! What is written of streams.

use pomona_protocol::TurnId;
use serde_json::{Value, json};

use super::*;

fn writer(shape: Shape, include_usage: bool) -> ChunkWriter {
    let head = AnswerHead { turn: TurnId(255), model: "a\"b".into(), created: 7 };
    ChunkWriter::new(shape, &head, "pomona-0", &[TurnId(255), TurnId(256)], include_usage)
}

fn events(out: &BytesMut) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    assert!(text.ends_with("\n\n"));
    let events = text.split_terminator("\n\n");
    events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

#[test]
fn a_chat_stream_is_role_text_end_usage() {
    let mut out = BytesMut::new();
    let mut writer = writer(Shape::Chat, true);
    writer.text(1, "", &[], &[], &mut out);
    assert!(out.is_empty(), "nothing certain yet, nothing said");
    writer.text(1, "a \"q\"\n\u{1}é", &[], &[], &mut out);
    writer.end(1, FinishReason::Length, None, &mut out);
    writer.usage(
        Usage { prompt_tokens: 5, cached_tokens: 2, completion_tokens: 3, ..Usage::default() },
        &mut out,
    );
    let events = events(&out);
    assert_eq!(events.len(), 4);
    for event in &events {
        assert_eq!(event["id"], "chatcmpl-000000000000000000000000000000ff");
        assert_eq!((&event["object"], &event["model"]), (&json!("chat.completion.chunk"), &json!("a\"b")));
        assert_eq!((&event["created"], &event["system_fingerprint"]), (&json!(7), &json!("pomona-0")));
    }
    assert_eq!(
        events[0]["choices"],
        json!([{"index": 1, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}])
    );
    assert_eq!(events[1]["choices"][0]["delta"], json!({"content": "a \"q\"\n\u{1}é"}));
    assert_eq!(events[1]["usage"], Value::Null);
    assert_eq!(
        events[2]["choices"],
        json!([{"index": 1, "delta": {}, "logprobs": null, "finish_reason": "length"}])
    );
    assert_eq!(events[3]["choices"], json!([]));
    assert_eq!(events[3]["usage"]["total_tokens"], 8);
    assert_eq!(events[3]["usage"]["prompt_tokens_details"]["cached_tokens"], 2);
}

#[test]
fn a_completion_stream_is_text_and_end() {
    let mut out = BytesMut::new();
    let mut writer = writer(Shape::Completion, false);
    writer.text(0, "hi", &[], &[], &mut out);
    writer.end(0, FinishReason::Stop, None, &mut out);
    let events = events(&out);
    assert_eq!(
        events[0]["choices"],
        json!([{"index": 0, "text": "hi", "logprobs": null, "finish_reason": null}])
    );
    assert_eq!(
        events[1]["choices"],
        json!([{"index": 0, "text": "", "logprobs": null, "finish_reason": "stop"}])
    );
    assert!(events[0].get("usage").is_none());
}

#[test]
fn thoughts_and_calls_have_deltas_of_their_own() {
    let mut out = BytesMut::new();
    let mut writer = writer(Shape::Chat, false);
    let call = |index, name: &str| Said::Call { index, name: Some(name.to_owned()) };
    let marks = [
        Mark { at: 0, kind: Said::Reasoning },
        Mark { at: 2, kind: Said::Text },
        Mark { at: 4, kind: call(0, "f") },
    ];
    writer.text(1, "hmOK", &marks, &[], &mut out);
    let goes_on =
        [Mark { at: 0, kind: Said::Call { index: 0, name: None } }, Mark { at: 2, kind: call(1, "g") }];
    writer.text(1, "{}[]", &goes_on, &[], &mut out);
    writer.text(1, "[]", &[Mark { at: 0, kind: call(1, "g") }], &[], &mut out);
    writer.end(1, FinishReason::ToolCalls, Some("\n"), &mut out);
    let events = events(&out);
    let deltas: Vec<_> = events.iter().skip(1).map(|event| event["choices"][0]["delta"].clone()).collect();
    let id = |index: u32| format!("call_00000000000000000000000000000100_{index}");
    let begin = |index: u32, name: &str, arguments: &str| {
        json!({"tool_calls": [{"index": index, "id": id(index), "type": "function",
            "function": {"name": name, "arguments": arguments}}]})
    };
    let more = |index: u32, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    let expected = [
        json!({"reasoning_content": "hm"}),
        json!({"content": "OK"}),
        begin(0, "f", ""),
        more(0, "{}"),
        begin(1, "g", "[]"),
        more(1, "[]"),
        json!({}),
    ];
    assert_eq!(deltas, expected);
    let end = &events[7]["choices"][0];
    assert_eq!((&end["finish_reason"], &end["stop_reason"]), (&json!("tool_calls"), &json!("\n")));
}
