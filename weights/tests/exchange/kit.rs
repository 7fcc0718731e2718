//! What the tests share: a model on disk, a giver beside it, and sources that behave as they are told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pomona_config::WeightsConfig;
use pomona_protocol::blob::PIECE_BYTES;
use pomona_protocol::{BlobAnswer, BlobManifest, BlobRequest, encode_frame};
use pomona_weights::{
    Answering, Catalog, FetchError, FetchProgress, GiveLimits, Giver, Source, SourceError, TakeLimits,
    Wanted, fetch, read_answer,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::JoinSet;

pub(crate) const MODEL: &str = "orchard/pear";
/// Pieces of the test model, the single ones of small files counted.
pub(crate) const PIECES: u64 = 9;

/// A machine that has the model.
pub(crate) struct Home {
    pub(crate) data: TempDir,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) giver: Arc<Giver>,
}

/// Bytes that look like nothing, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| word()).take(length).collect()
}

impl Home {
    pub(crate) async fn new() -> Self {
        Self::with(GiveLimits::from(&WeightsConfig { transfers_max: 64, ..WeightsConfig::default() })).await
    }

    pub(crate) async fn with(limits: GiveLimits) -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("models/pear");
        fs::create_dir_all(folder.join("onnx")).unwrap();
        let piece = PIECE_BYTES as usize;
        for (number, (path, bytes)) in [
            ("config.json", 700),
            ("empty", 0),
            ("model-1.safetensors", 4 * piece + 5),
            ("model-2.safetensors", piece + 1),
            ("onnx/a", piece),
        ]
        .into_iter()
        .enumerate()
        {
            fs::write(folder.join(path), noise(number as u64, bytes)).unwrap();
        }
        let catalog = Catalog::new(data.path());
        catalog.name_folder(MODEL.into(), folder);
        assert!(catalog.rescan(Arc::new(|_, _| {})).await.is_empty());
        Self { data, catalog, giver: Giver::new(limits, || false) }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.data.path().join("models/pear")
    }

    pub(crate) fn wanted(&self) -> Wanted {
        let digest = self.catalog.model(&MODEL.into()).unwrap().digest().unwrap().to_string();
        Wanted { model: MODEL.into(), digest }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.catalog.model(&MODEL.into()).unwrap().bytes
    }

    pub(crate) fn source(&self, name: &str, behaviour: Behaviour) -> Arc<TestSource> {
        Arc::new(TestSource {
            name: name.to_owned(),
            catalog: Arc::clone(&self.catalog),
            giver: Arc::clone(&self.giver),
            behaviour,
            ranges_asked: AtomicU64::new(0),
            bytes_given: AtomicU64::new(0),
            tasks: Mutex::default(),
        })
    }
}

/// What a source does to its answers about ranges, or to all of them.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    Honest,
    /// Waits before each range.
    Slow(Duration),
    /// Changes one byte of each range.
    Lies,
    /// Changes one byte of the piece hashes.
    LiesAboutHashes,
    /// Gives this many ranges, then no way leads to it.
    Dies(u64),
    /// Gives this many ranges, then half of one and nothing more.
    Stalls(u64),
    /// Ends each range early.
    Truncates,
    /// Sends more than it said.
    Overdoes,
    /// Answers each range by bytes that are no frame.
    Garbage,
    /// Announces an endless frame.
    EndlessFrame,
    /// Has another manifest.
    Manifest(BlobManifest),
    /// Answers nothing at all.
    Silent,
}

pub(crate) struct TestSource {
    name: String,
    catalog: Arc<Catalog>,
    giver: Arc<Giver>,
    behaviour: Behaviour,
    pub(crate) ranges_asked: AtomicU64,
    pub(crate) bytes_given: AtomicU64,
    tasks: Mutex<JoinSet<()>>,
}

impl TestSource {
    pub(crate) fn asked(&self) -> u64 {
        self.ranges_asked.load(Ordering::Relaxed)
    }

