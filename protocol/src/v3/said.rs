//! What is said in messages and answers, as JSON: parts of messages, and the marks that tell an answer's text apart.

use serde::{Deserialize, Serialize};

use crate::{Image, Mark, Message, Part, Role, Said, ToolCall};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct MessageBody {
    /// Who speaks.
    pub role: Role,
    /// What is said: a text, or parts where there is more than that.
    pub content: ContentBody,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of parts with a `type`")]
pub enum ContentBody {
    /// A text.
    Text(String),
    /// Parts, in order.
    Parts(Vec<PartBody>),
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum PartBody {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image {
        /// `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
        media_type: String,
        /// Its file in base64.
        data: String,
    },
    /// What a model thought before it answered.
    Reasoning {
        /// The thoughts.
        text: String,
    },
    /// A call of a tool that a model made.
    ToolCall {
        /// The name of the call.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments, a JSON object as text.
        arguments: String,
    },
    /// Which call this message of a tool answers; the parts behind it are what the tool gave.
    Answers {
        /// The name of the call.
        call: String,
    },
}

impl MessageBody {
    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, content: ContentBody::Text(text.into()) }
    }
}

impl ContentBody {
    /// Its plain text, the parts behind each other.
    pub fn plain_text(&self) -> String {
        match self {
            ContentBody::Text(text) => text.clone(),
            ContentBody::Parts(parts) => {
                let texts = parts.iter().filter_map(|part| match part {
                    PartBody::Text { text } => Some(text.as_str()),
                    _ => None,
                });
                texts.collect()
            }
        }
    }
}

impl From<Message> for MessageBody {
    /// A message of texts alone is one text.
    fn from(message: Message) -> Self {
        let is_text = message.parts.iter().all(|part| part.as_text().is_some());
        let content = if is_text {
            ContentBody::Text(message.parts.iter().filter_map(Part::as_text).collect())
        } else {
            ContentBody::Parts(message.parts.into_iter().map(PartBody::from).collect())
        };
        Self { role: message.role, content }
    }
}

impl From<MessageBody> for Message {
    fn from(body: MessageBody) -> Self {
        let parts = match body.content {
            ContentBody::Text(text) => vec![Part::Text(text)],
            ContentBody::Parts(parts) => parts.into_iter().map(Part::from).collect(),
        };
        Self { role: body.role, parts }
    }
}

impl From<Part> for PartBody {
    fn from(part: Part) -> Self {
        match part {
            Part::Text(text) => PartBody::Text { text },
            Part::Image(Image { media_type, base64 }) => PartBody::Image { media_type, data: base64 },
            Part::Reasoning(text) => PartBody::Reasoning { text },
            Part::Call(ToolCall { id, name, arguments }) => PartBody::ToolCall { id, name, arguments },
            Part::Answers(call) => PartBody::Answers { call },
        }
    }
}

impl From<PartBody> for Part {
    fn from(body: PartBody) -> Self {
        match body {
            PartBody::Text { text } => Part::Text(text),
            PartBody::Image { media_type, data } => Part::Image(Image { media_type, base64: data }),
            PartBody::Reasoning { text } => Part::Reasoning(text),
            PartBody::ToolCall { id, name, arguments } => Part::Call(ToolCall { id, name, arguments }),
            PartBody::Answers { call } => Part::Answers(call),
        }
    }
}

/// From byte `at` of a text on it is of this kind, up to the next mark; before the first mark it is plain text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MarkBody {
    /// Byte of the text in UTF-8.
    pub at: u32,
    /// Of which kind.
    pub kind: MarkKind,
    /// `call`: which call of this answer, from 0. Its name in the conversation is `call_`, the 32 hex digits of the
    /// turn, `_` and this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// `call`: the tool, where the call begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

crate::only_from_objects!(both: MessageBody, MarkBody);
crate::only_from_objects!(tagged: PartBody);

/// What a piece of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// The answer itself.
    Text,
    /// What the model thinks before it answers.
    Reasoning,
    /// Arguments of a tool call.
    Call,
}

impl From<&Mark> for MarkBody {
    fn from(mark: &Mark) -> Self {
        let (kind, index, name) = match &mark.kind {
            Said::Text => (MarkKind::Text, None, None),
            Said::Reasoning => (MarkKind::Reasoning, None, None),
            Said::Call { index, name } => (MarkKind::Call, Some(*index), name.clone()),
        };
        Self { at: mark.at, kind, index, name }
    }
}

impl From<&MarkBody> for Mark {
    fn from(body: &MarkBody) -> Self {
        let kind = match body.kind {
            MarkKind::Text => Said::Text,
            MarkKind::Reasoning => Said::Reasoning,
            MarkKind::Call => Said::Call { index: body.index.unwrap_or(0), name: body.name.clone() },
        };
        Self { at: body.at, kind }
    }
}

/// Marks, as clients read them.
pub fn mark_bodies(marks: &[Mark]) -> Vec<MarkBody> {
    marks.iter().map(MarkBody::from).collect()
}

/// Marks, as a client read them.
pub fn marks_of(bodies: &[MarkBody]) -> Vec<Mark> {
    bodies.iter().map(Mark::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_marks_read_back_as_they_were() {
        let parts = vec![
            Part::Reasoning("hm".to_owned()),
            Part::Text("a".to_owned()),
            Part::Image(Image { media_type: "image/png".to_owned(), base64: "AAAA".to_owned() }),
            Part::Call(ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() }),
            Part::Answers("c".to_owned()),
        ];
        let message = Message { role: Role::Assistant, parts };
        let json = serde_json::to_string(&MessageBody::from(message.clone())).unwrap();
        assert_eq!(Message::from(serde_json::from_str::<MessageBody>(&json).unwrap()), message);
        let plain = MessageBody::from(Message::text(Role::User, "x"));
        assert_eq!(serde_json::to_string(&plain).unwrap(), r#"{"role":"user","content":"x"}"#);
        let kinds = [Said::Text, Said::Reasoning, Said::Call { index: 2, name: Some("f".to_owned()) }];
        let marks: Vec<Mark> = (0..).zip(kinds).map(|(at, kind)| Mark { at, kind }).collect();
        let json = serde_json::to_string(&mark_bodies(&marks)).unwrap();
        assert_eq!(
            json,
            r#"[{"at":0,"kind":"text"},{"at":1,"kind":"reasoning"},{"at":2,"kind":"call","index":2,"name":"f"}]"#
        );
        assert_eq!(marks_of(&serde_json::from_str::<Vec<MarkBody>>(&json).unwrap()), marks);
    }
}
