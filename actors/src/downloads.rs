//! The downloads of models that this gateway makes: the shell around `cluster::downloads`. Spawned by Root where models
//! are hosted; hears of people through [`crate::Handle`], and of each pull through a task that it owns. Started again
//! after a failure it goes on with what it had written down. What it knows, dashboards hear through the watch.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pomona_cluster::downloads::{DownloadLimits, Downloads, Effect, Heard, Refused, Wanted};
use pomona_protocol::{Cause, Download, DownloadError, DownloadId, DownloadRetry, ModelId, Principal};
use pomona_weights::hub::{Endpoint, Order, PullError, PullEvent, PullLimits, Reference, Token, pull};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;

use crate::Handle;
use crate::owned;
use crate::sessions::unix_ms;
use crate::shared::Shared;

/// Two fill most lines; sixteen that wait are a long night.
const LIMITS: DownloadLimits = DownloadLimits { running_max: 2, waiting_max: 16, ended_max: 50 };
/// Between two tellings of how far a download is: people see no more.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// For an actor to answer; it waits for nothing itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Where the list is kept, below the data folder.
const FILE: &str = "downloads.json";
/// Bytes of a pattern or a name.
const TEXT_BYTES_MAX: usize = 200;

/// The hub that models come from.
#[derive(Clone, Debug)]
pub struct HubSource {
    /// Its address.
    pub address: String,
    /// Whom it knows us as.
    pub token: Option<Token>,
}

/// A download that somebody asks for.
#[derive(Clone, Debug)]
pub struct NewDownload {
    /// `owner/name` or `owner/name@revision`.
    pub repo: String,
    /// Which file of it, with `*` and `?`.
    pub file: Option<String>,
    /// What to call the model.
    pub name: Option<String>,
    /// Who asks.
    pub by: Principal,
}

/// Why nothing was done.
#[derive(Clone, Debug)]
pub enum DownloadRefused {
    /// A value that cannot be taken.
    Invalid {
        /// Which one.
        parameter: &'static str,
        /// Why.
        message: String,
    },
    /// There is no such download.
    Unknown,
    /// It is over.
    Ended,
    /// Too many wait.
    TooMany {
        /// The limit.
        waiting_max: usize,
    },
    /// Anything else.
    Cause(Cause),
}

impl From<Refused> for DownloadRefused {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => DownloadRefused::Unknown,
            Refused::Ended => DownloadRefused::Ended,
            Refused::TooMany { waiting_max } => DownloadRefused::TooMany { waiting_max },
        }
    }
}

type Answer<T> = RpcReplyPort<Result<T, Refused>>;

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum DownloadsMessage {
    /// Take one on; answered with it, and with whether it is new.
    Ask { wanted: Wanted, answer: Answer<(Download, bool)> },
    /// Stop one.
    Pause { id: DownloadId, answer: Answer<Download> },
    /// Go on with one.
    Resume { id: DownloadId, answer: Answer<Download> },
    /// Take one off the list.
    Remove { id: DownloadId, answer: Answer<()> },
    /// A pull tells.
    Heard { id: DownloadId, heard: Heard },
    /// A pull has its folder.
    Folder { id: DownloadId, folder: PathBuf },
}

/// A download as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    download: Download,
    /// Where its unfinished files lie.
    folder: Option<PathBuf>,
}

pub(crate) struct DownloadsActor;

pub(crate) struct DownloadsState {
    shared: Arc<Shared>,
    machine: Downloads,
    running: HashMap<DownloadId, AbortOnDropHandle<()>>,
    /// Where unfinished files lie.
    folders: HashMap<DownloadId, PathBuf>,
    file: PathBuf,
    /// What the file is to hold; whoever writes it holds the lock, so that the newest list is written last.
    kept: Arc<Mutex<Vec<Kept>>>,
}

impl DownloadsState {
    fn perform(&mut self, myself: &ActorRef<DownloadsMessage>, effects: Vec<Effect>) {
        let mut stopped = None;
        for effect in effects {
            match effect {
                Effect::Start(id) => self.start(myself, id),
                Effect::Stop(id) => stopped = self.running.remove(&id),
                Effect::Sweep(id) => self.sweep(id, stopped.take()),
                Effect::Say(download) => {
                    if download.state.is_over() {
                        self.running.remove(&download.id);
                    }
                    self.shared.watch.download(*download);
                }
                Effect::Gone(id) => {
                    self.folders.remove(&id);
                    self.shared.watch.download_removed(id);
                }
                Effect::Keep => self.keep(),
            }
        }
    }

