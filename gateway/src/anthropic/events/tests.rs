//! The numbered stream against every cut of a log.

use serde_json::{Value, json};

use super::*;
use crate::turnlog::testing::{every_cut, failed, finished, log, spoken};

fn said(events: &[SessionEvent], mut wording: Wording) -> String {
    let mut out = BytesMut::new();
    events.iter().for_each(|event| wording.write(event, &mut out));
    String::from_utf8(out.to_vec()).unwrap()
}

fn read(said: &str) -> Vec<(Option<u64>, Value)> {
    let events = said.split_terminator("\n\n").map(|event| {
        let (id, event) = match event.strip_prefix("id: ") {
            Some(rest) => rest.split_once('\n').map(|(id, rest)| (id.parse().ok(), rest)).unwrap(),
            None => (None, event),
        };
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(name, data["type"]);
        (id, data)
    });
    events.collect()
}

fn logs() -> Vec<Vec<SessionEvent>> {
    let texts = ["Hel", "", "lo \"é\"\n"];
    vec![
        log(&texts, finished(FinishReason::Stop, "!")),
        log(&texts, finished(FinishReason::Length, "")),
        log(&texts, finished(FinishReason::Cancelled, "")),
        log(&texts, failed()),
        spoken(),
    ]
}

#[test]
fn any_cut_of_the_log_and_any_number_give_the_same_bytes() {
    for log in logs() {
        let whole = said(&log, Wording::lasting(None));
        let ids: Vec<_> = read(&whole).into_iter().map(|(id, _)| id).collect();
        for cut in every_cut(&log) {
            assert_eq!(said(&cut, Wording::lasting(None)), whole);
            for after in 0..22 {
                let expected: String = whole
                    .split_inclusive("\n\n")
                    .zip(&ids)
                    .filter(|(_, id)| id.is_none_or(|id| id > after))
                    .map(|(event, _)| event)
                    .collect();
                assert_eq!(said(&cut, Wording::lasting(Some(after))), expected, "after {after}");
            }
        }
    }
}

#[test]
fn a_stream_is_what_anthropics_clients_expect() {
    let events: Vec<Value> = read(&said(&logs()[0], Wording::passing()))
        .into_iter()
        .map(|(id, data)| {
            assert_eq!(id, None);
            data
        })
        .collect();
    let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let delta = "content_block_delta";
    assert_eq!(
        names,
        [
            "message_start",
            "ping",
            "content_block_start",
            delta,
            delta,
            delta,
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let message = &events[0]["message"];
    assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &Value::Null));
    let usage = json!({"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 0});
    assert_eq!(message["usage"], usage);
    assert_eq!(events[2]["content_block"], json!({"type": "text", "text": ""}));
    let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(text, "Hello \"é\"\n!");
    assert_eq!(events[7]["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
    assert_eq!(events[7]["usage"]["output_tokens"], 4);
}

#[test]
fn an_answer_that_cannot_go_on_ends_with_an_error_without_number() {
    for (log, kind) in [(&logs()[2], "invalid_request_error"), (&logs()[3], "api_error")] {
        let (id, last) = read(&said(log, Wording::lasting(None))).pop().unwrap();
        assert_eq!((id, &last["type"], &last["error"]["type"]), (None, &json!("error"), &json!(kind)));
    }
    let (_, end) = read(&said(&logs()[1], Wording::lasting(None))).remove(6);
    assert_eq!(end["delta"]["stop_reason"], "max_tokens");
}

#[test]
fn thoughts_and_calls_are_blocks_of_their_own() {
    let events: Vec<Value> =
        read(&said(&spoken(), Wording::passing())).into_iter().map(|(_, data)| data).collect();
    let starts: Vec<_> = events.iter().filter_map(|event| event.get("content_block")).collect();
    let id = |index: u32| format!("call_000000000000000000000000000000ff_{index}");
    let tool = |index, name: &str| json!({"type": "tool_use", "id": id(index), "name": name, "input": {}});
    let (thinking, text) =
        (json!({"type": "thinking", "thinking": "", "signature": ""}), json!({"type": "text", "text": ""}));
    assert_eq!(starts, [&thinking, &text, &tool(0, "f"), &tool(1, "g")]);
    let said = |index: u32, field: &str| -> String {
        let of = events.iter().filter(|event| event["index"] == index);
        of.filter_map(|event| event["delta"][field].as_str()).collect()
    };
    assert_eq!((said(0, "thinking"), said(1, "text")), ("hm".to_owned(), "Let me".to_owned()));
    assert_eq!((said(2, "partial_json"), said(3, "partial_json")), ("{\"a\":1}".to_owned(), "{}".to_owned()));
    let end = events.iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!(end["delta"], json!({"stop_reason": "tool_use", "stop_sequence": null}));
}
