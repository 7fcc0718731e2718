//! Takes what is missing: several spans at once, each over a stream of its own, each piece synced and noted before
//! it counts. Called by `pull`, which holds the unfinished folder and proves the files afterwards.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE};
use reqwest::{Response, StatusCode};
use tokio::task::JoinSet;

use super::error::PullError;
use super::listing::HubFile;
use super::pull::{OnEvent, PullEvent, PullLimits};
use super::request::{Fault, Hub};
use super::retry::Retries;
use super::spans::{Span, Spans};
use crate::manifest::Layout;
use crate::partial::{Partial, PartialError};

/// What the spans of one pull share.
pub(super) struct Job {
    pub(super) hub: Hub,
    pub(super) repo: String,
    pub(super) commit: String,
    pub(super) files: Vec<HubFile>,
    pub(super) layout: Layout,
    pub(super) partial: Arc<Partial>,
    pub(super) limits: PullLimits,
    pub(super) events: OnEvent,
    /// Bytes on the disk, and in all.
    pub(super) bytes_done: AtomicU64,
    pub(super) bytes_total: u64,
}

impl Job {
    pub(super) fn bytes_missing(&self) -> u64 {
        self.bytes_total.saturating_sub(self.bytes_done.load(Ordering::Relaxed))
    }

    /// Runs what touches the disk off the async workers.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PartialError> + Send + 'static,
    ) -> Result<T, PullError> {
        let done = tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err((PathBuf::new(), std::io::Error::other(error.to_string()))));
        done.map_err(|error| PullError::disk(error, self.bytes_missing()))
    }

    pub(super) fn say_progress(&self) {
        let bytes_done = self.bytes_done.load(Ordering::Relaxed);
        (self.events)(PullEvent::Progress { bytes_done, bytes_total: self.bytes_total });
    }
}

/// A span that is asked for no more.
struct Ended {
    span: Span,
    written: Vec<u32>,
    outcome: Result<(), Fault>,
}

/// Takes until nothing is missing.
pub(super) async fn download(job: &Arc<Job>, spans: &mut Spans) -> Result<(), PullError> {
    let mut retries = Retries::default();
    let mut pauses = vec![Duration::ZERO; job.files.len()];
    let mut tasks: JoinSet<Ended> = JoinSet::new();
    loop {
        while tasks.len() < job.limits.streams_max.max(1) {
            let Some(span) = spans.next() else { break };
            let needed = (span.first..span.end).filter(|piece| spans.is_missing(*piece)).collect();
            let pause = std::mem::take(&mut pauses[span.file]);
            tasks.spawn(take(Arc::clone(job), span, needed, pause));
        }
        let Some(joined) = tasks.join_next().await else { return Ok(()) };
        let ended = joined.map_err(|error| PullError::Client { message: error.to_string() })?;
        spans.ended(ended.span, &ended.written);
        let file = ended.span.file;
        if !ended.written.is_empty() {
            retries.on_success(file);
        }
        match ended.outcome {
            Ok(()) => {}
            Err(Fault::IgnoresRange) => spans.take_whole(file),
            Err(Fault::Final(error)) => return Err(error),
            Err(Fault::Retry { message, after }) => {
                let path = job.files[file].path.clone();
                let Some(pause) = retries.on_failure(file, after, &job.limits.retry) else {
                    let failures = job.limits.retry.failures_max;
                    return Err(PullError::GaveUp { what: path, failures, message });
                };
                pauses[file] = pause;
                (job.events)(PullEvent::Retry { what: path, message, pause });
            }
        }
    }
}

async fn take(job: Arc<Job>, span: Span, needed: BTreeSet<u32>, pause: Duration) -> Ended {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    let mut written = Vec::new();
    let outcome = take_span(&job, span, &needed, &mut written).await;
    Ended { span, written, outcome }
}

