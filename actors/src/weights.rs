//! Models on this machine's disk: what it offers, what it gives to other members, and what it takes from them before
//! it can load. The transfers themselves are the `weights` crate's.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pomona_cluster::retention::Retention;
use pomona_config::WeightsConfig;
use pomona_protocol::{BlobRequest, Cause, LinkPurpose, ModelCard, ModelId, ModelOffer};
use pomona_transport::{DialTarget, Link, SendStream};
use pomona_weights::{
    Answering, Catalog, FetchError, Giver, Source, SourceError, Wanted, ask_over, fetch, remove_abandoned,
};
use tokio_util::task::TaskTracker;

use crate::api::Parts;
use crate::links::control::{LoadOrder, PinOrder, WeightsSource};
use crate::links::{kind_of, resolve};
use crate::models::ModelsMessage;
use crate::shared::{LocalModel, Shared};

/// How often the models folder is looked at: who puts a model there, or pulls one, need tell nobody.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Unfinished models that nobody has worked on for so long are removed at a start.
const ABANDONED_AFTER: Duration = Duration::from_secs(7 * 86_400);
/// Models that may be pinned by admins.
const PINS_MAX: usize = 1024;
/// Where pins are kept, below the data folder.
const PINS_FILE: &str = "pinned.json";

pub(crate) struct Weights {
    catalog: Arc<Catalog>,
    giver: Arc<Giver>,
    config: WeightsConfig,
    /// Bytes of KV that a replica gets.
    kv_bytes: u64,
    hosts: bool,
    /// Models that an admin wants kept.
    pins: Mutex<BTreeSet<ModelId>>,
    pins_file: PathBuf,
    /// Owns scans and fetches.
    tasks: TaskTracker,
}

impl Weights {
    pub(crate) fn new(parts: &Parts, busy: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let catalog = Catalog::new(&parts.data_dir);
        if let Some(model) = &parts.first_model {
            catalog.name_folder(model.id.clone(), model.folder.clone());
        }
        let pins_file = parts.data_dir.join(PINS_FILE);
        Self {
            catalog,
            giver: Giver::new((&parts.weights).into(), busy),
            config: parts.weights.clone(),
            kv_bytes: parts.kv_bytes,
            hosts: parts.hosts,
            pins: Mutex::new(read_pins(&pins_file)),
            pins_file,
            tasks: TaskTracker::new(),
        }
    }

    /// Where models lie.
    pub(crate) fn models_folder(&self) -> PathBuf {
        self.catalog.models_folder().to_owned()
    }

    /// The folder that holds it.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.pins_file.parent().map_or_else(PathBuf::new, std::path::Path::to_owned)
    }

    /// Runs something that outlives nobody but this process.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// As [`Weights::spawn`], for what blocks.
    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.tasks.spawn_blocking(work);
    }

    /// What this machine could load.
    pub(crate) fn offers(&self) -> Vec<ModelOffer> {
        let models = self.catalog.models();
        let offer = |model: &Arc<pomona_weights::LocalModel>| ModelOffer {
            model: model.model.clone(),
            memory_bytes: model.bytes + self.kv_bytes,
            digest: model.digest().map(|digest| digest.to_string()).unwrap_or_default(),
            card: model.card.as_deref().cloned().map(Box::new),
        };
        if self.hosts { models.iter().map(offer).collect() } else { Vec::new() }
    }

    /// What the files of a local model say of it.
    pub(crate) fn card(&self, model: &ModelId) -> Option<ModelCard> {
        self.catalog.model(model)?.card.as_deref().cloned()
    }

    fn lock_pins(&self) -> MutexGuard<'_, BTreeSet<ModelId>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn local(&self, model: &ModelId) -> Option<LocalModel> {
        let found = self.catalog.model(model)?;
        let memory_bytes = found.bytes + self.kv_bytes;
        Some(LocalModel { id: found.model.clone(), folder: found.folder.clone(), memory_bytes })
    }
}

/// Pins of earlier runs. A file that is damaged pins nothing; a model less is kept then, and none is lost.
fn read_pins(path: &std::path::Path) -> BTreeSet<ModelId> {
    let read = std::fs::read(path).ok();
    let pins: Option<Vec<ModelId>> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    pins.unwrap_or_default().into_iter().take(PINS_MAX).collect()
}