    /// The answer as it leaves, tampered with.
    fn tamper(&self, is_range: bool, is_hashes: bool, asked: u64, mut wire: Vec<u8>) -> (Vec<u8>, bool) {
        let last = wire.len() - 1;
        match &self.behaviour {
            Behaviour::Lies if is_range => wire[last] ^= 1,
            Behaviour::LiesAboutHashes if is_hashes => wire[last] ^= 1,
            Behaviour::Stalls(after) if is_range && asked > *after => {
                wire.truncate(wire.len() / 2);
                return (wire, true);
            }
            Behaviour::Truncates if is_range => wire.truncate(last),
            Behaviour::Overdoes if is_range => wire.push(7),
            Behaviour::Garbage if is_range => wire = vec![0, 0, 0, 3, 0xc1, 0xc1, 0xc1],
            Behaviour::EndlessFrame => wire = vec![0xff; 8],
            Behaviour::Manifest(manifest) if !is_range && !is_hashes => {
                let mut frame = bytes::BytesMut::new();
                encode_frame(&BlobAnswer::Manifest(manifest.clone()), &mut frame, usize::MAX).unwrap();
                wire = frame.to_vec();
            }
            Behaviour::Silent => return (Vec::new(), true),
            _ => {}
        }
        (wire, false)
    }

    async fn answer(self: Arc<Self>, request: BlobRequest, mut out: tokio::io::DuplexStream) {
        let is_range = matches!(request, BlobRequest::Range { .. });
        let is_hashes = matches!(request, BlobRequest::PieceHashes { .. });
        let asked = self.ranges_asked.fetch_add(u64::from(is_range), Ordering::Relaxed) + 1;
        if let (Behaviour::Slow(pause), true) = (&self.behaviour, is_range) {
            tokio::time::sleep(*pause).await;
        }
        let (mut inner, theirs) = duplex(64 * 1024);
        let mut wire = Vec::new();
        let (given, read) =
            tokio::join!(self.giver.serve(request, &self.catalog, theirs), inner.read_to_end(&mut wire));
        given.unwrap();
        read.unwrap();
        let (wire, hangs) = self.tamper(is_range, is_hashes, asked, wire);
        for chunk in wire.chunks(100_000) {
            if out.write_all(chunk).await.is_err() {
                return;
            }
            self.bytes_given.fetch_add(if is_range { chunk.len() as u64 } else { 0 }, Ordering::Relaxed);
        }
        if hangs {
            std::future::pending::<()>().await;
        }
    }
}

/// The trait is for what is shared by `Arc`; the tasks need the same.
pub(crate) struct Shared(pub(crate) Arc<TestSource>);

impl Source for Shared {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn ask(&self, request: BlobRequest) -> Answering<'_> {
        Box::pin(async move {
            let is_range = matches!(request, BlobRequest::Range { .. });
            if matches!(self.0.behaviour, Behaviour::Dies(after) if is_range && self.0.asked() >= after) {
                return Err(SourceError::Broken { message: "connection lost".to_owned() });
            }
            let (ours, theirs) = duplex(64 * 1024);
            self.0.tasks.lock().unwrap().spawn(Arc::clone(&self.0).answer(request, theirs));
            read_answer(ours).await
        })
    }
}

pub(crate) fn shared(sources: &[&Arc<TestSource>]) -> Vec<Arc<dyn Source>> {
    sources.iter().map(|source| Arc::new(Shared(Arc::clone(source))) as Arc<dyn Source>).collect()
}

pub(crate) fn limits() -> TakeLimits {
    TakeLimits { disk_reserve_bytes: 0, ..TakeLimits::from(&WeightsConfig::default()) }
}

pub(crate) async fn take(
    wanted: &Wanted,
    sources: &[&Arc<TestSource>],
    models: &Path,
) -> Result<PathBuf, FetchError> {
    fetch(wanted.clone(), shared(sources), models, limits(), Arc::new(|_: FetchProgress| {})).await
}

/// All visible files of two folders are the same, byte for byte.
pub(crate) fn assert_same(left: &Path, right: &Path) {
    let hash = |folder: &Path| pomona_weights::hash_folder(folder, &|_| {}).unwrap();
    let (left_hashed, right_hashed) = (hash(left), hash(right));
    assert_eq!(left_hashed.manifest, right_hashed.manifest);
    for file in &left_hashed.manifest.files {
        assert!(fs::read(left.join(&file.path)).unwrap() == fs::read(right.join(&file.path)).unwrap());
    }
}
