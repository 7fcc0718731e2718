//! Taking a model off this machine's disk, as an admin asks it through [`Handle`]: never one that is loaded or being
//! written. `pomona models rm` does the same from outside. The watch over the models folder notices within a second.

use pomona_protocol::{Cause, Download, ModelId};
use pomona_weights::{Catalog, RemoveError, remove_model};

use crate::Handle;

/// Why a model stays.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RemoveRefused {
    /// There is none.
    #[error(
        "no model `{model}` lies in the models folder of {node}; there are: {}",
        if known.is_empty() { "none" } else { known }
    )]
    Unknown {
        /// What was asked for.
        model: ModelId,
        /// This machine.
        node: String,
        /// What could be asked for.
        known: String,
    },
    /// A replica of it is here.
    #[error("`{model}` is loaded on {node}; unload it there first")]
    Loaded {
        /// The model.
        model: ModelId,
        /// This machine.
        node: String,
    },
    /// A download is about to put it there.
    #[error("`{model}` is being downloaded; remove the download {download} first")]
    Downloading {
        /// The model.
        model: ModelId,
        /// The download.
        download: String,
    },
    /// It is only linked to.
    #[error("`{model}` lies outside of this machine's models folder; remove it there")]
    Elsewhere {
        /// The model.
        model: ModelId,
    },
    /// Anything else.
    #[error(transparent)]
    Cause(#[from] Cause),
}

impl Handle {
    /// Whether a model could go now.
    pub async fn may_remove_model(&self, model: &ModelId) -> Result<(), RemoveRefused> {
        let (model, node) = (model.clone(), self.shared.name.load().to_string());
        if !self.shared.hosts {
            return Err(Cause::NotAHost { node }.into());
        }
        if self.shared.engines.reports().iter().any(|report| report.replica.model == model) {
            return Err(RemoveRefused::Loaded { model, node });
        }
        let writes = |download: &Download| {
            !download.state.is_over() && download.model.as_deref() == Some(model.0.as_str())
        };
        if let Some(download) = self.fleet().downloads.into_iter().find(writes) {
            return Err(RemoveRefused::Downloading { model, download: download.id.to_string() });
        }
        let data_folder = self.shared.weights.data_folder();
        let known = tokio::task::spawn_blocking(move || Catalog::new(&data_folder).folders()).await;
        let known = known.map_err(|error| internal(&error))?;
        if known.iter().any(|(known, _)| *known == model) {
            return Ok(());
        }
        let known = known.into_iter().map(|(known, _)| known.0).collect::<Vec<_>>().join(", ");
        Err(RemoveRefused::Unknown { model, node, known })
    }

    /// Takes a model off the disk; it leaves its place in one step.
    pub async fn remove_model(&self, model: &ModelId) -> Result<(), RemoveRefused> {
        self.may_remove_model(model).await?;
        let (data_folder, removed) = (self.shared.weights.data_folder(), model.clone());
        let done = tokio::task::spawn_blocking(move || remove_model(&data_folder, &removed)).await;
        match done.map_err(|error| internal(&error))? {
            Ok(folder) => {
                tracing::info!(%model, folder = %folder.display(), "an admin removed a model");
                Ok(())
            }
            Err(RemoveError::Elsewhere { model, .. }) => Err(RemoveRefused::Elsewhere { model }),
            // Somebody was faster.
            Err(RemoveError::Unknown { model, known, .. }) => {
                let node = self.shared.name.load().to_string();
                Err(RemoveRefused::Unknown { model, node, known })
            }
            Err(error @ RemoveError::Disk { .. }) => Err(internal(&error)),
        }
    }
}

fn internal(error: &dyn std::fmt::Display) -> RemoveRefused {
    RemoveRefused::Cause(Cause::Internal { message: error.to_string() })
}