/// Looks at the disk, in the background: names at once, hashes when they are computed. Looks again whenever
/// something came into the models folder or left it, for as long as this process lives.
pub(crate) fn scan(shared: &Arc<Shared>) {
    if !shared.hosts {
        return;
    }
    let watched = Arc::downgrade(shared);
    let models = shared.weights.catalog.models_folder().to_owned();
    shared.weights.tasks.spawn_blocking(move || {
        match remove_abandoned(&models, ABANDONED_AFTER, SystemTime::now()) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "unfinished models of long ago were removed"),
            Err(error) => tracing::warn!(%error, "unfinished models of long ago could not be removed"),
        }
    });
    shared.weights.tasks.spawn(async move {
        let mut seen = None;
        while let Some(shared) = watched.upgrade() {
            let changed = changed_at(shared.weights.catalog.models_folder().to_owned()).await;
            if seen != Some(changed) {
                seen = Some(changed);
                rescan(&shared).await;
            }
            drop(shared);
            tokio::time::sleep(WATCH_EVERY).await;
        }
    });
}

/// When a folder last got or lost a name; `None` while it is not there.
async fn changed_at(folder: PathBuf) -> Option<SystemTime> {
    tokio::fs::metadata(folder).await.ok()?.modified().ok()
}

async fn rescan(shared: &Arc<Shared>) {
    let noted = Arc::clone(shared);
    let progress = Arc::new(move |_: &ModelId, _| noted.engines.note_change());
    for problem in shared.weights.catalog.rescan(progress).await {
        tracing::warn!(model = %problem.model, folder = %problem.folder.display(), error = %problem.error, "a folder is no model");
    }
    shared.engines.note_change();
}

/// Gives what a stream asked for.
pub(crate) async fn give(shared: &Shared, request: BlobRequest, stream: &mut SendStream) {
    let _ = stream.set_priority(pomona_transport::streams::PRIORITY_BULK);
    if let Err(error) = shared.weights.giver.serve(request, &shared.weights.catalog, &mut *stream).await {
        tracing::debug!(%error, "a transfer of weights ended early");
        let _ = stream.reset(pomona_transport::streams::CANCELLED);
    }
}

impl Shared {
    /// Has a replica of a model, taking its weights from others first when they are not here. Returns when that
    /// has begun.
    pub(crate) fn order_load(self: &Arc<Self>, order: LoadOrder) -> Result<(), Cause> {
        if !self.hosts {
            return Err(Cause::NotAHost { node: self.name.load().to_string() });
        }
        if let Some(model) = self.weights.local(&order.model) {
            return self.load(model, order.is_wanted);
        }
        if order.sources.is_empty() || order.digest.is_empty() {
            let known = self.weights.catalog.models().iter().map(|model| model.model.to_string()).collect();
            return Err(Cause::UnknownModel { model: order.model.to_string(), known });
        }
        let shared = Arc::clone(self);
        self.weights.tasks.spawn(async move {
            let (model, is_wanted) = (order.model.clone(), order.is_wanted);
            match take(&shared, order).await {
                Ok(folder) => {
                    tracing::info!(%model, folder = %folder.display(), "weights are here");
                    rescan(&shared).await;
                    if let Some(model) = shared.weights.local(&model) {
                        let _ = shared.load(model, is_wanted);
                    }
                }
                Err(error) => tracing::error!(%model, %error, "weights could not be taken"),
            }
        });
        Ok(())
    }

    fn load(&self, model: LocalModel, is_wanted: bool) -> Result<(), Cause> {
        let models = self.models.load().as_deref().cloned().ok_or(Cause::ShuttingDown)?;
        models.cast(ModelsMessage::Load { model, is_wanted }).map_err(|_| Cause::ShuttingDown)
    }

    /// What this machine keeps, and for how long the rest stays. The model of its own configuration is kept unless
    /// that very model has an idle time.
    pub(crate) fn retention(&self) -> Retention {
        let fleet = &self.fleet;
        let mut retention = Retention::new(fleet.idle_unload_ms, &fleet.idle_unload_of, &fleet.pinned);
        retention.pinned.extend(self.weights.lock_pins().iter().cloned());
        if let Some(first) = &self.first_model
            && !retention.idle_ms_max_of.contains_key(&first.id)
        {
            retention.pinned.insert(first.id.clone());
        }
        retention
    }

