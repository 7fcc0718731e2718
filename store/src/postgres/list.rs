//! Pages of sessions. What people type reaches the server as values alone: as words of [`crate::search`], each one
//! quoted, or as a whole text to be compared.

use pomona_protocol::{SessionPage, SessionQuery};

use super::Postgres;
use super::change::limited;
use super::read;
use super::schema::text;
use super::values::id_bytes;
use crate::backend::{principal_bits, to_signed};
use crate::{StoreError, search};

macro_rules! page {
    ($more:literal) => {
        concat!(
            "SELECT id, owner, shared, title, model, tags, created_ms, updated_ms, turns, open_turns, head_seq
            FROM sessions JOIN logs ON session = id
            WHERE ($1::bigint IS NULL OR owner = $1 OR readers @> ARRAY[$1])
            AND ($2::text IS NULL OR strpos(title_folded, $2) > 0)
            AND ($3::text IS NULL OR model = $3)
            AND ($4::text IS NULL OR tags @> ARRAY[$4])
            AND ($5::bigint IS NULL OR (updated_ms, id) < ($5, $6::bytea)) ",
            $more,
            " ORDER BY updated_ms DESC, id DESC LIMIT $7"
        )
    };
}

const PAGE: &str = page!("");
/// Each word is looked up by itself; a session counts when every word was found in one of its texts.
const PAGE_OF_WORDS: &str = page!(
    "AND id IN (
        SELECT texts.session FROM unnest($8::text[]) WITH ORDINALITY AS asked (word, number)
        JOIN texts ON texts.found @@ asked.word::tsquery
        GROUP BY texts.session HAVING count(DISTINCT asked.number) = cardinality($8::text[])
    )"
);

impl Postgres {
    /// See [`crate::Store::list`].
    pub(crate) async fn list(&self, query: SessionQuery) -> Result<SessionPage, StoreError> {
        let limit = search::page_limit(query.limit)?;
        let cursor = query.cursor.as_deref().map(search::parse_cursor).transpose()?;
        let (before, before_id) = match cursor {
            Some((updated_ms, id)) => (Some(to_signed(updated_ms)), Some(id_bytes(id))),
            None => (None, None),
        };
        let by = query.readable_by.map(principal_bits);
        let title = query.title.map(|title| text(&search::folded(&title)).into_owned());
        let model = query.model.map(|model| text(&model.0).into_owned());
        let tag = query.tag.map(|tag| text(&tag).into_owned());
        let words = query.text.map(|text| quoted(search::asked(&text))).unwrap_or_default();
        // One more tells whether another page follows.
        let rows_max = i64::from(limit) + 1;
        limited!(self, lease, {
            let rows = if words.is_empty() {
                lease.query(PAGE, &[&by, &title, &model, &tag, &before, &before_id, &rows_max]).await?
            } else {
                let values: super::connect::Values<'_> =
                    &[&by, &title, &model, &tag, &before, &before_id, &rows_max, &words];
                lease.query(PAGE_OF_WORDS, values).await?
            };
            let sessions = rows.iter().take(limit as usize).map(|row| read::summary(&self.server.name, row));
            let sessions: Vec<_> = sessions.collect::<Result<_, _>>()?;
            let last = sessions.last().filter(|_| rows.len() > limit as usize);
            let next = last.map(|last| search::cursor(last.updated_ms, last.id));
            Ok(SessionPage { sessions, next })
        })
    }
}

/// Words as a tsquery each; the last one may go on. They hold letters and digits alone, so quotes hold them.
fn quoted(words: Vec<String>) -> Vec<String> {
    let last = words.len().saturating_sub(1);
    let quote = |(number, word)| if number == last { format!("'{word}':*") } else { format!("'{word}'") };
    words.into_iter().enumerate().map(quote).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_quoted_words() {
        assert_eq!(quoted(search::asked("a' | !b:* ")), ["'a'", "'b':*"]);
        assert!(quoted(search::asked("!!")).is_empty());
    }
}
