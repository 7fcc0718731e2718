//! `/admin/logs`: lines of every machine's log as JSON lines, as they come, or all of a span as a file.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use pomona_actors::LogCursors;
use pomona_protocol::limits::{LOG_LINES_MAX, NODE_NAME_BYTES_MAX};
use pomona_protocol::{FleetLogs, LogLevel, LogLine, LogMissing, LogQuery};
use serde::Serialize;

use super::fleet::Reader;
use crate::errors::ApiError;
use crate::state::Shared;
use crate::v3::extract::{Query, SEQ_MAX};
use crate::v3::sse::{PREAMBLE, streamed};

/// Lines of one answer when the client does not say.
const LINES_DEFAULT: u64 = 200;
/// Bytes of a text that is looked for.
const TEXT_BYTES_MAX: usize = 256;
/// Between two looks for new lines of a reader that follows.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// Lines of each machine that one look of a reader brings.
const FOLLOW_LINES: u32 = 1000;
/// How far the clocks of two machines may be apart, in microseconds, so that a line of now is not taken for an old one.
const SKEW_US: u64 = 2_000_000;
/// Lines of one file; with 200 bytes each that is 200 MB.
const DOWNLOAD_LINES_MAX: u64 = 1_000_000;

/// One line of the answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    Line(&'a LogLine),
    /// A machine that did not answer.
    Missing(&'a LogMissing),
    /// The last line. `next` is `after` for the lines behind these.
    End {
        next: Option<u64>,
        is_cut: bool,
    },
}

