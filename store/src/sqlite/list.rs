//! Pages of sessions: what may be read, what is found, newest first. Called by `Sqlite` on a connection of the pool.
//!
//! The statement is put together from fixed pieces; everything that a client said is a parameter.

use pomona_protocol::{Principal, SessionPage, SessionQuery, SessionSummary};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{fault, reads, rows};
use crate::backend::{principal_bits, to_signed};
use crate::{StoreError, search};

/// A page.
pub(super) fn page(what: &str, db: &Connection, query: &SessionQuery) -> Result<SessionPage, StoreError> {
    let limit = search::page_limit(query.limit)?;
    let mut conditions = Conditions::default();
    if let Some(by) = query.readable_by {
        conditions.readable_by(by);
    }
    if let Some(title) = &query.title {
        conditions.add("instr(s.title_folded, ?) > 0", [search::folded(title).into()]);
    }
    if let Some(model) = &query.model {
        conditions.add("s.model = ?", [model.0.clone().into()]);
    }
    if let Some(tag) = &query.tag {
        conditions.add("EXISTS (SELECT 1 FROM json_each(s.tags) WHERE value = ?)", [tag.clone().into()]);
    }
    conditions.words(query.text.as_deref().unwrap_or_default());
    if let Some(cursor) = &query.cursor {
        let (updated_ms, id) = search::parse_cursor(cursor)?;
        let place = [to_signed(updated_ms).into(), rows::key(id).to_vec().into()];
        conditions.add("(s.updated_ms, s.id) < (?, ?)", place);
    }
    let mut sessions = conditions.find(db, limit + 1).map_err(|error| fault::store_error(what, &error))?;
    let has_more = sessions.len() > limit as usize;
    sessions.truncate(limit as usize);
    let last = sessions.last().filter(|_| has_more);
    let next = last.map(|last| search::cursor(last.updated_ms, last.id));
    Ok(SessionPage { sessions, next })
}

/// What has to hold, with its parameters in order.
#[derive(Debug, Default)]
struct Conditions {
    sql: Vec<&'static str>,
    values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, sql: &'static str, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql);
        self.values.extend(values);
    }

    fn readable_by(&mut self, by: Principal) {
        let sql = "(s.owner = ? OR (s.shared <> '{}' AND
            EXISTS (SELECT 1 FROM json_each(s.shared) WHERE key = ?)))";
        self.add(sql, [principal_bits(by).into(), by.0.to_string().into()]);
    }

    /// Each word may stand in another text of the session; the last one may go on.
    fn words(&mut self, text: &str) {
        let words = search::asked(text);
        for (index, word) in words.iter().enumerate() {
            let rest = if index + 1 == words.len() { "*" } else { "" };
            let sql = "s.id IN (SELECT session FROM texts WHERE id IN
                (SELECT rowid FROM found WHERE found MATCH ?))";
            // A word has no quotes: it is letters and digits alone.
            self.add(sql, [format!("\"{word}\"{rest}").into()]);
        }
    }

    fn find(mut self, db: &Connection, limit: u32) -> Result<Vec<SessionSummary>, rusqlite::Error> {
        let all = if self.sql.is_empty() { "TRUE".to_owned() } else { self.sql.join(" AND ") };
        let sql = format!(
            "SELECT {} FROM sessions s JOIN logs l ON l.session = s.id WHERE {all}
             ORDER BY s.updated_ms DESC, s.id DESC LIMIT ?",
            reads::SUMMARY
        );
        self.values.push(i64::from(limit).into());
        db.prepare_cached(&sql)?.query_map(params_from_iter(self.values), reads::summary_of)?.collect()
    }
}
