//! Questions of a person who chooses what to pull: which repositories there are, and what one of them offers. Each is
//! asked once and bounded in time, since somebody waits; a pull is what tries again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pomona_protocol::{HubAnswer, HubChoice, HubRepo};
use tokio::time::timeout;

use super::choices::{Choice, choices, quantisation};
use super::endpoint::Endpoint;
use super::error::PullError;
use super::found;
use super::listing::HubFile;
use super::pull::PullLimits;
use super::record::PullRecord;
use super::reference::Reference;
use super::request::{FOUND_BYTES_MAX, Fault, Hub, Searched};
use crate::partial::{Label, MODELS_MAX, bytes_free};
use crate::scan;

/// Why a question has no answer. No variant holds a token.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody is there, or who is there is in trouble.
    #[error(
        "the hub {hub} does not answer: {message}; look at this machine's network, or name another hub in HF_ENDPOINT"
    )]
    Unreachable {
        /// The hub.
        hub: String,
        /// What happened.
        message: String,
    },
    /// It takes too long.
    #[error(
        "the hub {hub} gave no answer within {} s; ask again, or name a nearer hub in HF_ENDPOINT",
        wait_max.as_secs()
    )]
    Late {
        /// The hub.
        hub: String,
        /// How long it was waited for.
        wait_max: Duration,
    },
    /// What it says to a search is no answer.
    #[error(
        "what the hub {hub} says to a search is refused: {problem}; name a repository whole, such as owner/name"
    )]
    Found {
        /// The hub.
        hub: String,
        /// Why.
        problem: String,
    },
    /// It does not give it to us, or what it says is refused.
    #[error("hub {hub}: {error}")]
    Refused {
        /// The hub.
        hub: String,
        /// Why.
        error: PullError,
    },
}

/// Looks for models at a hub: at most `limit`, within `wait_max`.
pub async fn search(
    endpoint: Endpoint,
    text: &str,
    limit: usize,
    wait_max: Duration,
) -> Result<HubAnswer, AskError> {
    let hub = endpoint.address();
    let asked = connect(endpoint, wait_max)?;
    let searched = within(wait_max, &hub, asked.search(text, limit)).await?;
    let garbage = |problem| AskError::Found { hub: hub.clone(), problem };
    let (models, has_search) = match searched {
        Searched::Body(body) => (found::read(&body, limit).map_err(garbage)?, true),
        Searched::TooLong => return Err(garbage(format!("it is longer than {FOUND_BYTES_MAX} bytes"))),
        Searched::NoSearch => (Vec::new(), false),
    };
    Ok(HubAnswer { hub, models, has_search })
}

/// What a repository offers, and what of it lies in the folder `models`; the hub gets `wait_max` to answer.
pub async fn look(
    endpoint: Endpoint,
    reference: Reference,
    models: &Path,
    wait_max: Duration,
) -> Result<HubRepo, AskError> {
    let hub = endpoint.address();
    let asked = connect(endpoint, wait_max)?;
    let listing = within(wait_max, &hub, asked.list(&reference)).await?;
    let models = models.to_owned();
    // Names and sizes of what lies on the disk, and a long list to go through.
    let looked = tokio::task::spawn_blocking(move || {
        let here = pulled(&models);
        let (found, default) = choices(&listing.files);
        HubRepo {
            choices: found.iter().map(|choice| shown(choice, &reference, &here)).collect(),
            default,
            commit: listing.commit,
            disk_bytes_free: room(&models),
            repo: reference.repo,
            revision: reference.revision,
        }
    });
    looked.await.map_err(|error| AskError::Unreachable { hub, message: error.to_string() })
}

/// The whole of a question has an end, which comes before that of a single silence.
fn connect(endpoint: Endpoint, wait_max: Duration) -> Result<Hub, AskError> {
    let hub = endpoint.address();
    Hub::new(endpoint, 10 * wait_max).map_err(|error| AskError::Refused { hub, error })
}

/// One question, without a second try.
async fn within<T>(
    wait_max: Duration,
    hub: &str,
    question: impl Future<Output = Result<T, Fault>>,
) -> Result<T, AskError> {
    let hub = hub.to_owned();
    match timeout(wait_max, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Fault::Final(error))) => Err(AskError::Refused { hub, error }),
        Ok(Err(Fault::Retry { message, .. })) => Err(AskError::Unreachable { hub, message }),
        Ok(Err(Fault::IgnoresRange)) => {
            Err(AskError::Unreachable { hub, message: "it sent a part of its answer".to_owned() })
        }
        Err(_) => Err(AskError::Late { hub, wait_max }),
    }
}

fn shown(choice: &Choice, reference: &Reference, here: &[PullRecord]) -> HubChoice {
    let Choice { pattern, selection } = choice;
    let model = selection.gguf.as_deref().unwrap_or_else(|| reference.name());
    HubChoice {
        file: pattern.clone(),
        model: model.to_owned(),
        format: if selection.gguf.is_some() { "gguf" } else { "safetensors" }.to_owned(),
        quantisation: quantisation(model),
        files: selection.files.len(),
        bytes: selection.files.iter().map(|file| file.bytes).sum(),
        is_here: here.iter().any(|known| known.repo == reference.repo && is_of(known, &selection.files)),
    }
}

fn is_of(known: &PullRecord, files: &[HubFile]) -> bool {
    let same =
        known.files.iter().zip(files).all(|(known, file)| {
            (&known.path, known.bytes, known.hash) == (&file.path, file.bytes, file.hash)
        });
    known.files.len() == files.len() && same
}

/// Where the models came from that lie whole in the models folder.
fn pulled(models: &Path) -> Vec<PullRecord> {
    let entries = fs::read_dir(models).into_iter().flatten().flatten().take(MODELS_MAX);
    let record = |folder: &Path| {
        let label = Label::read(folder)?;
        let is_whole = scan::bytes(folder).is_ok_and(|bytes| bytes == label.bytes);
        label.pull.filter(|_| is_whole)
    };
    entries.filter_map(|entry| record(&entry.path())).collect()
}

/// Bytes that a pull may still write, less what it leaves free; the models folder is made by the first one.
fn room(models: &Path) -> u64 {
    let folder = models.ancestors().find(|folder| folder.is_dir());
    let free = folder.and_then(|folder| bytes_free(folder).ok()).unwrap_or(0);
    free.saturating_sub(PullLimits::default().disk_reserve_bytes)
}
