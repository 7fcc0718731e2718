//! Rows as values of statements, and back. Shared by everything that writes rows: groups, deletion, restore.

use pomona_protocol::{SessionEvent, SessionId, SessionSummary, TurnId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::plan::{self, Writes};
use super::schema::text;
use crate::audit::ChainEnd;
use crate::backend::{from_signed, principal_bits, to_signed};
use crate::encoding::encode_body;
use crate::{AuditEntry, StoreError, search};

/// Values that live as long as their statement.
pub(super) type Owned = Vec<Box<dyn ToSql + Sync + Send>>;

/// A statement and its values.
pub(super) type Written = (&'static str, Owned);

/// Bytes of words in one row: a tsvector holds a mebibyte, and a word takes a few bytes more than its letters.
const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Part of a text that is the title; its turn is 0.
const TITLE_PART: i16 = 2;

const HEADS: &str =
    "UPDATE logs SET head_seq = new.head FROM unnest($1::bytea[], $2::bigint[]) AS new (id, head)
    WHERE session = new.id";
/// Rows of events, columns in the order of the table.
pub(super) const EVENTS: &str = "INSERT INTO events (session, seq, first_seq, at_ms, payload)
    SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])";
const SUMMARY: &str = "INSERT INTO sessions (id, owner, shared, readers, title, title_folded, model, tags, created_ms,
        updated_ms, turns, open_turns)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, shared = excluded.shared, readers = excluded.readers,
        title = excluded.title, title_folded = excluded.title_folded, model = excluded.model, tags = excluded.tags,
        created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, turns = excluded.turns,
        open_turns = excluded.open_turns";
/// Snapshots.
pub(super) const SNAPSHOTS: &str = "INSERT INTO snapshots (session, seq, state)
    SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[])
    ON CONFLICT (session) DO UPDATE SET seq = excluded.seq, state = excluded.state";
/// Turns and their sessions.
pub(super) const TURNS: &str = "INSERT INTO turns (turn, session)
    SELECT DISTINCT ON (turn) turn, session FROM unnest($1::bytea[], $2::bytea[]) AS new (turn, session) ORDER BY turn
    ON CONFLICT DO NOTHING";
const TEXTS_AWAY: &str =
    "DELETE FROM texts USING unnest($1::bytea[], $2::bytea[], $3::smallint[]) AS old (s, t, p)
    WHERE session = old.s AND turn = old.t AND part = old.p AND chunk > 0";
const TEXTS: &str = "INSERT INTO texts (session, turn, part, chunk, words)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::smallint[], $4::integer[], $5::text[])
    ON CONFLICT (session, turn, part, chunk) DO UPDATE SET words = excluded.words
    WHERE texts.words <> excluded.words";
const AUDIT: &str = "INSERT INTO audit (number, at_ms, principal, action, object, detail, hash)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bytea[])";
const AUDIT_END: &str = "UPDATE audit_end SET number = $1, hash = $2";