    fn start(&mut self, myself: &ActorRef<DownloadsMessage>, id: DownloadId) {
        let Some(download) = self.machine.list().into_iter().find(|download| download.id == id) else {
            return;
        };
        let Some(hub) = self.shared.hub.clone() else { return };
        let models = self.shared.weights.models_folder();
        let myself = myself.clone();
        let run = async move {
            let heard = run(&myself, id, download, hub, &models).await;
            let _ = myself.cast(DownloadsMessage::Heard { id, heard });
        };
        self.running.insert(id, owned::spawn(run));
    }

    /// Removes unfinished files, once nobody writes them any more.
    fn sweep(&mut self, id: DownloadId, stopped: Option<AbortOnDropHandle<()>>) {
        let Some(folder) = self.folders.remove(&id) else { return };
        self.shared.weights.spawn(async move {
            if let Some(stopped) = stopped {
                stopped.abort();
                let _ = stopped.await;
            }
            if let Err(error) = tokio::fs::remove_dir_all(&folder).await
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(folder = %folder.display(), %error, "what a download left could not be removed");
            }
        });
    }

    fn keep(&self) {
        let entry = |download: Download| Kept { folder: self.folders.get(&download.id).cloned(), download };
        let list: Vec<Kept> = self.machine.list().into_iter().map(entry).collect();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = list;
        let (kept, file) = (Arc::clone(&self.kept), self.file.clone());
        self.shared.weights.spawn_blocking(move || {
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = file.with_extension("new");
            let written = serde_json::to_vec(&*kept)
                .map_err(std::io::Error::other)
                .and_then(|bytes| std::fs::write(&fresh, bytes))
                .and_then(|()| std::fs::rename(&fresh, &file));
            if let Err(error) = written {
                tracing::warn!(file = %file.display(), %error, "the list of downloads could not be written");
            }
        });
    }
}

/// Pulls a model and says how that ended.
async fn run(
    myself: &ActorRef<DownloadsMessage>,
    id: DownloadId,
    download: Download,
    hub: HubSource,
    models: &Path,
) -> Heard {
    let endpoint = match Endpoint::new(&hub.address, hub.token).await {
        Ok(endpoint) => endpoint,
        Err(error) => return failed("hub_unreachable", &error),
    };
    let reference = Reference { repo: download.repo, revision: download.revision };
    let order = Order { reference, pattern: download.file, model: download.model.map(ModelId), into: None };
    let teller = myself.clone();
    let told = Mutex::new(Instant::now());
    let tell = move |event: PullEvent| {
        if let PullEvent::Selected { folder, .. } = &event {
            let _ = teller.cast(DownloadsMessage::Folder { id, folder: folder.clone() });
        }
        if matches!(event, PullEvent::Progress { .. }) {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.elapsed() < TELL_EVERY {
                return;
            }
            *told = Instant::now();
        }
        if let Some(heard) = heard(event) {
            let _ = teller.cast(DownloadsMessage::Heard { id, heard });
        }
    };
    match Box::pin(pull(order, endpoint, models, PullLimits::default(), Arc::new(tell))).await {
        Ok(pulled) => Heard::Done { model: pulled.model.0, bytes: pulled.bytes },
        Err(error) => failed(code(&error), &error),
    }
}

fn heard(event: PullEvent) -> Option<Heard> {
    Some(match event {
        PullEvent::Selected { model, commit, files, bytes_total, bytes_done, folder: _ } => {
            let files = u32::try_from(files).unwrap_or(u32::MAX);
            Heard::Selected { model: model.0, commit, files, bytes_total, bytes_done }
        }
        PullEvent::Progress { bytes_done, .. } => Heard::Progress { bytes_done },
        PullEvent::Retry { what, message, pause } => {
            let at_unix_ms = unix_ms().saturating_add(pause.as_millis() as u64);
            Heard::Retry(DownloadRetry { what, message, at_unix_ms })
        }
        PullEvent::Proving { .. } => Heard::Proving,
        PullEvent::Mismatch { .. } => return None,
    })
}

fn failed(code: &str, error: &dyn std::fmt::Display) -> Heard {
    Heard::Failed(DownloadError { code: code.to_owned(), message: error.to_string() })
}

/// The name by which clients tell failures apart.
fn code(error: &PullError) -> &'static str {
    match error {
        PullError::Client { .. } | PullError::GaveUp { .. } => "hub_unreachable",
        PullError::Denied { .. } => "hub_denied",
        PullError::Status { .. }
        | PullError::Listing { .. }
        | PullError::Path { .. }
        | PullError::Manifest { .. }
        | PullError::Redirect { .. }
        | PullError::Size { .. }
        | PullError::Hash { .. } => "hub_invalid",
        PullError::Select { .. } | PullError::Broken { .. } => "no_weights",
        PullError::NoSpace { .. } | PullError::DiskFull { .. } => "disk_full",
        PullError::Occupied { .. } | PullError::InProgress => "model_exists",
        PullError::Name { .. } => "invalid_request",
        PullError::Disk { .. } => "internal_error",
    }
}