async fn take_span(
    job: &Arc<Job>,
    span: Span,
    needed: &BTreeSet<u32>,
    written: &mut Vec<u32>,
) -> Result<(), Fault> {
    let file = &job.files[span.file];
    let first = job.layout.locate(span.first).offset;
    let last = job.layout.locate(span.end - 1);
    let end = last.offset + last.length;
    let range = (!span.is_whole).then_some((first, end - 1));
    let response = job.hub.file(&job.repo, &job.commit, &file.path, range).await?;
    check(&response, file, span.is_whole, first, end)?;
    let mut body = Body { hub: &job.hub, response, rest: Bytes::new(), taken: 0 };
    for number in span.first..span.end {
        let piece = job.layout.locate(number);
        let bytes = body.take(piece.length as usize).await?;
        if !needed.contains(&number) {
            continue;
        }
        let (partial, path) = (Arc::clone(&job.partial), file.path.clone());
        job.blocking(move || partial.write(&path, number, piece, &bytes)).await?;
        written.push(number);
        job.bytes_done.fetch_add(piece.length, Ordering::Relaxed);
        job.say_progress();
    }
    if body.has_more().await {
        let offered = format!("more than {} from byte {first} on", end - first);
        return Err(PullError::Size { path: file.path.clone(), listed: file.bytes, offered }.into());
    }
    Ok(())
}

/// Compares an answer's own numbers with the list, before a byte of it is taken.
fn check(response: &Response, file: &HubFile, is_whole: bool, first: u64, end: u64) -> Result<(), Fault> {
    let lie = |offered: String| {
        Err(Fault::Final(PullError::Size { path: file.path.clone(), listed: file.bytes, offered }))
    };
    if let Some(encoding) =
        response.headers().get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity")
    {
        return Err(Fault::retry(format!("its bytes are encoded as {encoding:?}, which was not asked for")));
    }
    let told = content_range(response);
    let length = response.headers().get("content-length").and_then(|l| l.to_str().ok()?.parse::<u64>().ok());
    match response.status() {
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let offered =
                told.and_then(|told| told.total).map_or("fewer".to_owned(), |total| total.to_string());
            lie(offered)
        }
        StatusCode::PARTIAL_CONTENT if is_whole => {
            Err(Fault::retry("a part was sent where all was asked for"))
        }
        StatusCode::PARTIAL_CONTENT => {
            let told = told.ok_or_else(|| Fault::retry("a part was sent that does not say which"))?;
            if let Some(total) = told.total.filter(|total| *total != file.bytes) {
                return lie(total.to_string());
            }
            if let Some(last) = told.last.filter(|last| *last >= file.bytes) {
                return lie((last + 1).to_string());
            }
            if told.first != Some(first) || told.last.is_none_or(|last| last >= end) {
                return Err(Fault::retry("another part was sent than was asked for"));
            }
            Ok(())
        }
        _ => match length {
            Some(length) if length != file.bytes => lie(length.to_string()),
            _ if !is_whole && (first, end) != (0, file.bytes) => Err(Fault::IgnoresRange),
            _ => Ok(()),
        },
    }
}

/// `bytes 0-9/100`, where either side may be a star.
struct ContentRange {
    first: Option<u64>,
    last: Option<u64>,
    total: Option<u64>,
}

fn content_range(response: &Response) -> Option<ContentRange> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-').unwrap_or_default();
    Some(ContentRange { first: first.parse().ok(), last: last.parse().ok(), total: total.parse().ok() })
}

/// The bytes of an answer, piece by piece.
struct Body<'a> {
    hub: &'a Hub,
    response: Response,
    /// Came with the piece before.
    rest: Bytes,
    taken: u64,
}

impl Body<'_> {
    async fn take(&mut self, length: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            if self.rest.is_empty() {
                self.rest = self.hub.chunk(&mut self.response).await?.ok_or_else(|| {
                    Fault::retry(format!("it was cut off after {} bytes", self.taken + bytes.len() as u64))
                })?;
            }
            let some = self.rest.len().min(length - bytes.len());
            bytes.extend_from_slice(&self.rest[..some]);
            self.rest.advance(some);
        }
        self.taken += length as u64;
        Ok(bytes)
    }

    /// Whether there are bytes behind the last one that was asked for. How a finished stream ends is nothing to us.
    async fn has_more(&mut self) -> bool {
        loop {
            if !self.rest.is_empty() {
                return true;
            }
            match self.hub.chunk(&mut self.response).await {
                Ok(Some(chunk)) => self.rest = chunk,
                Ok(None) | Err(_) => return false,
            }
        }
    }
}
