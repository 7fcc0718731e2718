//! Which models lie on this disk. The node makes one, names its own folders, rescans it at start and after each
//! change; the giver and the node's reports read it without waiting.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use pomona_protocol::{ModelCard, ModelId};

use crate::cache::{CachedFolder, HashCache};
use crate::card;
use crate::digest::Digest;
use crate::partial::{Label, MODELS_MAX};
use crate::scan::{self, Entry, HashProgress, HashedModel, ScanError};

/// What makes a folder a model, unless it has one as GGUF.
const CONFIG_FILE: &str = "config.json";

/// One model on this disk.
#[derive(Clone, Debug)]
pub struct LocalModel {
    /// What clients call it.
    pub model: ModelId,
    /// Where it lies.
    pub folder: PathBuf,
    /// Bytes of its files.
    pub bytes: u64,
    /// What its files say of it; `None` when they say nothing that is understood.
    pub card: Option<Arc<ModelCard>>,
    /// Its files and their hashes; `None` while they are being computed.
    pub hashed: Option<Arc<HashedModel>>,
}

impl LocalModel {
    /// Names the content; `None` while it is being computed.
    pub fn digest(&self) -> Option<Digest> {
        self.hashed.as_ref().map(|hashed| hashed.digest)
    }
}

/// A folder that is not offered, and why.
#[derive(Debug)]
pub struct ScanProblem {
    /// What it would be called.
    pub model: ModelId,
    /// The folder.
    pub folder: PathBuf,
    /// Why.
    pub error: ScanError,
}

type Models = BTreeMap<ModelId, Arc<LocalModel>>;
/// Who hears of hashing, after each piece; it must not block.
pub type OnHash = Arc<dyn Fn(&ModelId, HashProgress) + Send + Sync>;

/// The models on this disk, as of the last scan.
pub struct Catalog {
    models_folder: PathBuf,
    cache: HashCache,
    named: Mutex<BTreeMap<ModelId, PathBuf>>,
    models: ArcSwap<Models>,
    scanning: tokio::sync::Mutex<()>,
}

/// Sets the flag when the one who waits is gone.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Catalog {
    /// A catalog of `data_folder/models`; empty before the first scan. Hashes are kept in `data_folder/digests`.
    pub fn new(data_folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            models_folder: data_folder.join("models"),
            cache: HashCache::new(data_folder.join("digests")),
            named: Mutex::default(),
            models: ArcSwap::default(),
            scanning: tokio::sync::Mutex::default(),
        })
    }

    /// Where models are fetched to.
    pub fn models_folder(&self) -> &Path {
        &self.models_folder
    }

    /// Lists a folder from anywhere under a name from the next scan on. It wins over one in the models folder.
    pub fn name_folder(&self, model: ModelId, folder: PathBuf) {
        self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(model, folder);
    }

    /// All models, by name.
    pub fn models(&self) -> Vec<Arc<LocalModel>> {
        self.models.load().values().cloned().collect()
    }

    /// The model of this name.
    pub fn model(&self, model: &ModelId) -> Option<Arc<LocalModel>> {
        self.models.load().get(model).cloned()
    }

    /// The model of this content.
    pub fn by_digest(&self, digest: Digest) -> Option<Arc<LocalModel>> {
        self.models.load().values().find(|model| model.digest() == Some(digest)).cloned()
    }

    /// Looks at the disk again: lists at once, then hashes what is new, off the async workers, one folder at a
    /// time. Answers when all is hashed; dropping it stops between two pieces and keeps what is done. Folders
    /// that cannot be offered are returned.
    pub async fn rescan(self: &Arc<Self>, progress: OnHash) -> Vec<ScanProblem> {
        let _one_at_a_time = self.scanning.lock().await;
        let cancelled = Arc::new(AtomicBool::new(false));
        let _cancel = CancelOnDrop(Arc::clone(&cancelled));
        let catalog = Arc::clone(self);
        let scan = tokio::task::spawn_blocking(move || catalog.scan(&cancelled, &progress));
        match scan.await {
            Ok(problems) => problems,
            Err(error) => {
                tracing::error!(%error, "the scan of local models ended early");
                Vec::new()
            }
        }
    }

    fn scan(&self, cancelled: &AtomicBool, progress: &OnHash) -> Vec<ScanProblem> {
        let mut problems = Vec::new();
        let mut found: Vec<(LocalModel, Vec<Entry>)> = Vec::new();
        for (model, folder) in self.folders() {
            match scan::list(&folder) {
                Ok(entries) => {
                    let bytes = entries.iter().map(|entry| entry.bytes).sum();
                    let card = card::describe(&model, &folder).map(Arc::new);
                    found.push((LocalModel { model, folder, bytes, card, hashed: None }, entries));
                }
                Err(error) => problems.push(ScanProblem { model, folder, error }),
            }
        }
        let known = self.models.load_full();
        for (local, entries) in &mut found {
            let before = known.get(&local.model).filter(|before| before.folder == local.folder);
            let hashed = before.and_then(|before| before.hashed.clone());
            let cached = self.cache.load(&local.folder);
            let unchanged = entries.iter().all(|entry| cached.pieces(entry).is_some());
            // Until it is hashed again, a model that changed is not offered with its old hashes.
            local.hashed = hashed.filter(|hashed| unchanged && describes(hashed, entries));
        }
        self.publish(found.iter().map(|(local, _)| local.clone()));
        for (mut local, entries) in found {
            if local.hashed.is_some() {
                continue;
            }
            match self.hash(&local, &entries, cancelled, progress) {
                Ok(hashed) => {
                    local.hashed = Some(Arc::new(hashed));
                    let mut models = Models::clone(&self.models.load());
                    models.insert(local.model.clone(), Arc::new(local));
                    self.models.store(Arc::new(models));
                }
                Err(ScanError::Cancelled) => return problems,
                Err(error) => {
                    let mut models = Models::clone(&self.models.load());
                    models.remove(&local.model);
                    self.models.store(Arc::new(models));
                    problems.push(ScanProblem { model: local.model, folder: local.folder, error });
                }
            }
        }
        problems
    }

    fn publish(&self, models: impl Iterator<Item = LocalModel>) {
        let models: Models = models.map(|local| (local.model.clone(), Arc::new(local))).collect();
        let folders: Vec<PathBuf> = models.values().map(|local| local.folder.clone()).collect();
        self.cache.keep_only(&folders);
        self.models.store(Arc::new(models));
    }

    fn hash(
        &self,
        local: &LocalModel,
        entries: &[Entry],
        cancelled: &AtomicBool,
        progress: &OnHash,
    ) -> Result<HashedModel, ScanError> {
        let cached = self.cache.load(&local.folder);
        let report = |done| progress(&local.model, done);
        let hashed = scan::hash(&local.folder, entries, &cached, cancelled, &report)?;
        if let Err(error) = self.cache.store(&CachedFolder::new(&local.folder, entries, &hashed)) {
            tracing::warn!(model = %local.model, %error, "hashes are not kept; the next start computes them again");
        }
        Ok(hashed)
    }

    /// Names and folders, real paths; named ones first, and no folder or name twice. Looks at the disk.
    pub fn folders(&self) -> Vec<(ModelId, PathBuf)> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut folders: BTreeMap<ModelId, PathBuf> = BTreeMap::new();
        for (model, folder) in named {
            folders.insert(model, folder.canonicalize().unwrap_or(folder));
        }
        let mut found: Vec<_> = fs::read_dir(&self.models_folder).into_iter().flatten().flatten().collect();
        // Where two folders claim one name, the one that came last has it.
        found.sort_by_key(|entry| {
            std::cmp::Reverse(entry.metadata().and_then(|metadata| metadata.modified()).ok())
        });
        for entry in found.into_iter().take(MODELS_MAX) {
            let Ok(folder) = entry.path().canonicalize() else { continue };
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_model =
                !name.starts_with('.') && (folder.join(CONFIG_FILE).is_file() || card::has_gguf(&folder));
            if !is_model || folders.values().any(|known| *known == folder) {
                continue;
            }
            let model = Label::read(&folder).map_or(ModelId(name), |label| label.model);
            folders.entry(model).or_insert(folder);
        }
        folders.into_iter().collect()
    }
}