/// Lists lines of the logs, the oldest first.
///
/// Each line of the answer is an object with a `type`: `line`, `missing` for a machine that did not answer in time, and
/// last `end`, whose `next` is `after` for what follows. With `follow` they come as server-sent events with these names,
/// for as long as the client listens. With `download` all lines of the span come as a file.
#[utoipa::path(
    get,
    path = "/admin/logs",
    params(
        ("level" = Option<String>, Query, description = "error, warn, info, debug or trace: this and what is quieter"),
        ("since" = Option<u64>, Query, description = "from this moment on, in Unix milliseconds"),
        ("until" = Option<u64>, Query, description = "before this moment, in Unix milliseconds"),
        ("actor" = Option<String>, Query, description = "a part of the program, `peer` or `guard` for instance"),
        ("turn" = Option<String>, Query, description = "a turn's id"),
        ("node" = Option<String>, Query, description = "one machine, by id or name; all when left out"),
        ("text" = Option<String>, Query, description = "a text in the message or a field"),
        ("limit" = Option<u64>, Query, description = "lines; 200 when left out", minimum = 1, maximum = 10000),
        ("after" = Option<u64>, Query, description = "behind this moment in Unix microseconds, the oldest first; without it the newest come"),
        ("follow" = Option<bool>, Query, description = "go on with lines as they are written"),
        ("download" = Option<bool>, Query, description = "everything, as a file"),
        ("last-event-id" = Option<String>, Header, description = "the last id of a stream that broke; goes before `after`"),
    ),
    responses(
        (status = 200, description = "JSON lines, or server-sent events", content((serde_json::Value = "application/x-ndjson"), (serde_json::Value = "text/event-stream"))),
        (status = 400, description = "a parameter that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such machine", body = crate::errors::ErrorBody),
        (status = 503, description = "too many readers", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn lines(
    State(shared): State<Arc<Shared>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let node = bounded("node", query.text("node")?, NODE_NAME_BYTES_MAX)?;
    let mut wanted = read(&query)?;
    let (follows, downloads) =
        (query.flag("follow")?.unwrap_or(false), query.flag("download")?.unwrap_or(false));
    if follows && downloads {
        return Err(ApiError::invalid("download", "follow and download exclude each other"));
    }
    if !follows && !downloads {
        let logs = shared.handle.logs(&wanted, node.as_deref()).await?;
        return Ok(answered(&logs));
    }
    if let Some(node) = &node {
        // A stream cannot say later that there is no such machine.
        shared.handle.node(node).await?;
    }
    let reader = Reader::take(&shared)?;
    if let Some(seen) = headers.get("last-event-id").and_then(|seen| seen.to_str().ok()?.trim().parse().ok())
    {
        wanted.after_us = Some(seen);
    }
    let is_download = downloads;
    if is_download {
        wanted.after_us = wanted.after_us.or(Some(0));
    }
    let telling = Telling {
        shared,
        wanted,
        node,
        cursors: LogCursors::default(),
        has_begun: false,
        is_over: false,
        is_download,
        missing: Vec::new(),
        told: 0,
        _reader: reader,
    };
    let stream = futures::stream::unfold(telling, |mut telling| async move {
        telling.next().await.map(|bytes| (Ok::<Bytes, Infallible>(bytes), telling))
    });
    let body = Body::from_stream(stream);
    Ok(if is_download { file(body) } else { streamed(body) })
}

fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

fn read(query: &Query) -> Result<LogQuery, ApiError> {
    let level = query.text("level")?.map(|word| {
        LogLevel::parse(word).ok_or_else(|| {
            let word: String = word.chars().take(40).collect();
            ApiError::invalid(
                "level",
                format!("level is `{word}`; known are error, warn, info, debug and trace"),
            )
        })
    });
    let text = |name: &str| bounded(name, query.text(name)?, TEXT_BYTES_MAX);
    Ok(LogQuery {
        level: level.transpose()?,
        since_unix_ms: query.number("since", 0..=SEQ_MAX)?,
        until_unix_ms: query.number("until", 0..=SEQ_MAX)?,
        actor: text("actor")?,
        turn: text("turn")?,
        text: text("text")?,
        after_us: query.number("after", 0..=SEQ_MAX)?,
        limit: query.number("limit", 1..=u64::from(LOG_LINES_MAX))?.unwrap_or(LINES_DEFAULT) as u32,
    })
}

fn bounded(name: &str, text: Option<&str>, bytes_max: usize) -> Result<Option<String>, ApiError> {
    match text {
        Some(text) if text.len() > bytes_max => {
            let message = format!("{name} has {} bytes; at most {bytes_max} are allowed", text.len());
            Err(ApiError::invalid(name, message))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

fn answered(logs: &FleetLogs) -> Response {
    let mut body = BytesMut::new();
    logs.lines.iter().for_each(|line| write(&mut body, &Told::Line(line)));
    logs.missing.iter().for_each(|missing| write(&mut body, &Told::Missing(missing)));
    let next = logs.lines.last().map(|line| line.at_us);
    write(&mut body, &Told::End { next, is_cut: logs.is_cut });
    json_lines(Body::from(body.freeze()))
}

fn json_lines(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn file(body: Body) -> Response {
    let mut response = json_lines(body);
    let name = HeaderValue::from_static("attachment; filename=\"pomona-logs.jsonl\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    response
}

fn write(buffer: &mut BytesMut, told: &Told<'_>) {
    // Writing to a buffer that grows cannot fail, and nothing here has a map with keys that are no texts.
    let _ = serde_json::to_writer((&mut *buffer).writer(), told);
    buffer.put_u8(b'\n');
}

/// One reader's stream.
struct Telling {
    shared: Arc<Shared>,
    wanted: LogQuery,
    node: Option<String>,
    cursors: LogCursors,
    /// The first lines were told.
    has_begun: bool,
    is_over: bool,
    is_download: bool,
    /// Machines that did not answer last time; each is named once.
    missing: Vec<LogMissing>,
    /// Lines so far.
    told: u64,
    _reader: Reader,
}

impl Telling {
    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        let mut buffer = BytesMut::new();
        let began = tokio::time::Instant::now();
        let keep_alive = Duration::from_secs(self.shared.api.sse_keep_alive_s);
        if !self.has_begun && !self.is_download {
            buffer.put_slice(PREAMBLE);
        }
        while !self.is_over {
            let has_more = self.look(&mut buffer).await;
            if !buffer.is_empty() {
                return Some(buffer.freeze());
            }
            if has_more {
                continue;
            }
            if began.elapsed() >= keep_alive {
                return Some(Bytes::from_static(b": heartbeat\n\n"));
            }
            tokio::select! {
                () = tokio::time::sleep(FOLLOW_EVERY) => {}
                () = self.shared.shutdown.cancelled() => return None,
            }
        }
        None
    }

    /// Writes what there is; true when there is more at once.
    async fn look(&mut self, buffer: &mut BytesMut) -> bool {
        // Who follows sees the last lines first; from then on every line behind a cursor.
        let begins = !std::mem::replace(&mut self.has_begun, true) && !self.is_download;
        let asked_us = unix_us();
        let limit = if begins { self.wanted.limit } else { FOLLOW_LINES };
        let query = LogQuery { limit, ..self.wanted.clone() };
        let asked = self.shared.handle.next_logs(&query, self.node.as_deref(), &mut self.cursors);
        let logs = match asked.await {
            Ok(logs) => logs,
            Err(cause) => {
                let node = self.node.clone().unwrap_or_default();
                FleetLogs {
                    missing: vec![LogMissing { node, message: cause.to_string() }],
                    ..FleetLogs::default()
                }
            }
        };
        for line in &logs.lines {
            self.write(buffer, "line", Some(line.at_us), &Told::Line(line));
        }
        // The reason changes as a link goes down; that is no news. Two machines may have one name.
        let mut known: Vec<&str> = self.missing.iter().map(|missing| missing.node.as_str()).collect();
        for missing in &logs.missing {
            match known.iter().position(|known| *known == missing.node) {
                Some(index) => {
                    known.swap_remove(index);
                }
                None => self.write(buffer, "missing", None, &Told::Missing(missing)),
            }
        }
        self.missing = logs.missing;
        self.told += logs.lines.len() as u64;
        if begins && self.wanted.after_us.is_none() {
            // A machine without a line yet is asked for those from now on, by its own clock.
            self.wanted.after_us = Some(asked_us.saturating_sub(SKEW_US));
        }
        let is_full = self.is_download && self.told >= DOWNLOAD_LINES_MAX;
        let has_more = logs.is_cut && !begins;
        if self.is_download && (is_full || !has_more) {
            self.is_over = true;
            let next = logs.lines.last().map(|line| line.at_us);
            self.write(buffer, "end", None, &Told::End { next, is_cut: is_full && has_more });
        }
        has_more
    }

    fn write(&self, buffer: &mut BytesMut, kind: &str, id: Option<u64>, told: &Told<'_>) {
        use std::fmt::Write;
        if self.is_download {
            return write(buffer, told);
        }
        if let Some(id) = id {
            let _ = writeln!(buffer, "id: {id}");
        }
        let _ = write!(buffer, "event: {kind}\ndata: ");
        write(buffer, told);
        buffer.put_u8(b'\n');
    }
}
