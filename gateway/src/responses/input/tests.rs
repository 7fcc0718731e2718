//! What inputs are taken.

use serde_json::json;

use super::*;

fn check(input: serde_json::Value) -> Result<Vec<Message>, (&'static str, String)> {
    let input: Input = serde_json::from_value(input).map_err(|error| ("json", error.to_string()))?;
    check_input(input, 3, true).map_err(|error| {
        let body: serde_json::Value = serde_json::from_slice(&error.to_json()).unwrap();
        (error.code(), body["error"]["param"].as_str().unwrap_or_default().to_owned())
    })
}

#[test]
fn a_conversation_is_read_however_it_is_written() {
    assert_eq!(check(json!("hi")), Ok(vec![Message::text(Role::User, "hi")]));
    let output = json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "yes", "annotations": [], "logprobs": []}]});
    let items = json!([{"role": "developer", "content": "be brief"}, output,
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "why?"}]}]);
    let expected = vec![
        Message::text(Role::System, "be brief"),
        Message::text(Role::Assistant, "yes"),
        Message::text(Role::User, "why?"),
    ];
    assert_eq!(check(items), Ok(expected));
}

#[test]
fn what_is_not_taken_is_named() {
    let user = |content: serde_json::Value| json!([{"role": "user", "content": content}]);
    for (input, code, param) in [
        (json!([]), "invalid_request", "input"),
        (json!([{"role": "user"}]), "invalid_request", "input[0].content"),
        (json!([{"content": "x"}]), "invalid_request", "input[0].role"),
        (json!([{"role": "king", "content": "x"}]), "invalid_request", "input[0].role"),
        (json!([{"type": "function_call", "name": "f"}]), "invalid_request", "input[0].call_id"),
        (json!([{"type": "function_call", "name": "f g"}]), "invalid_request", "input[0].name"),
        (
            json!([{"type": "function_call_output", "call_id": "c", "output": "x"}]),
            "invalid_request",
            "input[0]",
        ),
        (json!([{"type": "web_search_call"}]), "item_not_supported", "input[0].type"),
        (json!([{"type": "item_reference", "id": "x"}]), "item_not_supported", "input[0].type"),
        (user(json!([{"type": "input_image"}])), "invalid_request", "input[0].content[0].image_url"),
        (user(json!([{"type": "input_file"}])), "part_not_supported", "input[0].content[0].type"),
        (user(json!([{"type": "input_text"}])), "invalid_request", "input[0].content[0].text"),
        (json!(["a", "b"]), "json", ""),
    ] {
        let refused = check(input.clone()).unwrap_err();
        assert_eq!(refused.0, code, "{input}");
        assert!(param.is_empty() || refused.1 == param, "{input}: {refused:?}");
    }
    let many: Vec<_> = (0..4).map(|_| json!({"role": "user", "content": "x"})).collect();
    assert_eq!(check(many.into()).unwrap_err().1, "input");
}

#[test]
fn an_answer_that_came_in_items_is_one_message() {
    let read = check(json!([
        {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "21"},
    ]));
    let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
    let said =
        Message { role: Role::Assistant, parts: vec![Part::Reasoning("hm".to_owned()), Part::Call(call)] };
    let given =
        Message { role: Role::Tool, parts: vec![Part::Answers("c".to_owned()), Part::Text("21".to_owned())] };
    assert_eq!(read, Ok(vec![said, given]));
}
