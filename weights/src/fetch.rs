//! Takes one model from its sources: manifest, piece hashes, pieces, each proven before it counts, then one rename.
//!
//! The node's commands call [`fetch`]. It runs in the caller's future: dropping it ends all transfers and leaves
//! what was proven, and the next call goes on from there, in this process or another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pomona_config::WeightsConfig;
use pomona_protocol::{BlobManifest, BlobRequest, ModelId};

use crate::digest::{self, DIGEST_BYTES, Digest};
use crate::error::FetchError;
use crate::manifest::{Layout, check_manifest, manifest_digest, piece_count};
use crate::partial::{Label, Partial, PartialError, bytes_free};
use crate::path::{PathProblem, check_name};
use crate::plan::{Fault, PlanLimits};
use crate::receive::{self, Failure};
use crate::scan;
use crate::source::Source;
use crate::take::{Taker, Trouble};

/// Bytes of a folder's name, with room for a digest behind it below what file systems take.
const FOLDER_NAME_BYTES_MAX: usize = 200;
/// Pause between looks at a lock that somebody holds.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Limits of taking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeLimits {
    /// How sources are asked. `sources_max * asks_per_source_max` pieces are in memory at most.
    pub plan: PlanLimits,
    /// How long a source may send nothing before its piece goes elsewhere.
    pub stall_max: Duration,
    /// Bytes of disk that stay free.
    pub disk_reserve_bytes: u64,
    /// How long the last writes of a fetch that was dropped are waited for.
    pub lock_wait_max: Duration,
}

impl From<&WeightsConfig> for TakeLimits {
    fn from(config: &WeightsConfig) -> Self {
        let plan = PlanLimits {
            sources_max: config.sources_max.max(1) as usize,
            asks_per_source_max: 2,
            // A piece at 4 MiB/s; sooner, sources that are merely slow would do all work twice at the end.
            steal_after: Duration::from_secs(2),
            pause_base: Duration::from_millis(250),
            pause_max: Duration::from_secs(10),
            failures_max: 6,
            // With the longest pause about five minutes: as long as others fetch a model of some size.
            refusals_max: 32,
        };
        Self {
            plan,
            stall_max: Duration::from_secs(15),
            disk_reserve_bytes: 256 * 1024 * 1024,
            lock_wait_max: Duration::from_secs(5),
        }
    }
}

/// What is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What clients call it.
    pub model: ModelId,
    /// Names its content: `ModelOffer::digest`.
    pub digest: String,
}

/// How far a fetch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchProgress {
    /// Bytes on the disk, those of earlier tries counted.
    pub bytes_done: u64,
    /// Bytes of the model.
    pub bytes_total: u64,
    /// Sources that are not given up.
    pub sources: usize,
}

/// Who hears of progress, after each piece; it must not block.
pub type OnProgress = Arc<dyn Fn(FetchProgress) + Send + Sync>;

/// What the steps of one fetch share.
struct Job {
    wanted: Wanted,
    digest: Digest,
    limits: TakeLimits,
    partial: Arc<Partial>,
}

/// What is to be taken, and how each piece is proven.
struct Goal {
    manifest: BlobManifest,
    digests: Vec<Digest>,
    layout: Layout,
    /// Of files with more than one piece; the others' digest proves their piece.
    hashes: Vec<Vec<Digest>>,
}

/// Takes `wanted` into a folder of its own inside `models`, and returns that folder. When it is there already,
/// nothing is asked. The nearest of `sources` come first: later ones are spares.
pub async fn fetch(
    wanted: Wanted,
    sources: Vec<Arc<dyn Source>>,
    models: &Path,
    limits: TakeLimits,
    progress: OnProgress,
) -> Result<PathBuf, FetchError> {
    let digest: Digest = wanted.digest.parse()?;
    let target = match place(models, &wanted.model, digest)? {
        Place::Taken(folder) => return Ok(folder),
        Place::Free(folder) => folder,
    };
    let partial = open(models, digest, &wanted.model, &limits).await?;
    // Whoever held the lock before may have finished.
    if let Place::Taken(folder) = place(models, &wanted.model, digest)? {
        return Ok(folder);
    }
    let mut taker = Taker::new(wanted.model.clone(), sources, limits.plan.clone());
    let job = Arc::new(Job { wanted, digest, limits, partial });
    let manifest = take_manifest(&job, &mut taker).await?;
    let goal = Arc::new(take_hashes(&job, &mut taker, manifest).await?);
    let shared = (Arc::clone(&job), Arc::clone(&goal));
    let resumed = blocking(move || shared.0.partial.prepare(&shared.1.manifest, &shared.1.layout)).await?;
    let all: BTreeSet<u32> = (0..goal.layout.pieces()).collect();
    let missing = all.difference(&resumed).copied().collect();
    check_space(&job, &goal, &missing)?;
    take_pieces(&job, &mut taker, &goal, missing, &progress).await?;
    let damaged = find_damaged(&job, &goal, &resumed).await?;
    if !damaged.is_empty() {
        tracing::warn!(model = %job.wanted.model, pieces = damaged.len(), "pieces of an earlier try are damaged");
        let good: BTreeSet<u32> = all.difference(&damaged).copied().collect();
        let shared = Arc::clone(&job);
        blocking(move || shared.partial.rewrite_journal(&good)).await?;
        take_pieces(&job, &mut taker, &goal, damaged, &progress).await?;
    }
    let folder = target.clone();
    let (model, digest) = (job.wanted.model.clone(), job.digest.to_string());
    let label = Label { model, digest, bytes: goal.bytes(&all), pull: None };
    blocking(move || job.partial.finish(&label, &folder)).await?;
    Ok(target)
}

