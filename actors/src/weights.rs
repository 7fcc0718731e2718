//! Models on this machine's disk: what it offers, what it gives to other members, and what it takes from them before
//! it can load. The transfers themselves are the `weights` crate's.

use std::path::PathBuf;
use std::sync::Arc;

use pomona_config::WeightsConfig;
use pomona_protocol::{BlobRequest, Cause, LinkPurpose, ModelId, ModelOffer};
use pomona_transport::{DialTarget, Link, SendStream};
use pomona_weights::{Answering, Catalog, FetchError, Giver, Source, SourceError, Wanted, ask_over, fetch};
use tokio_util::task::TaskTracker;

use crate::api::Parts;
use crate::links::control::{LoadOrder, WeightsSource};
use crate::links::{kind_of, resolve};
use crate::models::ModelsMessage;
use crate::shared::{LocalModel, Shared};

pub(crate) struct Weights {
    catalog: Arc<Catalog>,
    giver: Arc<Giver>,
    config: WeightsConfig,
    /// Bytes of KV that a replica gets.
    kv_bytes: u64,
    hosts: bool,
    /// Owns scans and fetches.
    tasks: TaskTracker,
}

impl Weights {
    pub(crate) fn new(parts: &Parts, busy: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let catalog = Catalog::new(&parts.data_dir);
        if let Some(model) = &parts.first_model {
            catalog.name_folder(model.id.clone(), model.folder.clone());
        }
        Self {
            catalog,
            giver: Giver::new((&parts.weights).into(), busy),
            config: parts.weights.clone(),
            kv_bytes: parts.kv_bytes,
            hosts: parts.hosts,
            tasks: TaskTracker::new(),
        }
    }

    /// What this machine could load.
    pub(crate) fn offers(&self) -> Vec<ModelOffer> {
        let models = self.catalog.models();
        let offer = |model: &Arc<pomona_weights::LocalModel>| ModelOffer {
            model: model.model.clone(),
            memory_bytes: model.bytes + self.kv_bytes,
            digest: model.digest().map(|digest| digest.to_string()).unwrap_or_default(),
        };
        if self.hosts { models.iter().map(offer).collect() } else { Vec::new() }
    }

    fn local(&self, model: &ModelId) -> Option<LocalModel> {
        let found = self.catalog.model(model)?;
        let memory_bytes = found.bytes + self.kv_bytes;
        Some(LocalModel { id: found.model.clone(), folder: found.folder.clone(), memory_bytes })
    }
}

/// Looks at the disk, in the background: names at once, hashes when they are computed.
pub(crate) fn scan(shared: &Arc<Shared>) {
    if !shared.hosts {
        return;
    }
    let scanned = Arc::clone(shared);
    shared.weights.tasks.spawn(async move {
        rescan(&scanned).await;
    });
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
            return self.load(model);
        }
        if order.sources.is_empty() || order.digest.is_empty() {
            let known = self.weights.catalog.models().iter().map(|model| model.model.to_string()).collect();
            return Err(Cause::UnknownModel { model: order.model.to_string(), known });
        }
        let shared = Arc::clone(self);
        self.weights.tasks.spawn(async move {
            let model = order.model.clone();
            match take(&shared, order).await {
                Ok(folder) => {
                    tracing::info!(%model, folder = %folder.display(), "weights are here");
                    rescan(&shared).await;
                    if let Some(model) = shared.weights.local(&model) {
                        let _ = shared.load(model);
                    }
                }
                Err(error) => tracing::error!(%model, %error, "weights could not be taken"),
            }
        });
        Ok(())
    }

    fn load(&self, model: LocalModel) -> Result<(), Cause> {
        let models = self.models.load().as_deref().cloned().ok_or(Cause::ShuttingDown)?;
        models.cast(ModelsMessage::Load(model)).map_err(|_| Cause::ShuttingDown)
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
