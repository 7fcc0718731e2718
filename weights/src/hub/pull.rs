//! A whole pull, step by step: list, selection, room, bytes, proof, place. Dropping it ends all streams and leaves
//! what was proven; the next call goes on from there, in this process or another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pomona_protocol::{BlobFile, BlobManifest, ModelId};
use tokio::time::{Instant, sleep};

use super::download::{Job, download};
use super::endpoint::Endpoint;
use super::error::PullError;
use super::listing::{HubFile, Listing};
use super::place::{self, Place};
use super::proof;
use super::record::{PullRecord, RecordedFile};
use super::reference::Reference;
use super::request::{Fault, Hub};
use super::retry::{Retries, RetryLimits};
use super::select::select;
use super::spans::Spans;
use crate::digest::Digest;
use crate::manifest::{Layout, check_manifest, manifest_digest};
use crate::partial::{Label, Partial, bytes_free};

/// Pause between looks at a lock that somebody holds.
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// How often one file may turn out to be other bytes than the list names, before the hub is not believed any more.
const MISMATCHES_MAX: u32 = 2;

/// Limits of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullLimits {
    /// Streams at once; each has a piece in memory.
    pub streams_max: usize,
    /// Pieces that are asked for by one question. Fewer cost questions, more leave streams idle at the end.
    pub span_pieces_max: u32,
    /// How long nothing may come before a question is asked again.
    pub stall_max: Duration,
    /// When and how often it is asked again.
    pub retry: RetryLimits,
    /// Bytes of disk that stay free.
    pub disk_reserve_bytes: u64,
    /// How long another pull of the same files is waited for.
    pub lock_wait_max: Duration,
}

impl Default for PullLimits {
    fn default() -> Self {
        Self {
            // More than a few connections are taken for abuse by hubs, and fewer do not fill a fast line.
            streams_max: 6,
            span_pieces_max: 16,
            stall_max: Duration::from_secs(30),
            retry: RetryLimits {
                failures_max: 10,
                pause_base: Duration::from_millis(500),
                pause_max: Duration::from_secs(30),
                // Hubs count questions over five minutes.
                told_pause_max: Duration::from_secs(330),
            },
            disk_reserve_bytes: 256 * 1024 * 1024,
            lock_wait_max: Duration::from_secs(2),
        }
    }
}

/// What is to be pulled, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The repository.
    pub reference: Reference,
    /// Which file of it, with `*` and `?`.
    pub pattern: Option<String>,
    /// What clients are to call it; the repository's last part, or the name of the GGUF file, when absent.
    pub model: Option<ModelId>,
    /// The folder that it becomes; one of its name in the models folder when absent.
    pub into: Option<PathBuf>,
}

/// What happens on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullEvent {
    /// The list is here and something of it was selected.
    Selected {
        /// What clients will call it.
        model: ModelId,
        /// The commit that the revision is at.
        commit: String,
        /// How many files.
        files: usize,
        /// Their bytes.
        bytes_total: u64,
        /// Bytes of them that are here from an earlier try.
        bytes_done: u64,
        /// Where the unfinished files lie.
        folder: PathBuf,
    },
    /// A piece is on the disk.
    Progress {
        /// Bytes on the disk.
        bytes_done: u64,
        /// Bytes in all.
        bytes_total: u64,
    },
    /// A question failed and will be asked again.
    Retry {
        /// The file, or the list.
        what: String,
        /// Why.
        message: String,
        /// When.
        pause: Duration,
    },
    /// A file is being compared with its hash.
    Proving {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// A file was not what its hash says; it is taken once more.
    Mismatch {
        /// The file.
        path: String,
    },
}

/// Who hears of events; it must not block.
pub(super) type OnEvent = Arc<dyn Fn(PullEvent) + Send + Sync>;

/// A model that is whole and in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What clients call it.
    pub model: ModelId,
    /// Where it lies.
    pub folder: PathBuf,
    /// The commit.
    pub commit: String,
    /// How many files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// It was there before, and nothing was taken.
    pub was_there: bool,
}

/// Pulls a model into a folder below `models`, or into the folder of the order.
pub async fn pull(
    order: Order,
    endpoint: Endpoint,
    models: &Path,
    limits: PullLimits,
    events: Arc<dyn Fn(PullEvent) + Send + Sync>,
) -> Result<Pulled, PullError> {
    let hub = Hub::new(endpoint, limits.stall_max)?;
    let Reference { repo, .. } = &order.reference;
    let listing = list(&hub, &order.reference, &limits.retry, &events).await?;
    let selection = select(&listing.files, order.pattern.as_deref())
        .map_err(|error| PullError::Select { repo: repo.clone(), error })?;
    let manifest = manifest(repo, &selection.files)?;
    let name = selection.gguf.unwrap_or_else(|| order.reference.name().to_owned());
    let model = order.model.clone().unwrap_or(ModelId(name));
    let target = place::target(&model, order.into.as_deref(), models)?;
    let files = selection.files;
    let record = record(&hub, &order.reference, &listing.commit, &files);
    let bytes = files.iter().map(|file| file.bytes).sum();
    let pulled = |was_there| Pulled {
        model: model.clone(),
        folder: target.clone(),
        commit: listing.commit.clone(),
        files: manifest.files.len(),
        bytes,
        was_there,
    };
    if place::look(&target, &record)? == Place::There {
        return Ok(pulled(true));
    }
    let partial = open(place::beside(&target)?, manifest_digest(&manifest), limits.lock_wait_max).await?;
    // Whoever held the lock before may have finished.
    if place::look(&target, &record)? == Place::There {
        return Ok(pulled(true));
    }
    let job = Arc::new(Job {
        hub,
        repo: repo.clone(),
        commit: listing.commit.clone(),
        files,
        layout: Layout::new(&manifest),
        partial,
        limits,
        events,
        bytes_done: AtomicU64::new(0),
        bytes_total: bytes,
    });
    let pieces = take(&job, &manifest, &model).await?;
    let digest = proof::content_digest(&job.files, &pieces);
    let label = Label { model: model.clone(), digest: digest.to_string(), bytes, pull: Some(record.clone()) };
    let (partial, folder) = (Arc::clone(&job.partial), target.clone());
    job.blocking(move || place::move_there(&partial, &label, &record, &folder)).await?;
    Ok(pulled(false))
}

