//! Questions to the hub that models come from, for people who choose one: a search, and what a repository offers. The
//! gateway's admin routes ask, through [`Handle`]. Where the hub is and how it is asked is the `weights` crate's.

use std::time::Duration;

use pomona_protocol::{Cause, HubAnswer, HubRepo};
use pomona_weights::hub::{AskError, Endpoint, PullError, Reference, ReferenceError, look, search};
use tokio::sync::SemaphorePermit;

use crate::Handle;

/// Questions to a hub at once. Each may hold a list of 32 MiB, and a person asks one at a time.
pub(crate) const QUESTIONS_MAX: usize = 4;
/// For a hub to answer a search: people have given up before.
const SEARCH_MAX: Duration = Duration::from_secs(15);
/// For a hub to list a repository; the longest lists have some MiB.
const LOOK_MAX: Duration = Duration::from_secs(30);

/// Why a hub was asked in vain.
#[derive(Clone, Debug)]
pub enum HubRefused {
    /// The text names no repository.
    Repo {
        /// Why.
        message: String,
    },
    /// Too many ask.
    Busy {
        /// The limit.
        questions_max: usize,
    },
    /// This machine knows no hub.
    NoHub,
    /// The hub gave no answer, or none that helps.
    Hub {
        /// Which kind of failure.
        failure: HubFailure,
        /// In words, with the hub and what may help.
        message: String,
    },
    /// Anything else.
    Cause(Cause),
}

/// How a hub failed us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubFailure {
    /// It does not answer, or is in trouble.
    Unreachable,
    /// It takes too long.
    Late,
    /// It has no such repository or revision.
    Unknown,
    /// It does not give it to us.
    Denied,
    /// What it says cannot be used.
    Invalid,
}

impl From<AskError> for HubRefused {
    fn from(error: AskError) -> Self {
        let failure = match &error {
            AskError::Unreachable { .. } => HubFailure::Unreachable,
            AskError::Late { .. } => HubFailure::Late,
            AskError::Found { .. } => HubFailure::Invalid,
            AskError::Refused { error, .. } => match error {
                PullError::Client { .. } => HubFailure::Unreachable,
                PullError::Denied { status: 404 | 410, .. } => HubFailure::Unknown,
                PullError::Denied { .. } => HubFailure::Denied,
                _ => HubFailure::Invalid,
            },
        };
        HubRefused::Hub { failure, message: error.to_string() }
    }
}

impl Handle {
    /// Models of the hub whose names or tags hold a text, at most `limit`.
    pub async fn search_hub(&self, text: &str, limit: usize) -> Result<HubAnswer, HubRefused> {
        let (endpoint, _place) = self.hub().await?;
        Ok(Box::pin(search(endpoint, text, limit, SEARCH_MAX)).await?)
    }

    /// What a repository of the hub offers: `owner/name` or `owner/name@revision`.
    pub async fn look_at_hub(&self, repo: &str) -> Result<HubRepo, HubRefused> {
        let reference: Reference =
            repo.parse().map_err(|error: ReferenceError| HubRefused::Repo { message: error.to_string() })?;
        let (endpoint, _place) = self.hub().await?;
        let models = self.shared.weights.models_folder();
        Ok(Box::pin(look(endpoint, reference, &models, LOOK_MAX)).await?)
    }

    /// The hub, and the right to ask it.
    async fn hub(&self) -> Result<(Endpoint, SemaphorePermit<'_>), HubRefused> {
        if !self.shared.hosts {
            let node = self.shared.name.load().to_string();
            return Err(HubRefused::Cause(Cause::NotAHost { node }));
        }
        let source = self.shared.hub.clone().ok_or(HubRefused::NoHub)?;
        let place = self.shared.hub_questions.try_acquire();
        let place = place.map_err(|_| HubRefused::Busy { questions_max: QUESTIONS_MAX })?;
        match Endpoint::new(&source.address, source.token).await {
            Ok(endpoint) => Ok((endpoint, place)),
            Err(error) => {
                let (failure, message) = (HubFailure::Unreachable, error.to_string());
                Err(HubRefused::Hub { failure, message })
            }
        }
    }
}
