//! Reading objects of JSON as objects only.
//!
//! What serde derives also takes a list of a struct's values, in order. In the bodies of the API nobody means that, and no
//! schema describes it: `[null, null]` would pass for a `sampling` of which nothing is set. Frames between processes, where
//! structs are lists, stay as serde derives them.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A struct that is read from its fields by name; [`only_from_objects`](crate::only_from_objects) implements it.
pub trait FromObject: Sized {
    /// Reads the fields.
    fn from_object<'de, D: Deserializer<'de>>(fields: D) -> Result<Self, D::Error>;
}

/// Reads an object; an error for anything else.
pub fn read<'de, T: FromObject, D: Deserializer<'de>>(given: D) -> Result<T, D::Error> {
    given.deserialize_map(Fields(PhantomData))
}

/// Reads an object whose `type` is a text, into a value. What serde derives for an enum with such a tag also takes the
/// number of a variant in its place.
pub fn tagged<'de, D: Deserializer<'de>>(fields: D) -> Result<Value, D::Error> {
    let object = Map::deserialize(fields)?;
    match object.get("type") {
        None => Err(D::Error::missing_field("type")),
        Some(Value::String(_)) => Ok(Value::Object(object)),
        Some(other) => Err(D::Error::custom(format!("type is {other}, expected a text"))),
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: FromObject> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_object(MapAccessDeserializer::new(map))
    }
}

/// Has structs read from objects only. They derive `Deserialize` (and for `both` also `Serialize`) with
/// `#[serde(remote = "Self")]`, by which serde makes functions of the types themselves in place of the traits. `tagged` is
/// for enums that derive both with the tag `type`.
#[macro_export]
macro_rules! only_from_objects {
    (both: $($name:ty),+) => {
        $crate::only_from_objects!($($name),+);
        $crate::only_from_objects!(written: $($name),+);
    };
    (tagged: $($name:ty),+) => {
        $(impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(given: D) -> ::std::result::Result<Self, D::Error> {
                let value = $crate::objects::tagged(given)?;
                <$name>::deserialize(value).map_err(::serde::de::Error::custom)
            }
        })+
        $crate::only_from_objects!(written: $($name),+);
    };
    (written: $($name:ty),+) => {
        $(impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, to: S) -> ::std::result::Result<S::Ok, S::Error> {
                <$name>::serialize(self, to)
            }
        })+
    };
    ($($name:ty),+) => {
        $(impl $crate::objects::FromObject for $name {
            fn from_object<'de, D: ::serde::Deserializer<'de>>(
                fields: D,
            ) -> ::std::result::Result<Self, D::Error> {
                <$name>::deserialize(fields)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(given: D) -> ::std::result::Result<Self, D::Error> {
                $crate::objects::read(given)
            }
        })+
    };
}

#[cfg(test)]
mod tests {
    use crate::v3::{AskBody, ExportTurn, NewSessionBody, PartBody};

    #[test]
    fn an_object_is_read_and_a_list_in_its_place_is_refused() {
        let session = |text| serde_json::from_str::<NewSessionBody>(text);
        assert!(session(r#"{"sampling": {"top_k": 3}}"#).unwrap().sampling.is_some());
        let error = session(r#"{"sampling": [null, null]}"#).unwrap_err().to_string();
        assert!(error.starts_with("invalid type: sequence, expected an object"), "{error}");

        let asked = |text| serde_json::from_str::<AskBody>(text);
        assert!(asked(r#"{"input": [{"role": "user", "content": "x"}]}"#).is_ok());
        assert!(asked(r#"{"input": [["user", "x"]]}"#).is_err());

        let turn = r#"{"input": [], "answer": "", "model": "m", "usage": {"prompt_tokens": 1, "cached_tokens": 0, "completion_tokens": 2}}"#;
        let read = serde_json::from_str::<ExportTurn>(turn).unwrap();
        assert_eq!(read.usage.completion_tokens, 2);
        assert_eq!(serde_json::from_str::<ExportTurn>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
        assert!(serde_json::from_str::<ExportTurn>(r#"[[], "", "m"]"#).is_err());
        let listed = r#"{"input": [], "answer": "", "model": "m", "usage": [1, 0, 2]}"#;
        assert!(serde_json::from_str::<ExportTurn>(listed).is_err());
    }

    #[test]
    fn a_tag_is_a_text_and_no_number_of_a_variant() {
        let read = |text| serde_json::from_str::<PartBody>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"text": "x", "type": "text"}"#), Ok(PartBody::Text { text: "x".to_owned() }));
        assert_eq!(read(r#"{"type": 0, "text": "x"}"#), Err("type is 0, expected a text".to_owned()));
        assert_eq!(read(r#"{"text": "x"}"#), Err("missing field `type`".to_owned()));
        assert!(read(r#"["text", "x"]"#).is_err());
        let unknown = read(r#"{"type": "text", "text": "x", "more": 1}"#).unwrap_err();
        assert!(unknown.contains("unknown field `more`"), "{unknown}");
        let asked = |kind| {
            serde_json::from_str::<AskBody>(&format!(
                r#"{{"input": [{{"role": "user", "content": [{{"type": {kind}, "text": "x"}}]}}]}}"#
            ))
        };
        assert!(asked(r#""text""#).is_ok() && asked("0").is_err());
    }
}
