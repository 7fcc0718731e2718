//! A conversation as chat templates expect it: the names and shapes of the `transformers` library.

use std::collections::HashMap;
use std::time::SystemTime;

use minijinja::Value;
use pomona_protocol::{AnswerForm, Cause, Message, ModelId, Part, Role, Tool, ToolCall, ToolChoice};
use serde_json::{Map, Value as Json, json};

use super::{ASKED, Abilities};

/// What is rendered.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// What was said, in order.
    pub messages: &'a [Message],
    /// Tools, and whether the model is to think.
    pub form: Option<&'a AnswerForm>,
    /// When the turn was asked, in Unix milliseconds; 0 stands for now.
    pub asked_ms: u64,
    /// Whether the model sees pictures.
    pub sees: bool,
    /// Names the model in a refusal.
    pub model: Option<&'a ModelId>,
}

impl<'a> Conversation<'a> {
    /// Messages alone.
    pub fn new(messages: &'a [Message]) -> Self {
        Self { messages, form: None, asked_ms: 0, sees: false, model: None }
    }

    /// The tools that the model is told of.
    fn tools(&self) -> &'a [Tool] {
        match self.form {
            Some(form) if form.tool_choice != ToolChoice::None => &form.tools,
            _ => &[],
        }
    }

    pub(super) fn has_tools(&self) -> bool {
        !self.tools().is_empty() || self.messages.iter().any(is_of_tools)
    }

    /// Refuses what the template has no place for; without a template the rendering itself says so.
    pub(super) fn check(&self, abilities: Option<Abilities>) -> Result<(), Cause> {
        let model = self.model.map_or("this one", |model| model.0.as_str());
        let refused = |parameter: &str, message: String| {
            Err(Cause::InvalidRequest { parameter: parameter.to_owned(), message })
        };
        if !self.sees && self.messages.iter().any(shows_picture) {
            return refused("messages", format!("model `{model}` takes no pictures; leave them out"));
        }
        let Some(Abilities { tools: false, .. }) = abilities else { return Ok(()) };
        if !self.tools().is_empty() {
            return refused("tools", format!("the chat template of model `{model}` has no place for tools"));
        }
        if self.messages.iter().any(is_of_tools) {
            let message = format!("the chat template of model `{model}` has no place for calls of tools");
            return refused("messages", message);
        }
        Ok(())
    }

    /// Everything that a template may ask for.
    pub(super) fn context(&self, wants_short_ids: bool) -> Value {
        let mut context = Map::new();
        context.insert("messages".to_owned(), self.messages_json(wants_short_ids));
        context.insert("add_generation_prompt".to_owned(), Json::Bool(true));
        if !self.tools().is_empty() {
            let tools = self.tools().iter().map(tool_json).collect();
            context.insert("tools".to_owned(), Json::Array(tools));
        }
        if let Some(thinking) = self.form.and_then(|form| form.thinking) {
            for name in ["enable_thinking", "thinking"] {
                context.insert(name.to_owned(), Json::Bool(thinking));
            }
        }
        if let Some(effort) = self.form.and_then(|form| form.effort) {
            context.insert("reasoning_effort".to_owned(), json!(effort.as_str()));
        }
        let now = || {
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64)
        };
        let asked_ms = if self.asked_ms == 0 { now() } else { self.asked_ms };
        context.insert(ASKED.to_owned(), json!(asked_ms));
        Value::from_serialize(Json::Object(context))
    }

    fn messages_json(&self, wants_short_ids: bool) -> Json {
        let id = |id: &str| if wants_short_ids { short_id(id) } else { id.to_owned() };
        let mut names: HashMap<&str, &str> = HashMap::new();
        let mut messages = Vec::with_capacity(self.messages.len());
        for message in self.messages {
            let mut json = Map::new();
            json.insert("role".to_owned(), json!(message.role.as_str()));
            let content = text_of(message);
            let mut calls = Vec::new();
            let mut reasoning = String::new();
            for part in &message.parts {
                match part {
                    Part::Text(_) | Part::Image(_) => {}
                    Part::Reasoning(text) => reasoning.push_str(text),
                    Part::Call(call) => {
                        names.insert(&call.id, &call.name);
                        calls.push(call_json(call, id(&call.id)));
                    }
                    Part::Answers(call) => {
                        json.insert("tool_call_id".to_owned(), json!(id(call)));
                        if let Some(name) = names.get(call.as_str()) {
                            json.insert("name".to_owned(), json!(name));
                        }
                    }
                }
            }
            if !reasoning.is_empty() {
                // The template of gpt-oss knows it as `thinking`, and takes no text beside it in a call.
                if calls.is_empty() || content.is_empty() {
                    json.insert("thinking".to_owned(), json!(reasoning));
                }
                json.insert("reasoning_content".to_owned(), Json::String(reasoning));
            }
            let content =
                if shows_picture(message) { Json::Array(parts_json(message)) } else { Json::String(content) };
            json.insert("content".to_owned(), content);
            if !calls.is_empty() {
                json.insert("tool_calls".to_owned(), Json::Array(calls));
            }
            messages.push(Json::Object(json));
        }
        Json::Array(messages)
    }
}

fn shows_picture(message: &Message) -> bool {
    message.parts.iter().any(|part| matches!(part, Part::Image(_)))
}

/// Text and pictures in order, for templates that write a mark for each picture.
fn parts_json(message: &Message) -> Vec<Json> {
    let parts = message.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(json!({ "type": "text", "text": text })),
        Part::Image(_) => Some(json!({ "type": "image" })),
        _ => None,
    });
    parts.collect()
}

/// Its plain text.
pub(super) fn text_of(message: &Message) -> String {
    message.parts.iter().filter_map(Part::as_text).collect()
}

/// Whether a template insists on ids of nine letters and digits, as Mistral's do.
pub(super) fn wants_short_ids(source: &str) -> bool {
    ["length != 9", "length == 9", "length < 9"].iter().any(|test| source.contains(test))
}

/// Nine digits in the base of letters and digits that stand for an id (FNV-1a, 64 bits).
fn short_id(id: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut digit = || {
        let digit = DIGITS[(hash % 62) as usize];
        hash /= 62;
        char::from(digit)
    };
    (0..9).map(|_| digit()).collect()
}

fn is_of_tools(message: &Message) -> bool {
    message.role == Role::Tool
        || message.parts.iter().any(|part| matches!(part, Part::Call(_) | Part::Answers(_)))
}

fn tool_json(tool: &Tool) -> Json {
    let parameters = tool.parameters.as_deref().and_then(|json| serde_json::from_str(json).ok());
    let parameters: Json = parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    let description = tool.description.clone().unwrap_or_default();
    json!({
        "type": "function",
        "function": { "name": tool.name, "description": description, "parameters": parameters },
    })
}

/// Arguments that are no JSON stay the text that they are.
fn call_json(call: &ToolCall, id: String) -> Json {
    let arguments = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments));
    json!({ "id": id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}
