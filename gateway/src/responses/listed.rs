//! How the input of a stored response is listed again: a message is one item, and each of its calls and thoughts too.

use pomona_protocol::{Message, Part, Role, TurnId};
use serde::Serialize;
use serde_json::{Value, json};

/// An item of an input, as it is listed.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ListedItem {
    pub(crate) id: String,
    /// `message`, `function_call`, `function_call_output` or `reasoning`, and what belongs to it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    body: Value,
}

/// The items of an input in the order in which they were given.
pub(crate) fn listed(turn: TurnId, input: &[Message]) -> Vec<ListedItem> {
    let mut items = Vec::with_capacity(input.len());
    for (index, message) in input.iter().enumerate() {
        let id = format!("{:032x}_in{index}", turn.0);
        let content = content_of(message);
        let answers = message.parts.iter().find_map(|part| match part {
            Part::Answers(call) => Some(call),
            _ => None,
        });
        if let Some(call) = answers {
            let body = json!({"type": "function_call_output", "status": "completed", "call_id": call, "output": content});
            items.push(ListedItem { id: format!("fco_{id}"), body });
            continue;
        }
        for (at, part) in message.parts.iter().enumerate() {
            if let Part::Reasoning(text) = part {
                let content = [json!({"type": "reasoning_text", "text": text})];
                let body = json!({"type": "reasoning", "summary": [], "content": content});
                items.push(ListedItem { id: format!("rs_{id}_{at}"), body });
            }
        }
        let calls = message.parts.iter().filter(|part| matches!(part, Part::Call(_))).count();
        if !content.is_empty() || calls == 0 {
            let role = message.role.as_str();
            let body = json!({"type": "message", "status": "completed", "role": role, "content": content});
            items.push(ListedItem { id: format!("msg_{id}"), body });
        }
        for (at, part) in message.parts.iter().enumerate() {
            if let Part::Call(call) = part {
                let body = json!({
                    "type": "function_call", "status": "completed",
                    "call_id": call.id, "name": call.name, "arguments": call.arguments,
                });
                items.push(ListedItem { id: format!("fc_{id}_{at}"), body });
            }
        }
    }
    items
}

/// Texts and pictures.
fn content_of(message: &Message) -> Vec<Value> {
    let is_answer = message.role == Role::Assistant;
    let parts = message.parts.iter().filter_map(|part| match part {
        Part::Text(text) if is_answer => {
            Some(json!({"type": "output_text", "text": text, "annotations": []}))
        }
        Part::Text(text) => Some(json!({"type": "input_text", "text": text})),
        Part::Image(image) => {
            let address = format!("data:{};base64,{}", image.media_type, image.base64);
            Some(json!({"type": "input_image", "detail": "auto", "image_url": address}))
        }
        Part::Reasoning(_) | Part::Call(_) | Part::Answers(_) => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use pomona_protocol::ToolCall;

    use super::*;

    #[test]
    fn items_are_listed_as_openai_lists_them() {
        let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
        let called = Message {
            role: Role::Assistant,
            parts: vec![Part::Reasoning("hm".to_owned()), Part::Text("b".to_owned()), Part::Call(call)],
        };
        let given = Message {
            role: Role::Tool,
            parts: vec![Part::Answers("c".to_owned()), Part::Text("21".to_owned())],
        };
        let items = listed(TurnId(1), &[Message::text(Role::User, "a"), called, given]);
        let items = serde_json::to_value(&items).unwrap();
        let kinds: Vec<_> = items.as_array().unwrap().iter().map(|item| item["type"].clone()).collect();
        assert_eq!(kinds, ["message", "reasoning", "message", "function_call", "function_call_output"]);
        assert_eq!(items[0]["content"], json!([{"type": "input_text", "text": "a"}]));
        assert_eq!(items[2]["content"], json!([{"type": "output_text", "text": "b", "annotations": []}]));
        assert_eq!((&items[0]["role"], &items[2]["role"]), (&json!("user"), &json!("assistant")));
        assert_eq!((&items[3]["call_id"], &items[4]["call_id"]), (&json!("c"), &json!("c")));
        assert_ne!(items[0]["id"], items[2]["id"]);
    }
}