/// Whether hashes are of these files, by path and size.
fn describes(hashed: &HashedModel, entries: &[Entry]) -> bool {
    let files = &hashed.manifest.files;
    files.len() == entries.len()
        && files.iter().zip(entries).all(|(file, entry)| file.path == entry.path && file.bytes == entry.bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn model(folder: &Path, content: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(CONFIG_FILE), content).unwrap();
    }

    /// Rescans and tells how many bytes were hashed.
    async fn rescan(catalog: &Arc<Catalog>) -> (u64, Vec<ScanProblem>) {
        let hashed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&hashed);
        let problems = catalog
            .rescan(Arc::new(move |_, done| {
                count.fetch_add(done.bytes_done, Ordering::Relaxed);
            }))
            .await;
        (hashed.load(Ordering::Relaxed), problems)
    }

    fn names(catalog: &Catalog) -> Vec<String> {
        catalog.models().iter().map(|local| local.model.0.clone()).collect()
    }

    #[tokio::test]
    async fn models_are_found_in_the_data_folder_and_where_they_were_named() {
        let data = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        model(&data.path().join("models/pear"), "{}");
        model(&data.path().join("models/sprout-1234"), "[]");
        model(&data.path().join("models/.partial"), "{}");
        fs::create_dir(data.path().join("models/no-model")).unwrap();
        model(elsewhere.path(), "{\"a\":1}");
        let catalog = Catalog::new(data.path());
        catalog.name_folder("sprout".into(), data.path().join("models/sprout-1234"));
        catalog.name_folder("own".into(), elsewhere.path().to_owned());
        catalog.name_folder("gone".into(), elsewhere.path().join("gone"));
        let (_, problems) = rescan(&catalog).await;
        assert_eq!(names(&catalog), ["own", "pear", "sprout"]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].model, "gone".into());
        let pear = catalog.model(&"pear".into()).unwrap();
        assert_eq!(catalog.by_digest(pear.digest().unwrap()).unwrap().model, pear.model);
        assert_eq!(pear.bytes, 2);
    }

    #[tokio::test]
    async fn what_has_not_changed_is_not_hashed_again() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("models/pear");
        model(&folder, "{}");
        assert_eq!(rescan(&Catalog::new(data.path())).await.0, 2);
        let catalog = Catalog::new(data.path());
        assert_eq!(rescan(&catalog).await.0, 0);
        let before = catalog.model(&"pear".into()).unwrap().digest();
        assert!(before.is_some());
        model(&folder, "{\"a\":1}");
        assert_eq!(rescan(&catalog).await.0, 7);
        assert_ne!(catalog.model(&"pear".into()).unwrap().digest(), before);
    }

    #[tokio::test]
    async fn a_damaged_cache_is_no_cache() {
        let data = tempfile::tempdir().unwrap();
        model(&data.path().join("models/pear"), "{}");
        rescan(&Catalog::new(data.path())).await;
        let cache = fs::read_dir(data.path().join("digests")).unwrap().next().unwrap().unwrap().path();
        fs::write(cache, b"\x93garbage").unwrap();
        assert_eq!(rescan(&Catalog::new(data.path())).await.0, 2);
    }
}
