//! The numbered stream against every cut of a log.

use serde_json::{Value, json};

use super::*;
use crate::turnlog::testing::{every_cut, failed, finished, log, spoken};

const SESSION: SessionId = SessionId(9);

fn said(events: &[SessionEvent], after: Option<u64>) -> String {
    let mut sequence = Sequence::new(Some(SESSION), after);
    let mut out = BytesMut::new();
    events.iter().for_each(|event| sequence.write(event, &mut out));
    String::from_utf8(out.to_vec()).unwrap()
}

fn read(said: &str) -> Vec<Value> {
    let events = said.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"]);
        data
    });
    events.collect()
}

fn logs() -> Vec<Vec<SessionEvent>> {
    let texts = ["Hel", "", "lo ", "\"é\"\n"];
    let cancelled = SessionEventBody::Failed { turn: crate::turnlog::testing::TURN, cause: Cause::Cancelled };
    vec![
        log(&texts, finished(FinishReason::Stop, "!")),
        log(&texts, finished(FinishReason::Length, "")),
        log(&texts, finished(FinishReason::Cancelled, "")),
        log(&texts, failed()),
        log(&texts, cancelled),
        log(&[], finished(FinishReason::Stop, "all of it")),
        spoken(),
    ]
}

#[test]
fn any_cut_of_the_log_and_any_number_give_the_same_bytes() {
    for log in logs() {
        let whole = said(&log, None);
        let numbers: Vec<u64> =
            read(&whole).iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        for cut in every_cut(&log) {
            assert_eq!(said(&cut, None), whole);
            for after in 0..=numbers.last().copied().unwrap() {
                let behind: usize = whole
                    .split_inclusive("\n\n")
                    .zip(&numbers)
                    .filter(|(_, number)| **number <= after)
                    .map(|(event, _)| event.len())
                    .sum();
                assert_eq!(said(&cut, Some(after)), whole[behind..], "after {after}");
            }
        }
    }
}

#[test]
fn what_was_said_stands_while_more_happens() {
    for log in logs() {
        let whole = said(&log, None);
        for length in 0..log.len() {
            assert!(whole.starts_with(&said(&log[..length], None)));
        }
    }
}

#[test]
fn a_stream_is_what_openais_clients_expect() {
    let events = read(&said(&logs()[0], None));
    let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let delta = "response.output_text.delta";
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            delta,
            delta,
            delta,
            delta,
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let text: String = events
        .iter()
        .filter(|event| event["type"] == delta)
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(text, "Hello \"é\"\n!");
    assert_eq!(events[8]["text"], text);
    let response = &events[11]["response"];
    assert_eq!(response["output"][0]["content"][0]["text"], text);
    assert_eq!(response["output"][0]["id"], events[4]["item_id"]);
    assert_eq!(
        (&events[0]["response"]["status"], &response["status"]),
        (&json!("in_progress"), &json!("completed"))
    );
    assert_eq!(response["usage"]["total_tokens"], 9);
    assert_eq!(response["previous_response_id"], "resp_00000000000000000000000000000001");
    assert_eq!((&response["created_at"], &response["max_output_tokens"]), (&json!(1_700_000_003), &json!(9)));
    assert_eq!(response["instructions"], "be brief");
    assert_eq!((&response["metadata"], &response["background"]), (&json!({"a": "b"}), &json!(true)));
}

#[test]
fn every_end_has_its_word() {
    let ends: Vec<_> = logs()
        .iter()
        .map(|log| {
            let last = read(&said(log, None)).pop().unwrap();
            let name = last["type"].as_str().unwrap().to_owned();
            (name, last["response"]["status"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [
        ("response.completed", "completed"),
        ("response.incomplete", "incomplete"),
        ("response.incomplete", "cancelled"),
        ("response.failed", "failed"),
        ("response.incomplete", "cancelled"),
        ("response.completed", "completed"),
        ("response.completed", "completed"),
    ];
    assert!(ends.iter().map(|(name, status)| (name.as_str(), status.as_str())).eq(expected), "{ends:?}");
}

#[test]
fn a_cut_stream_says_the_number_to_go_on_from() {
    let log = logs().remove(0);
    for (events, number) in [(1, 1), (2, 1), (3, 4), (5, 6), (log.len(), 12)] {
        let mut sequence = Sequence::new(Some(SESSION), None);
        let mut out = BytesMut::new();
        log[..events].iter().for_each(|event| sequence.write(event, &mut out));
        out.clear();
        sequence.cut(Cause::SessionMoved, &mut out);
        let error = read(std::str::from_utf8(&out).unwrap()).remove(0);
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("session_moved")));
        assert_eq!(error["sequence_number"], number);
    }
}

#[test]
fn thoughts_and_calls_are_items_of_their_own() {
    let events = read(&said(&spoken(), None));
    let added: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.added")
        .map(|event| (event["output_index"].as_u64().unwrap(), event["item"]["type"].as_str().unwrap()))
        .collect();
    assert_eq!(added, [(0, "reasoning"), (1, "message"), (2, "function_call"), (3, "function_call")]);
    let deltas = |kind: &str| -> String {
        let of = events.iter().filter(|event| event["type"] == format!("response.{kind}.delta"));
        of.map(|event| event["delta"].as_str().unwrap()).collect()
    };
    assert_eq!(deltas("reasoning_text"), "hm");
    assert_eq!(deltas("output_text"), "Let me");
    assert_eq!(deltas("function_call_arguments"), "{\"a\":1}{}");
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!(output[0]["content"], json!([{"type": "reasoning_text", "text": "hm"}]));
    assert_eq!((&output[2]["name"], &output[2]["arguments"]), (&json!("f"), &json!("{\"a\":1}")));
    assert_eq!(output[3]["call_id"], "call_000000000000000000000000000000ff_1");
    assert_eq!(events.last().unwrap()["response"]["status"], "completed");
}