/// Where a model goes.
enum Place {
    /// It is there.
    Taken(PathBuf),
    Free(PathBuf),
}

/// A folder after the model's name; with the digest behind it when another version has that name.
fn place(models: &Path, model: &ModelId, digest: Digest) -> Result<Place, FetchError> {
    let name = model.0.replace('/', "--");
    let problem = |problem| FetchError::Name { model: model.clone(), problem };
    check_name(&name).map_err(problem)?;
    if name.len() > FOLDER_NAME_BYTES_MAX {
        return Err(problem(PathProblem::TooLong));
    }
    let text = digest.to_string();
    let folders = [models.join(&name), models.join(format!("{name}-{}", &text[..8]))];
    let is_it = |folder: &&PathBuf| {
        let label = Label::read(folder).filter(|label| label.digest == text);
        label.is_some_and(|label| scan::bytes(folder).is_ok_and(|bytes| bytes == label.bytes))
    };
    if let Some(folder) = folders.iter().find(is_it) {
        return Ok(Place::Taken(folder.clone()));
    }
    let free = folders.iter().find(|folder| folder.symlink_metadata().is_err());
    let [_, last] = &folders;
    free.map(|folder| Place::Free(folder.clone()))
        .ok_or_else(|| FetchError::Occupied { model: model.clone(), folder: last.clone() })
}