/// Takes and proves until every file is what the list names; returns the hashes of their pieces.
async fn take(
    job: &Arc<Job>,
    manifest: &BlobManifest,
    model: &ModelId,
) -> Result<Vec<Vec<Digest>>, PullError> {
    let (partial, files, layout) = (Arc::clone(&job.partial), manifest.clone(), job.layout.clone());
    let known = job.blocking(move || partial.prepare(&files, &layout)).await?;
    let missing: BTreeSet<u32> = (0..job.layout.pieces()).filter(|piece| !known.contains(piece)).collect();
    let bytes_missing: u64 = missing.iter().map(|piece| job.layout.locate(*piece).length).sum();
    job.bytes_done.store(job.bytes_total - bytes_missing, Ordering::Relaxed);
    check_space(job, bytes_missing)?;
    (job.events)(PullEvent::Selected {
        model: model.clone(),
        commit: job.commit.clone(),
        files: job.files.len(),
        bytes_total: job.bytes_total,
        bytes_done: job.bytes_total - bytes_missing,
        folder: job.partial.root().to_owned(),
    });
    let mut spans = Spans::new(job.layout.clone(), missing, job.limits.span_pieces_max);
    let mut mismatches = vec![0; job.files.len()];
    let mut proven: Vec<Option<Vec<Digest>>> = vec![None; job.files.len()];
    loop {
        download(job, &mut spans).await?;
        for file in 0..job.files.len() {
            if proven[file].is_some() {
                continue;
            }
            match proof::prove(job, file).await? {
                Ok(pieces) => proven[file] = Some(pieces),
                Err(error) => {
                    mismatches[file] += 1;
                    if mismatches[file] >= MISMATCHES_MAX {
                        proof::forget(job, &mut spans, file).await?;
                        return Err(error);
                    }
                    (job.events)(PullEvent::Mismatch { path: job.files[file].path.clone() });
                    proof::forget(job, &mut spans, file).await?;
                }
            }
        }
        if spans.missing().is_empty() {
            break;
        }
    }
    proof::check_model(job).await?;
    Ok(proven.into_iter().flatten().collect())
}

async fn list(
    hub: &Hub,
    reference: &Reference,
    limits: &RetryLimits,
    events: &OnEvent,
) -> Result<Listing, PullError> {
    let mut retries = Retries::default();
    let what = || format!("the list of {reference}");
    loop {
        let (message, after) = match hub.list(reference).await {
            Ok(listing) => return Ok(listing),
            Err(Fault::Final(error)) => return Err(error),
            Err(Fault::IgnoresRange) => ("a part of it was sent".to_owned(), None),
            Err(Fault::Retry { message, after }) => (message, after),
        };
        let Some(pause) = retries.on_failure(0, after, limits) else {
            return Err(PullError::GaveUp { what: what(), failures: limits.failures_max, message });
        };
        events(PullEvent::Retry { what: what(), message, pause });
        sleep(pause).await;
    }
}

/// The files under names of our own kind: it has to be a folder that can be made, and its digest names the
/// unfinished folder, so that another revision with the same files goes on where this one stopped.
fn manifest(repo: &str, files: &[HubFile]) -> Result<BlobManifest, PullError> {
    let file = |file: &HubFile| BlobFile {
        path: file.path.clone(),
        bytes: file.bytes,
        digest: file.hash.identity(file.bytes).to_string(),
    };
    let manifest = BlobManifest { files: files.iter().map(file).collect() };
    check_manifest(&manifest).map_err(|error| PullError::Manifest { repo: repo.to_owned(), error })?;
    Ok(manifest)
}

fn record(hub: &Hub, reference: &Reference, commit: &str, files: &[HubFile]) -> PullRecord {
    let file = |file: &HubFile| RecordedFile { path: file.path.clone(), bytes: file.bytes, hash: file.hash };
    PullRecord {
        hub: hub.address(),
        repo: reference.repo.clone(),
        revision: reference.revision.clone(),
        commit: commit.to_owned(),
        files: files.iter().map(file).collect(),
    }
}

async fn open(models: PathBuf, digest: Digest, wait_max: Duration) -> Result<Arc<Partial>, PullError> {
    let give_up_at = Instant::now() + wait_max;
    loop {
        // A few system calls; nothing that a disk could hold up for long.
        if let Some(partial) = Partial::open(&models, digest).map_err(|error| PullError::disk(error, 0))? {
            return Ok(Arc::new(partial));
        }
        if Instant::now() >= give_up_at {
            return Err(PullError::InProgress);
        }
        sleep(LOCK_PAUSE).await;
    }
}

fn check_space(job: &Job, bytes_missing: u64) -> Result<(), PullError> {
    let folder = job.partial.root();
    let bytes_free =
        bytes_free(folder).map_err(|error| PullError::Disk { path: folder.to_owned(), error })?;
    let bytes_needed = bytes_missing.saturating_add(job.limits.disk_reserve_bytes);
    if bytes_missing == 0 || bytes_free >= bytes_needed {
        return Ok(());
    }
    Err(PullError::NoSpace { folder: folder.to_owned(), bytes_needed, bytes_free })
}
