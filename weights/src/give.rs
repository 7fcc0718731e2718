//! The giving side: answers one request on one stream. The node makes one [`Giver`] and calls [`Giver::serve`] for
//! every stream that opens with `Open::Blob`; dropping the future ends the transfer and gives its place back.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use pomona_config::WeightsConfig;
use pomona_protocol::blob::{BLOB_ANSWER_FRAME_BYTES_MAX, PIECE_BYTES};
use pomona_protocol::{BlobAnswer, BlobRequest, Cause, ModelId, encode_frame};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::bucket::Bucket;
use crate::catalog::{Catalog, LocalModel};
use crate::digest::{self, Digest};
use crate::scan::HashedModel;

/// Bytes that leave between two looks at the rate. Less costs wake-ups, more makes slow rates lumpy.
const CHUNK_BYTES: usize = 32 * 1024;
/// Bytes that are read from disk at once.
const READ_BYTES: u64 = 512 * 1024;
/// When a taker that was refused for want of a place may ask again, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// Limits of giving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveLimits {
    /// Bytes per second, all transfers together, while turns run; 0 means no limit.
    pub busy_bytes_per_s_max: u64,
    /// The same while none runs; 0 means no limit.
    pub idle_bytes_per_s_max: u64,
    /// Transfers at once; one more is refused as overloaded.
    pub transfers_max: u32,
    /// How long a taker may not read before its transfer is given up.
    pub unread_max: Duration,
}

impl From<&WeightsConfig> for GiveLimits {
    fn from(config: &WeightsConfig) -> Self {
        Self {
            busy_bytes_per_s_max: config.busy_bytes_per_s_max,
            idle_bytes_per_s_max: config.idle_bytes_per_s_max,
            transfers_max: config.transfers_max,
            unread_max: Duration::from_secs(30),
        }
    }
}

/// What was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// An answer with this many bytes behind it.
    Bytes(u64),
    /// Nothing.
    Refused(Cause),
}

/// Why a transfer ended early. The stream has to be reset, not ended.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    /// The taker is gone.
    #[error("the taker is gone: {0}")]
    Gone(std::io::Error),
    /// The taker does not read.
    #[error("the taker has read nothing for {} s", unread_max.as_secs())]
    Unread {
        /// The limit.
        unread_max: Duration,
    },
    /// The file cannot be read any more.
    #[error("model `{model}`: {error}")]
    Disk {
        /// The model.
        model: ModelId,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Gives weights, within limits over all its transfers.
pub struct Giver {
    limits: GiveLimits,
    busy: Box<dyn Fn() -> bool + Send + Sync>,
    places: Semaphore,
    bucket: Mutex<Bucket>,
    /// Whose turn it is at the bucket: first come, first served, so that no transfer starves.
    turnstile: tokio::sync::Mutex<()>,
}

/// What follows an answer.
enum Body {
    Nothing,
    Bytes(Vec<u8>),
    Range { file: Arc<File>, model: ModelId, offset: u64, length: u64 },
}

impl Giver {
    /// A giver that asks `busy` before each chunk whether turns run.
    pub fn new(limits: GiveLimits, busy: impl Fn() -> bool + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            places: Semaphore::new(limits.transfers_max.max(1) as usize),
            bucket: Mutex::new(Bucket::new(Instant::now().into_std())),
            turnstile: tokio::sync::Mutex::default(),
            busy: Box::new(busy),
            limits,
        })
    }

    /// Answers `request` on `out` and shuts it down behind the last byte.
    pub async fn serve(
        &self,
        request: BlobRequest,
        catalog: &Catalog,
        mut out: impl AsyncWrite + Unpin,
    ) -> Result<Given, GiveError> {
        let place = self.places.try_acquire();
        let prepared = match &place {
            Ok(_) => prepare(request, catalog).await,
            Err(_) => Err(Cause::Overloaded {
                waiting: 0,
                limit: self.limits.transfers_max,
                retry_after_s: RETRY_AFTER_S,
            }),
        };
        let (answer, body) = prepared.unwrap_or_else(|cause| (BlobAnswer::Refused(cause), Body::Nothing));
        let mut frame = BytesMut::new();
        if let Err(error) = encode_frame(&answer, &mut frame, BLOB_ANSWER_FRAME_BYTES_MAX) {
            return Err(GiveError::Gone(std::io::Error::other(error)));
        }
        self.send(&frame, &mut out).await?;
        let bytes = match body {
            Body::Nothing => 0,
            Body::Bytes(bytes) => {
                self.send(&bytes, &mut out).await?;
                bytes.len() as u64
            }
            Body::Range { file, model, offset, length } => {
                self.send_range(file, model, offset, length, &mut out).await?;
                length
            }
        };
        self.in_time(out.shutdown()).await?;
        Ok(match answer {
            BlobAnswer::Refused(cause) => Given::Refused(cause),
            BlobAnswer::Manifest(_) | BlobAnswer::Bytes { .. } => Given::Bytes(bytes),
        })
    }

    async fn send_range(
        &self,
        file: Arc<File>,
        model: ModelId,
        offset: u64,
        length: u64,
        out: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), GiveError> {
        let mut sent = 0;
        while sent < length {
            let wanted = READ_BYTES.min(length - sent);
            let reader = Arc::clone(&file);
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; wanted as usize];
                reader.read_exact_at(&mut bytes, offset + sent).map(|()| bytes)
            });
            let bytes = read.await.map_err(std::io::Error::other).flatten();
            let bytes = bytes.map_err(|error| GiveError::Disk { model: model.clone(), error })?;
            self.send(&bytes, out).await?;
            sent += wanted;
        }
        Ok(())
    }

    async fn send(&self, bytes: &[u8], out: &mut (impl AsyncWrite + Unpin)) -> Result<(), GiveError> {
        for chunk in bytes.chunks(CHUNK_BYTES) {
            self.wait_for(chunk.len() as u64).await;
            self.in_time(out.write_all(chunk)).await?;
        }
        Ok(())
    }

    async fn in_time(&self, write: impl Future<Output = std::io::Result<()>>) -> Result<(), GiveError> {
        let unread_max = self.limits.unread_max;
        let written = timeout(unread_max, write).await.map_err(|_| GiveError::Unread { unread_max })?;
        written.map_err(GiveError::Gone)
    }

    /// Waits until `bytes` may leave. The rate is asked for again at each try, so it changes while one waits.
    async fn wait_for(&self, bytes: u64) {
        if self.rate() == 0 {
            return;
        }
        let _turn = self.turnstile.lock().await;
        loop {
            let rate = self.rate();
            let now = Instant::now().into_std();
            let taken = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, rate, now);
            let Err(pause) = taken else { return };
            tokio::time::sleep(pause).await;
        }
    }

    fn rate(&self) -> u64 {
        if (self.busy)() { self.limits.busy_bytes_per_s_max } else { self.limits.idle_bytes_per_s_max }
    }
}