async fn open(
    models: &Path,
    digest: Digest,
    model: &ModelId,
    limits: &TakeLimits,
) -> Result<Arc<Partial>, FetchError> {
    let give_up_at = tokio::time::Instant::now() + limits.lock_wait_max;
    loop {
        let models = models.to_owned();
        if let Some(partial) = blocking(move || Partial::open(&models, digest)).await? {
            return Ok(Arc::new(partial));
        }
        if tokio::time::Instant::now() >= give_up_at {
            return Err(FetchError::InProgress { model: model.clone() });
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

async fn take_manifest(job: &Arc<Job>, taker: &mut Taker) -> Result<BlobManifest, FetchError> {
    let refuse = |error| FetchError::Manifest { model: job.wanted.model.clone(), error };
    if let Some(manifest) = job.partial.manifest() {
        check_manifest(&manifest).map_err(refuse)?;
        return Ok(manifest);
    }
    let (model, digest, stall) = (job.wanted.model.clone(), job.digest, job.limits.stall_max);
    let mut taken = BlobManifest::default();
    let ask = |source: Arc<dyn Source>, _| {
        let request = BlobRequest::Manifest { model: model.clone() };
        Box::pin(async move {
            let manifest = receive::manifest(&*source, request, stall).await?;
            if manifest_digest(&manifest) != digest {
                let message = "it has another version of this model";
                return Err(Trouble::Source(Failure::new(Fault::Lacks, message)));
            }
            Ok(manifest)
        }) as _
    };
    taker.take("the manifest", BTreeSet::from([0]), ask, |_, _, manifest| taken = manifest).await?;
    check_manifest(&taken).map_err(refuse)?;
    let (shared, kept) = (Arc::clone(job), taken.clone());
    blocking(move || shared.partial.keep_manifest(&kept)).await?;
    Ok(taken)
}

async fn take_hashes(job: &Arc<Job>, taker: &mut Taker, manifest: BlobManifest) -> Result<Goal, FetchError> {
    let digests: Vec<Digest> =
        manifest.files.iter().map(|file| file.digest.parse()).collect::<Result<_, _>>()?;
    let mut hashes = vec![Vec::new(); manifest.files.len()];
    let mut missing = BTreeSet::new();
    for (number, file) in manifest.files.iter().enumerate().filter(|(_, file)| piece_count(file.bytes) > 1) {
        match job.partial.hashes(number, digests[number]) {
            Some(kept) => {
                debug_assert_eq!(kept.len(), piece_count(file.bytes) as usize);
                hashes[number] = kept;
            }
            None => _ = missing.insert(number as u32),
        }
    }
    let ask = |source: Arc<dyn Source>, file: u32| {
        let job = Arc::clone(job);
        let length = u64::from(piece_count(manifest.files[file as usize].bytes)) * DIGEST_BYTES as u64;
        let digest = digests[file as usize];
        Box::pin(async move {
            let request = BlobRequest::PieceHashes { digest: job.wanted.digest.clone(), file };
            let bytes = receive::bytes(&*source, request, length, job.limits.stall_max).await?;
            let hashes = digest::from_bytes(&bytes);
            if Digest::of_pieces(&hashes) != digest {
                return Err(Trouble::Source(Failure::new(
                    Fault::Lied,
                    "its piece hashes are not the file's",
                )));
            }
            Ok(blocking(move || job.partial.keep_hashes(file as usize, &hashes).map(|()| hashes)).await?)
        }) as _
    };
    taker.take("piece hashes", missing, ask, |_, file, taken| hashes[file as usize] = taken).await?;
    let layout = Layout::new(&manifest);
    Ok(Goal { manifest, digests, layout, hashes })
}

async fn take_pieces(
    job: &Arc<Job>,
    taker: &mut Taker,
    goal: &Arc<Goal>,
    missing: BTreeSet<u32>,
    progress: &OnProgress,
) -> Result<(), FetchError> {
    let bytes_total = goal.manifest.files.iter().map(|file| file.bytes).sum();
    let mut now = FetchProgress {
        bytes_done: bytes_total - goal.bytes(&missing),
        bytes_total,
        sources: taker.sources_left(),
    };
    progress(now);
    let ask = |source: Arc<dyn Source>, number: u32| {
        Box::pin(take_piece(Arc::clone(job), Arc::clone(goal), source, number)) as _
    };
    let done = |plan: &crate::plan::Plan, number: u32, ()| {
        now.bytes_done += goal.layout.locate(number).length;
        now.sources = plan.sources_left();
        progress(now);
    };
    taker.take("pieces", missing, ask, done).await
}

async fn take_piece(
    job: Arc<Job>,
    goal: Arc<Goal>,
    source: Arc<dyn Source>,
    number: u32,
) -> Result<(), Trouble> {
    let piece = goal.layout.locate(number);
    let request = BlobRequest::Range {
        digest: job.wanted.digest.clone(),
        file: piece.file as u32,
        offset: piece.offset,
        length: piece.length,
    };
    let bytes = receive::bytes(&*source, request, piece.length, job.limits.stall_max).await?;
    let written = blocking(move || {
        if !goal.proves(number, &bytes) {
            return Ok(false);
        }
        job.partial.write(&goal.manifest.files[piece.file].path, number, piece, &bytes).map(|()| true)
    });
    match written.await? {
        true => Ok(()),
        false => {
            let message = format!("its bytes of piece {number} are not those of the hash");
            Err(Trouble::Source(Failure::new(Fault::Lied, message)))
        }
    }
}

impl Goal {
    fn proves(&self, number: u32, bytes: &[u8]) -> bool {
        let piece = self.layout.locate(number);
        let digest = Digest::of(bytes);
        match self.hashes[piece.file].get(piece.index) {
            Some(hash) => *hash == digest,
            None => Digest::of_pieces(&[digest]) == self.digests[piece.file],
        }
    }

    fn bytes(&self, pieces: &BTreeSet<u32>) -> u64 {
        pieces.iter().map(|number| self.layout.locate(*number).length).sum()
    }
}

fn check_space(job: &Job, goal: &Goal, missing: &BTreeSet<u32>) -> Result<(), FetchError> {
    let folder = job.partial.root();
    let bytes_free =
        bytes_free(folder).map_err(|error| FetchError::Disk { path: folder.to_owned(), error })?;
    let bytes_needed = goal.bytes(missing).saturating_add(job.limits.disk_reserve_bytes);
    if missing.is_empty() || bytes_free >= bytes_needed {
        return Ok(());
    }
    let model = job.wanted.model.clone();
    Err(FetchError::NoSpace { model, folder: folder.to_owned(), bytes_needed, bytes_free })
}

/// Which pieces of earlier tries are not what the journal says: a disk may lose what it said it had.
async fn find_damaged(
    job: &Arc<Job>,
    goal: &Arc<Goal>,
    resumed: &BTreeSet<u32>,
) -> Result<BTreeSet<u32>, FetchError> {
    let mut damaged = BTreeSet::new();
    for number in resumed.iter().copied() {
        let (job, goal) = (Arc::clone(job), Arc::clone(goal));
        let is_good = blocking(move || {
            let piece = goal.layout.locate(number);
            let read = job.partial.read(&goal.manifest.files[piece.file].path, piece)?;
            Ok(read.is_some_and(|bytes| goal.proves(number, &bytes)))
        });
        if !is_good.await? {
            damaged.insert(number);
        }
    }
    Ok(damaged)
}

/// Runs what touches the disk off the async workers. It goes on when nobody waits any more, which is harmless: it
/// holds the lock for as long as it runs.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PartialError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(FetchError::from),
        Err(error) => {
            Err(FetchError::Disk { path: PathBuf::new(), error: std::io::Error::other(error.to_string()) })
        }
    }
}
