//! The words of the WebSocket of sessions.
//!
//! A client says `{"type": …}` with what belongs to the type, and maybe a `ref` of its own choice. The server answers each
//! of them with one `reply`, `error` or `pong` that carries the same `ref`; besides it says envelopes, see
//! [`pomona_protocol::v3`]. A message is read in two steps, so that an error can name `ref` and session, and so that
//! fields which do not exist are refused; nothing of it is held twice.

use std::fmt;
use std::marker::PhantomData;

use pomona_protocol::v3::{AcceptedBody, AskBody, DoneBody, ErrorBody};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::body::parse;
use crate::errors::ApiError;

/// Longest `ref`, in bytes; it comes back with the answer.
const REF_BYTES_MAX: usize = 128;

/// Fields that stand in every message, besides those of its type.
const HEAD_FIELDS: [&str; 4] = ["type", "ref", "session", "traceparent"];

/// What every message has.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "ref", default)]
    pub(super) reference: Option<Ref>,
    #[serde(default)]
    pub(super) session: Option<String>,
    /// The trace that it belongs to, as the header of that name has it.
    #[serde(default)]
    pub(super) traceparent: Option<String>,
}

/// The client's name for a message: a text or a number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "ref is a text or a whole number")]
pub(super) enum Ref {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// What a client says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// It wants to hear of a session.
    Attach(AttachBody),
    /// It wants to hear of it no more.
    Detach,
    /// It asks something.
    Submit(Box<AskBody>),
    /// It wants the end of a turn.
    Cancel(CancelBody),
    /// It tells the others that somebody types.
    Typing,
    /// It wants a sign of life.
    Ping,
}

/// `attach`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AttachBody {
    /// The last number that the client has; 0 for none.
    pub(super) after: u64,
    /// What the others are to call it.
    pub(super) name: Option<String>,
    /// Milliseconds for which tokens are gathered.
    pub(super) coalesce_ms: Option<u64>,
}

/// `cancel`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CancelBody {
    /// Which turn; the running one when left out.
    pub(super) turn: Option<String>,
}

/// A type without fields of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What the server says besides envelopes.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Told {
    /// It was done.
    Reply {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<Ref>,
        ok: Done,
    },
    /// It was not done, or not understood. The socket and everything attached stay.
    Error {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<Ref>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        error: ErrorBody,
    },
    /// The answer to `ping`.
    Pong {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<Ref>,
    },
}

/// What was done.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Done {
    /// `submit`.
    Accepted(AcceptedBody),
    /// `cancel` and `typing`: where the log ends; `detach`: the last number that was said.
    Over(DoneBody),
    /// `attach`: the past from `after` up to `head_seq` follows, then the present.
    Attached {
        session: String,
        head_seq: u64,
        /// Which of the clients in `presence` this one is; left out where an older gateway does not say it.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<u64>,
    },
}

impl Told {
    pub(super) fn error(reference: Option<Ref>, session: Option<String>, error: &ApiError) -> Self {
        let error = ErrorBody { code: error.code().to_owned(), message: error.message().to_owned() };
        Self::Error { reference, session, error }
    }
}

/// Type, `ref` and session of a message.
pub(super) fn read_head(message: &[u8]) -> Result<Head, ApiError> {
    let head: Head = parse(message)?;
    match &head.reference {
        Some(Ref::Text(text)) if text.len() > REF_BYTES_MAX => {
            let message = format!("ref has {} bytes; at most {REF_BYTES_MAX} are allowed", text.len());
            Err(ApiError::invalid("ref", message))
        }
        _ => Ok(head),
    }
}

/// The rest of a message.
pub(super) fn read_body(head: &Head, message: &[u8]) -> Result<Said, ApiError> {
    let nothing = |said| parse(message).map(|Rest(Nothing {})| said);
    match head.kind.as_str() {
        "attach" => parse(message).map(|Rest(body)| Said::Attach(body)),
        "detach" => nothing(Said::Detach),
        "submit" => parse(message).map(|Rest(body)| Said::Submit(Box::new(body))),
        "cancel" => parse(message).map(|Rest(body)| Said::Cancel(body)),
        "typing" => nothing(Said::Typing),
        "ping" => nothing(Said::Ping),
        other => {
            let other: String = other.chars().take(40).collect();
            let known = "attach, detach, submit, cancel, typing and ping";
            Err(ApiError::invalid("type", format!("type is `{other}`; known are {known}")))
        }
    }
}

/// A message without the fields of its head.
struct Rest<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rest<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RestVisitor(PhantomData))
    }
}

struct RestVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for RestVisitor<T> {
    type Value = Rest<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message with a `type`")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Rest<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(WithoutHead(fields))).map(Rest)
    }
}

/// Passes over the fields of the head.
struct WithoutHead<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutHead<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.0.next_key::<String>()? {
            if !HEAD_FIELDS.contains(&name.as_str()) {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            self.0.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::v3::InputBody;
    use serde_json::json;

    use super::*;

    fn read(message: &str) -> Result<(Option<Ref>, Option<String>, Said), &'static str> {
        let head = read_head(message.as_bytes()).map_err(|error| error.code())?;
        let said = read_body(&head, message.as_bytes()).map_err(|error| error.code())?;
        Ok((head.reference, head.session, said))
    }