    /// Keeps a model once it is loaded, or keeps it no more; remembered over restarts.
    pub(crate) fn order_pin(self: &Arc<Self>, order: PinOrder) -> Result<(), Cause> {
        let PinOrder { model, on } = order;
        {
            let mut pins = self.weights.lock_pins();
            if on && pins.len() >= PINS_MAX && !pins.contains(&model) {
                let message = format!("{PINS_MAX} models are pinned; unpin some first");
                return Err(Cause::InvalidRequest { parameter: "model".to_owned(), message });
            }
            let changed = if on { pins.insert(model.clone()) } else { pins.remove(&model) };
            if !changed {
                return Ok(());
            }
        }
        tracing::info!(%model, on, "an admin pinned a model, or unpinned it");
        let shared = Arc::clone(self);
        self.weights.tasks.spawn_blocking(move || {
            // Whoever writes last writes what holds: the lock is kept while writing.
            let pins = shared.weights.lock_pins();
            let encoded = serde_json::to_vec(&*pins).unwrap_or_default();
            let fresh = shared.weights.pins_file.with_extension("new");
            let written = std::fs::write(&fresh, encoded)
                .and_then(|()| std::fs::rename(&fresh, &shared.weights.pins_file));
            if let Err(error) = written {
                tracing::warn!(%error, "pins are not kept; the next start has forgotten the last change");
            }
        });
        self.engines.note_change();
        Ok(())
    }

    /// Ends the replica of a model; nothing happens when there is none.
    pub(crate) fn order_unload(&self, model: ModelId) -> Result<(), Cause> {
        let models = self.models.load().as_deref().cloned().ok_or(Cause::ShuttingDown)?;
        models.cast(ModelsMessage::Unload(model)).map_err(|_| Cause::ShuttingDown)
    }
}

async fn take(shared: &Arc<Shared>, order: LoadOrder) -> Result<PathBuf, FetchError> {
    let mut sources: Vec<Arc<dyn Source>> = Vec::new();
    for source in order.sources {
        sources.push(Arc::new(LinkSource {
            shared: Arc::clone(shared),
            name: source.node.to_string(),
            source,
            link: tokio::sync::Mutex::new(None),
        }));
    }
    let weights = &shared.weights;
    let wanted = Wanted { model: order.model.clone(), digest: order.digest };
    let model = order.model;
    let progress = Arc::new(move |progress: pomona_weights::FetchProgress| {
        tracing::debug!(%model, done = progress.bytes_done, total = progress.bytes_total, "taking weights");
    });
    fetch(wanted, sources, weights.catalog.models_folder(), (&weights.config).into(), progress).await
}

/// Another member, asked over a link of its own, so that weights share no window with turns.
struct LinkSource {
    shared: Arc<Shared>,
    name: String,
    source: WeightsSource,
    link: tokio::sync::Mutex<Option<Link>>,
}

impl LinkSource {
    async fn link(&self) -> Result<Link, SourceError> {
        let mut held = self.link.lock().await;
        if let Some(link) = held.as_ref().filter(|link| !link.is_closed()) {
            return Ok(link.clone());
        }
        let broken = |message: String| SourceError::Broken { message };
        let endpoint =
            self.shared.endpoint.clone().ok_or_else(|| broken("there is no endpoint".to_owned()))?;
        let mut candidates = Vec::new();
        for address in &self.source.addresses {
            candidates.extend(resolve(vec![address.clone()], kind_of(address)).await);
        }
        let node = Some(self.source.node.clone());
        let target = DialTarget { node, candidates, purpose: LinkPurpose::Bulk };
        let link = endpoint.dial(target).await.map_err(|error| broken(error.to_string()))?;
        *held = Some(link.clone());
        Ok(link)
    }
}

impl Source for LinkSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self, request: BlobRequest) -> Answering<'_> {
        Box::pin(async move {
            let link = self.link().await?;
            let broken =
                |error: pomona_transport::LinkError| SourceError::Broken { message: error.to_string() };
            let (send, receive) = link.open_bulk().await.map_err(broken)?;
            ask_over(receive, send, request).await
        })
    }
}