/// An id as it lies in a row.
pub(super) fn id_bytes(id: SessionId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// A turn's id as it lies in a row.
pub(super) fn turn_bytes(turn: TurnId) -> Vec<u8> {
    turn.0.to_be_bytes().to_vec()
}

/// A session's id from a row; 0 when what lies there is none, which no session has.
pub(super) fn session(row: &Row, column: usize) -> SessionId {
    let bytes: &[u8] = row.get(column);
    SessionId(bytes.try_into().map(u128::from_be_bytes).unwrap_or_default())
}

/// Where the audit ends, from number and hash.
pub(super) fn chain_end(row: &Row) -> ChainEnd {
    let hash: &[u8] = row.get(1);
    ChainEnd { number: from_signed(row.get(0)), hash: hash.try_into().unwrap_or_default() }
}

/// Everything that a plan writes.
pub(super) fn of_plan(writes: Writes<'_>, end: Option<ChainEnd>) -> Result<Vec<Written>, StoreError> {
    let mut written = Vec::new();
    let (ids, heads): (Vec<_>, Vec<_>) =
        writes.heads.iter().map(|(id, head)| (id_bytes(*id), to_signed(*head))).unzip();
    written.push((HEADS, vec![boxed(ids), boxed(heads)]));
    let events = writes.events.iter().flat_map(|(id, events)| events.iter().map(move |event| (*id, event)));
    written.extend(of_events(events)?);
    written.extend(writes.summaries.values().map(|summary| of_summary(summary)));
    if !writes.snapshots.is_empty() {
        let seqs: Vec<i64> = writes.snapshots.values().map(|(seq, _)| to_signed(*seq)).collect();
        let ids: Vec<Vec<u8>> = writes.snapshots.keys().map(|id| id_bytes(*id)).collect();
        let states: Vec<Vec<u8>> = writes.snapshots.values().map(|(_, state)| state.to_vec()).collect();
        written.push((SNAPSHOTS, vec![boxed(ids), boxed(seqs), boxed(states)]));
    }
    written.extend(of_texts(&writes));
    if let Some(end) = end {
        written.extend(of_audit(end, &writes.audit));
    }
    Ok(written)
}

/// Rows of events.
pub(super) fn of_events<'a>(
    events: impl Iterator<Item = (SessionId, &'a SessionEvent)>,
) -> Result<Option<Written>, StoreError> {
    let (mut ids, mut payloads) = (Vec::new(), Vec::new());
    let mut numbers: [Vec<i64>; 3] = Default::default();
    for (id, event) in events {
        ids.push(id_bytes(id));
        payloads.push(encode_body(&event.body)?);
        for (column, number) in numbers.iter_mut().zip([event.seq, event.first_seq, event.at_ms]) {
            column.push(to_signed(number));
        }
    }
    if ids.is_empty() {
        return Ok(None);
    }
    let [seqs, firsts, times] = numbers;
    Ok(Some((EVENTS, vec![boxed(ids), boxed(seqs), boxed(firsts), boxed(times), boxed(payloads)])))
}

/// What lists show of a session.
pub(super) fn of_summary(summary: &SessionSummary) -> Written {
    let shared = serde_json::to_string(&summary.shared).unwrap_or_else(|_| "{}".to_owned());
    let readers: Vec<i64> = summary.shared.keys().map(|by| principal_bits(*by)).collect();
    let tags: Vec<String> = summary.tags.iter().map(|tag| text(tag).into_owned()).collect();
    let values: Owned = vec![
        boxed(id_bytes(summary.id)),
        boxed(principal_bits(summary.owner)),
        boxed(shared),
        boxed(readers),
        boxed(text(&summary.title).into_owned()),
        boxed(text(&search::folded(&summary.title)).into_owned()),
        boxed(text(&summary.model.0).into_owned()),
        boxed(tags),
        boxed(to_signed(summary.created_ms)),
        boxed(to_signed(summary.updated_ms)),
        boxed(i64::from(summary.turns)),
        boxed(i64::from(summary.open_turns)),
    ];
    (SUMMARY, values)
}

/// Turns and words; titles are texts as well.
fn of_texts(writes: &Writes<'_>) -> Vec<Written> {
    let (mut turns, mut turn_sessions) = (Vec::new(), Vec::new());
    let mut rows = TextRows::default();
    for ((id, turn, part), text) in &writes.texts {
        turns.push(turn_bytes(*turn));
        turn_sessions.push(id_bytes(*id));
        rows.push(id_bytes(*id), turn_bytes(*turn), i16::from(*part), &search::indexed(text));
    }
    for (id, summary) in &writes.summaries {
        rows.push(id_bytes(*id), turn_bytes(TurnId(0)), TITLE_PART, &search::indexed(&summary.title));
    }
    let mut written = Vec::new();
    if !turns.is_empty() {
        written.push((TURNS, vec![boxed(turns), boxed(turn_sessions)]));
    }
    written.extend(rows.written());
    written
}

/// Rows of words, long ones in chunks.
#[derive(Default)]
pub(super) struct TextRows {
    sessions: Vec<Vec<u8>>,
    turns: Vec<Vec<u8>>,
    parts: Vec<i16>,
    chunks: Vec<i32>,
    words: Vec<String>,
}

impl TextRows {
    /// Adds a text by its words, one space between them.
    pub(super) fn push(&mut self, session: Vec<u8>, turn: Vec<u8>, part: i16, words: &str) {
        for (number, chunk) in chunks(words).into_iter().enumerate() {
            self.sessions.push(session.clone());
            self.turns.push(turn.clone());
            self.parts.push(part);
            self.chunks.push(i32::try_from(number).unwrap_or(i32::MAX));
            self.words.push(chunk.to_owned());
        }
    }

    /// The statements; what the same texts had before goes.
    pub(super) fn written(self) -> Vec<Written> {
        if self.words.is_empty() {
            return Vec::new();
        }
        let old = vec![boxed(self.sessions.clone()), boxed(self.turns.clone()), boxed(self.parts.clone())];
        let new = vec![
            boxed(self.sessions),
            boxed(self.turns),
            boxed(self.parts),
            boxed(self.chunks),
            boxed(self.words),
        ];
        vec![(TEXTS_AWAY, old), (TEXTS, new)]
    }
}

/// Cuts words at spaces; at least one piece, which may be empty.
fn chunks(words: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = words;
    while rest.len() > CHUNK_BYTES_MAX {
        let end = rest.floor_char_boundary(CHUNK_BYTES_MAX);
        let Some(space) = rest[..end].rfind(' ') else { break };
        pieces.push(&rest[..space]);
        rest = &rest[space + 1..];
    }
    pieces.push(rest);
    pieces
}

/// Lines behind the end of the audit, and the new end.
pub(super) fn of_audit(end: ChainEnd, entries: &[&AuditEntry]) -> Vec<Written> {
    if entries.is_empty() {
        return Vec::new();
    }
    let (lines, end) = plan::chain(end, entries);
    let lines = lines.into_iter().map(|(end, entry)| (end.number, entry, end.hash.to_vec()));
    vec![of_lines(lines), (AUDIT_END, vec![boxed(to_signed(end.number)), boxed(end.hash.to_vec())])]
}

/// Lines of the audit as they are.
pub(super) fn of_lines<'a>(lines: impl Iterator<Item = (u64, &'a AuditEntry, Vec<u8>)>) -> Written {
    let (mut numbers, mut times, mut principals) = (Vec::new(), Vec::new(), Vec::new());
    let mut texts: [Vec<String>; 3] = Default::default();
    let mut hashes = Vec::new();
    for (number, entry, hash) in lines {
        numbers.push(to_signed(number));
        times.push(entry.at_ms.cast_signed());
        principals.push(principal_bits(entry.by));
        for (column, value) in texts.iter_mut().zip([&entry.action, &entry.object, &entry.detail]) {
            column.push(text(value).into_owned());
        }
        hashes.push(hash);
    }
    let [actions, objects, details] = texts;
    let values: Owned = vec![
        boxed(numbers),
        boxed(times),
        boxed(principals),
        boxed(actions),
        boxed(objects),
        boxed(details),
        boxed(hashes),
    ];
    (AUDIT, values)
}

/// A value that its statement owns.
pub(super) fn boxed(value: impl ToSql + Sync + Send + 'static) -> Box<dyn ToSql + Sync + Send> {
    Box::new(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_words() {
        let words = vec!["letters"; 200_000].join(" ");
        let pieces = chunks(&words);
        assert!(pieces.len() > 4 && pieces.iter().all(|piece| piece.len() <= CHUNK_BYTES_MAX));
        assert_eq!(pieces.join(" "), words);
        assert_eq!(chunks(""), [""]);
    }
}