    #[test]
    fn every_type_is_read_with_its_fields() {
        let text = |text: &str| Some(Ref::Text(text.to_owned()));
        let attach = AttachBody { after: 7, name: Some("ann".to_owned()), coalesce_ms: Some(33) };
        let ask = AskBody {
            input: Some(InputBody::Text("a".to_owned())),
            idempotency_key: Some("k".to_owned()),
            ..AskBody::default()
        };
        for (message, reference, session, said) in [
            (r#"{"type":"ping"}"#, None, None, Said::Ping),
            (r#"{"ref":"p","type":"ping"}"#, text("p"), None, Said::Ping),
            (r#"{"type":"ping","ref":-4}"#, Some(Ref::Number(-4)), None, Said::Ping),
            (r#"{"type":"attach","session":"s"}"#, None, Some("s"), Said::Attach(AttachBody::default())),
            (
                r#"{"after":7,"name":"ann","session":"s","coalesce_ms":33,"type":"attach"}"#,
                None,
                Some("s"),
                Said::Attach(attach),
            ),
            (r#"{"type":"detach","session":"s","ref":"x"}"#, text("x"), Some("s"), Said::Detach),
            (r#"{"type":"typing","session":"s"}"#, None, Some("s"), Said::Typing),
            (r#"{"type":"cancel","session":"s"}"#, None, Some("s"), Said::Cancel(CancelBody::default())),
            (
                r#"{"type":"submit","input":"a","session":"s","idempotency_key":"k"}"#,
                None,
                Some("s"),
                Said::Submit(Box::new(ask)),
            ),
        ] {
            let expected = (reference, session.map(str::to_owned), said);
            assert_eq!(read(message), Ok(expected), "{message}");
        }
    }

    #[test]
    fn a_message_may_say_which_trace_it_belongs_to() {
        let message = br#"{"type":"submit","session":"s","traceparent":"00-4b-00-01","input":"a"}"#;
        let head = read_head(message).unwrap();
        assert_eq!(head.traceparent.as_deref(), Some("00-4b-00-01"));
        assert!(matches!(read_body(&head, message), Ok(Said::Submit(_))));
    }

    #[test]
    fn garbage_is_named_and_never_more_than_an_error() {
        let deep = format!(r#"{{"type":"submit","input":{}{}}}"#, "[".repeat(9000), "]".repeat(9000));
        let deep_aside = format!(r#"{{"x":{}{},"type":"ping"}}"#, "[".repeat(1000), "]".repeat(1000));
        let long_ref = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(129));
        for (message, code) in [
            ("", "invalid_json"),
            ("\u{0}", "invalid_json"),
            ("{\"type\":\"pi\u{0}ng\"}", "invalid_json"),
            (deep.as_str(), "invalid_json"),
            (deep_aside.as_str(), "invalid_request"),
            ("[1]", "invalid_request"),
            ("7", "invalid_request"),
            ("{}", "invalid_request"),
            (r#"{"type":7}"#, "invalid_request"),
            (r#"{"type":null}"#, "invalid_request"),
            (r#"{"type":"paint"}"#, "invalid_request"),
            (r#"{"type":"pi\u0000ng"}"#, "invalid_request"),
            (long_ref.as_str(), "invalid_request"),
            (r#"{"type":"ping","ref":[1]}"#, "invalid_request"),
            (r#"{"type":"ping","ref":1.5}"#, "invalid_request"),
            (r#"{"type":"ping","input":"a"}"#, "invalid_request"),
            (r#"{"type":"attach","session":5}"#, "invalid_request"),
            (r#"{"type":"attach","session":"s","after":-1}"#, "invalid_request"),
            (r#"{"type":"attach","session":"s","after":1e3}"#, "invalid_request"),
            (r#"{"type":"attach","session":"s","after":99999999999999999999}"#, "invalid_request"),
            (r#"{"type":"attach","session":"s","befor":1}"#, "invalid_request"),
            (r#"{"type":"submit","session":"s","input":5}"#, "invalid_request"),
            (r#"{"type":"submit","session":"s","inputs":"a"}"#, "invalid_request"),
            (r#"{"type":"ping"} {"type":"ping"}"#, "invalid_json"),
        ] {
            let shown: String = message.chars().take(60).collect();
            assert_eq!(read(message), Err(code), "{shown}");
        }
        assert_eq!(read_head(&[0xff, 0xfe, 0]).unwrap_err().code(), "invalid_json");
    }

    #[test]
    fn answers_are_as_promised() {
        let session = "ses_0".to_owned();
        let reference = Some(Ref::Text("a".to_owned()));
        let done = Done::Over(DoneBody { session: session.clone(), seq: 4 });
        let attached = |client| Done::Attached { session: session.clone(), head_seq: 9, client };
        let accepted = AcceptedBody { session: session.clone(), turn: "turn_0".into(), seq: 5, is_new: true };
        let error = ApiError::invalid("type", "type is `x`");
        for (told, expected) in [
            (
                Told::Reply { reference: reference.clone(), ok: done },
                json!({"type": "reply", "ref": "a", "ok": {"session": "ses_0", "seq": 4}}),
            ),
            (
                Told::Reply { reference: None, ok: attached(None) },
                json!({"type": "reply", "ok": {"session": "ses_0", "head_seq": 9}}),
            ),
            (
                Told::Reply { reference: None, ok: attached(Some(3)) },
                json!({"type": "reply", "ok": {"session": "ses_0", "head_seq": 9, "client": 3}}),
            ),
            (
                Told::Reply { reference: Some(Ref::Number(3)), ok: Done::Accepted(accepted) },
                json!({"type": "reply", "ref": 3,
                    "ok": {"session": "ses_0", "turn": "turn_0", "seq": 5, "is_new": true}}),
            ),
            (
                Told::error(reference, Some(session), &error),
                json!({"type": "error", "ref": "a", "session": "ses_0",
                    "error": {"code": "invalid_request", "message": "type is `x`"}}),
            ),
            (Told::Pong { reference: None }, json!({"type": "pong"})),
        ] {
            assert_eq!(serde_json::to_value(&told).unwrap(), expected);
        }
    }
}
