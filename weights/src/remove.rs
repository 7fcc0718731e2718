//! Takes a model off the disk. `pomona models rm` calls it, once nobody has the model loaded any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pomona_protocol::ModelId;

use crate::catalog::Catalog;
use crate::partial::set_aside;

/// Why a model was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// No folder of the models folder is called so.
    #[error("no model `{model}` lies in {}; there are: {}", folder.display(), if known.is_empty() { "none" } else { known })]
    Unknown {
        /// The model.
        model: ModelId,
        /// The models folder.
        folder: PathBuf,
        /// Those that lie there.
        known: String,
    },
    /// It lies somewhere else and is only linked to.
    #[error("model `{model}` lies in {}, outside of the models folder; remove it there", folder.display())]
    Elsewhere {
        /// The model.
        model: ModelId,
        /// Where it lies.
        folder: PathBuf,
    },
    /// The disk said no.
    #[error("{}: {error}", path.display())]
    Disk {
        /// What was being removed.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Removes a model from `data_folder/models` and returns where it lay. It leaves the folder in one step, so that no
/// half of it is ever offered; what a crash leaves of it is swept later. Blocking.
pub fn remove_model(data_folder: &Path, model: &ModelId) -> Result<PathBuf, RemoveError> {
    let catalog = Catalog::new(data_folder);
    let models = catalog.models_folder().to_owned();
    let folders = catalog.folders();
    let Some((_, folder)) = folders.iter().find(|(known, _)| known == model) else {
        let known: Vec<String> = folders.into_iter().map(|(known, _)| known.0).collect();
        return Err(RemoveError::Unknown { model: model.clone(), folder: models, known: known.join(", ") });
    };
    let disk = |(path, error)| RemoveError::Disk { path, error };
    let home = models.canonicalize().map_err(|error| disk((models.clone(), error)))?;
    if folder.parent() != Some(home.as_path()) {
        return Err(RemoveError::Elsewhere { model: model.clone(), folder: folder.clone() });
    }
    let aside = set_aside(folder).map_err(disk)?;
    fs::remove_dir_all(&aside).map_err(|error| disk((aside, error)))?;
    Ok(folder.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_gone_and_nothing_else_is() {
        let data = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let models = data.path().join("models");
        for name in ["apple", "pear"] {
            fs::create_dir_all(models.join(name)).unwrap();
            fs::write(models.join(name).join("config.json"), "{}").unwrap();
        }
        fs::write(elsewhere.path().join("config.json"), "{}").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), models.join("plum")).unwrap();
        remove_model(data.path(), &"apple".into()).unwrap();
        assert!(!models.join("apple").exists() && models.join("pear").exists());
        for name in ["apple", "../pear", ".", ""] {
            let error = remove_model(data.path(), &name.into()).unwrap_err();
            assert!(matches!(error, RemoveError::Unknown { .. }), "{name}: {error}");
        }
        assert!(matches!(remove_model(data.path(), &"plum".into()), Err(RemoveError::Elsewhere { .. })));
        assert!(elsewhere.path().join("config.json").exists());
    }
}