async fn prepare(request: BlobRequest, catalog: &Catalog) -> Result<(BlobAnswer, Body), Cause> {
    match request {
        BlobRequest::Manifest { model } => {
            let local = catalog.model(&model).ok_or_else(|| unknown(&model.0, catalog))?;
            let hashed = hashed(&local)?;
            Ok((BlobAnswer::Manifest(hashed.manifest.clone()), Body::Nothing))
        }
        BlobRequest::PieceHashes { digest, file } => {
            let (_, hashed) = by_digest(&digest, catalog)?;
            let pieces = hashed.pieces.get(file as usize).ok_or_else(|| no_file(file, &hashed))?;
            let bytes = digest::to_bytes(pieces);
            Ok((BlobAnswer::Bytes { length: bytes.len() as u64 }, Body::Bytes(bytes)))
        }
        BlobRequest::Range { digest, file, offset, length } => {
            let (local, hashed) = by_digest(&digest, catalog)?;
            let listed = hashed.manifest.files.get(file as usize).ok_or_else(|| no_file(file, &hashed))?;
            let is_inside = offset.checked_add(length).is_some_and(|end| end <= listed.bytes);
            if !(1..=PIECE_BYTES).contains(&length) || !is_inside {
                let message = format!(
                    "{length} bytes at {offset} of `{}`: expected 1 to {PIECE_BYTES} within {} bytes",
                    listed.path, listed.bytes
                );
                return Err(Cause::InvalidRequest { parameter: "range".to_owned(), message });
            }
            let file = open(&local, &hashed, file as usize, listed.bytes).await?;
            let model = local.model.clone();
            Ok((BlobAnswer::Bytes { length }, Body::Range { file, model, offset, length }))
        }
    }
}

/// Opens a file of the manifest and sees that it still has its size.
async fn open(local: &LocalModel, hashed: &HashedModel, file: usize, bytes: u64) -> Result<Arc<File>, Cause> {
    let place = hashed.places[file].clone();
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(place)?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() == bytes {
            return Ok(Arc::new(file));
        }
        Err(std::io::Error::other("it has changed since it was hashed"))
    });
    let opened = opened.await.map_err(std::io::Error::other).flatten();
    opened.map_err(|error| Cause::ModelUnavailable {
        model: local.model.0.clone(),
        message: format!("`{}`: {error}", hashed.manifest.files[file].path),
    })
}

fn by_digest(text: &str, catalog: &Catalog) -> Result<(Arc<LocalModel>, Arc<HashedModel>), Cause> {
    let digest: Digest = text.parse().map_err(|error: crate::DigestError| Cause::InvalidRequest {
        parameter: "digest".to_owned(),
        message: error.to_string(),
    })?;
    let local = catalog.by_digest(digest).ok_or_else(|| unknown(text, catalog))?;
    let hashed = hashed(&local)?;
    Ok((local, hashed))
}

fn hashed(local: &LocalModel) -> Result<Arc<HashedModel>, Cause> {
    local.hashed.clone().ok_or_else(|| Cause::ModelUnavailable {
        model: local.model.0.clone(),
        message: "its files are still being hashed".to_owned(),
    })
}

fn unknown(model: &str, catalog: &Catalog) -> Cause {
    let known = catalog.models().iter().map(|local| local.model.0.clone()).collect();
    Cause::UnknownModel { model: model.chars().take(200).collect(), known }
}

fn no_file(file: u32, hashed: &HashedModel) -> Cause {
    let message = format!("{file}: expected 0 to {}", hashed.manifest.files.len().saturating_sub(1));
    Cause::InvalidRequest { parameter: "file".to_owned(), message }
}
