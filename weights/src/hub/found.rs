//! What a hub says to a search. Pure; asked by `ask`. A row that names no repository is left out, and of what is said
//! of one only as much is kept as people read.

use pomona_protocol::HubModel;
use serde::Deserialize;
use serde_json::Value;

use super::date::utc_unix_ms;
use super::reference::Reference;

/// Tags of one model that are told.
const TAGS_MAX: usize = 24;
/// Bytes of a tag that is told.
const TAG_BYTES_MAX: usize = 64;

/// A row, as the API of Hugging Face has it; a mirror may leave out all but a name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: Option<String>,
    model_id: Option<String>,
    #[serde(default)]
    downloads: Option<u64>,
    #[serde(default)]
    likes: Option<u64>,
    #[serde(default)]
    last_modified: Option<String>,
    /// False, or how somebody gets in.
    #[serde(default)]
    gated: Value,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// The models of an answer, at most `limit`; an error says why it is none.
pub(super) fn read(body: &[u8], limit: usize) -> Result<Vec<HubModel>, String> {
    let rows: Vec<Value> =
        serde_json::from_slice(body).map_err(|error| format!("it is no list of models ({error})"))?;
    let rows = rows.into_iter().filter_map(|row| serde_json::from_value(row).ok());
    Ok(rows.filter_map(model).take(limit).collect())
}

fn model(row: Row) -> Option<HubModel> {
    let repo = row.id.or(row.model_id)?;
    // A name that could not be asked for helps nobody.
    repo.parse::<Reference>().ok().filter(|reference| reference.repo == repo)?;
    let tags = row.tags.unwrap_or_default().into_iter();
    let is_told = |tag: &String| tag.len() <= TAG_BYTES_MAX && !tag.chars().any(char::is_control);
    Some(HubModel {
        repo,
        downloads: row.downloads.unwrap_or(0),
        likes: row.likes.unwrap_or(0),
        updated_unix_ms: row.last_modified.and_then(|at| utc_unix_ms(&at)).unwrap_or(0),
        is_gated: !matches!(row.gated, Value::Null | Value::Bool(false)),
        tags: tags.filter(is_told).take(TAGS_MAX).collect(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(body: &Value, limit: usize) -> Vec<HubModel> {
        read(body.to_string().as_bytes(), limit).unwrap()
    }

    #[test]
    fn a_row_tells_what_the_hub_tells() {
        let body = json!([
            { "_id": "1", "id": "garden/quince", "modelId": "garden/quince", "downloads": 12, "likes": 3,
              "lastModified": "1994-11-06T08:49:37.000Z", "gated": "manual", "tags": ["gguf", "a\u{7}"] },
            { "modelId": "medlar" },
        ]);
        let models = found(&body, 9);
        let quince = HubModel {
            repo: "garden/quince".to_owned(),
            downloads: 12,
            likes: 3,
            updated_unix_ms: 784_111_777_000,
            is_gated: true,
            tags: vec!["gguf".to_owned()],
        };
        assert_eq!(models[0], quince);
        assert_eq!((models[1].repo.as_str(), models[1].is_gated, models[1].downloads), ("medlar", false, 0));
        assert_eq!(found(&body, 1).len(), 1);
    }

    #[test]
    fn a_row_that_names_no_repository_is_left_out() {
        let body = json!([
            { "id": "../etc" }, { "id": "a/b/c" }, { "id": "a/b@main" }, { "id": 7 }, {}, 5, "x",
            { "id": "a/b", "tags": "many" }, { "id": "a/b", "gated": false },
        ]);
        let models = found(&body, 9);
        assert_eq!(models.len(), 1, "{models:?}");
        assert!(!models[0].is_gated);
        for body in ["", "{}", "<html>", "null"] {
            assert!(read(body.as_bytes(), 9).unwrap_err().contains("no list"), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_models_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 9);
        }
    }
}
