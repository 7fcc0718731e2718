//! A session as a file.

use serde::{Deserialize, Serialize};

use super::{MarkBody, MessageBody};
use crate::Usage;
use crate::objects::{self, FromObject};

/// `GET /v3/sessions/{id}/export?format=json` and `POST /v3/sessions/import`: the active branch with its answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportBody {
    /// `pomona.session.v3`.
    pub format: String,
    /// Its title.
    pub title: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Which model answers.
    pub model: String,
    /// The system prompt.
    #[serde(default)]
    pub system: Option<String>,
    /// The turns, each following the one before.
    pub turns: Vec<ExportTurn>,
}

/// A turn of an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ExportTurn {
    /// What was said.
    pub input: Vec<MessageBody>,
    /// What was answered, thoughts and arguments of calls included.
    pub answer: String,
    /// What of it is not plain text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkBody>,
    /// Which model answered.
    pub model: String,
    /// What was used.
    #[serde(default, deserialize_with = "usage")]
    pub usage: Usage,
}

crate::only_from_objects!(both: ExportTurn);

/// Usage, which in frames is a list, by the names of its fields.
fn usage<'de, D: serde::Deserializer<'de>>(given: D) -> Result<Usage, D::Error> {
    struct Named(Usage);
    impl FromObject for Named {
        fn from_object<'de, D: serde::Deserializer<'de>>(fields: D) -> Result<Self, D::Error> {
            Usage::deserialize(fields).map(Named)
        }
    }
    objects::read(given).map(|Named(usage)| usage)
}