impl Actor for DownloadsActor {
    type Msg = DownloadsMessage;
    type State = DownloadsState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let file = shared.weights.data_folder().join(FILE);
        // A list that is damaged is none; what it named can be asked for again.
        let read = tokio::fs::read(&file).await.ok();
        let kept: Vec<Kept> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let folders = kept.iter().filter_map(|kept| Some((kept.download.id, kept.folder.clone()?))).collect();
        let before: Vec<Download> = kept.iter().map(|kept| kept.download.clone()).collect();
        let name = shared.name.load().to_string();
        let mut machine = Downloads::new(LIMITS, shared.node.clone(), name, before);
        machine.list().into_iter().for_each(|download| shared.watch.download(download));
        let effects = machine.begin(unix_ms());
        let kept = Arc::new(Mutex::new(kept));
        let mut state = DownloadsState { shared, machine, running: HashMap::new(), folders, file, kept };
        state.perform(&myself, effects);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let now = unix_ms();
        match message {
            DownloadsMessage::Ask { wanted, answer } => {
                let id = DownloadId(getrandom::u64()?);
                let asked = state.machine.ask(id, wanted, now);
                let said = asked.map(|(download, is_new, effects)| {
                    state.perform(&myself, effects);
                    (download, is_new)
                });
                let _ = answer.send(said);
            }
            DownloadsMessage::Pause { id, answer } => {
                let done = state.machine.pause(id, now);
                let _ = answer.send(done.map(|(download, effects)| {
                    state.perform(&myself, effects);
                    download
                }));
            }
            DownloadsMessage::Resume { id, answer } => {
                let done = state.machine.resume(id, now);
                let _ = answer.send(done.map(|(download, effects)| {
                    state.perform(&myself, effects);
                    download
                }));
            }
            DownloadsMessage::Remove { id, answer } => {
                let done = state.machine.remove(id, now);
                let _ = answer.send(done.map(|effects| state.perform(&myself, effects)));
            }
            DownloadsMessage::Heard { id, heard } => {
                let effects = state.machine.heard(id, heard, now);
                state.perform(&myself, effects);
            }
            DownloadsMessage::Folder { id, folder } => {
                state.folders.insert(id, folder);
                state.keep();
            }
        }
        Ok(())
    }
}

impl Handle {
    /// Takes a download on; the same one that is under way is answered in its place, with `false`.
    pub async fn download(&self, new: NewDownload) -> Result<(Download, bool), DownloadRefused> {
        let invalid = |parameter, message: String| DownloadRefused::Invalid { parameter, message };
        let reference: Reference = new
            .repo
            .parse()
            .map_err(|error: pomona_weights::hub::ReferenceError| invalid("repo", error.to_string()))?;
        for (parameter, text) in [("file", &new.file), ("name", &new.name)] {
            if text.as_ref().is_some_and(|text| text.trim().is_empty() || text.len() > TEXT_BYTES_MAX) {
                return Err(invalid(parameter, format!("{parameter} has 1 to {TEXT_BYTES_MAX} bytes")));
            }
        }
        let Reference { repo, revision } = reference;
        let wanted = Wanted { repo, revision, file: new.file, model: new.name, by: new.by.to_string() };
        self.ask_downloads(|answer| DownloadsMessage::Ask { wanted, answer }).await
    }

    /// Stops a download; what is on the disk stays.
    pub async fn pause_download(&self, id: DownloadId) -> Result<Download, DownloadRefused> {
        self.ask_downloads(|answer| DownloadsMessage::Pause { id, answer }).await
    }

    /// Goes on with a download that was stopped or failed.
    pub async fn resume_download(&self, id: DownloadId) -> Result<Download, DownloadRefused> {
        self.ask_downloads(|answer| DownloadsMessage::Resume { id, answer }).await
    }

    /// Takes a download off the list; what an unfinished one left on the disk goes, a model stays.
    pub async fn remove_download(&self, id: DownloadId) -> Result<(), DownloadRefused> {
        self.ask_downloads(|answer| DownloadsMessage::Remove { id, answer }).await
    }

    async fn ask_downloads<T: Send + 'static>(
        &self,
        question: impl FnOnce(Answer<T>) -> DownloadsMessage,
    ) -> Result<T, DownloadRefused> {
        let not_a_host = || Cause::NotAHost { node: self.shared.name.load().to_string() };
        let downloads =
            self.shared.downloads.load_full().ok_or_else(|| DownloadRefused::Cause(not_a_host()))?;
        match downloads.call(question, Some(ANSWER_TIMEOUT)).await {
            Ok(ractor::rpc::CallResult::Success(said)) => said.map_err(DownloadRefused::from),
            _ => Err(DownloadRefused::Cause(Cause::ShuttingDown)),
        }
    }
}
