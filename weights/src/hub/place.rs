//! Where a pulled model goes, and what may lie there already. Blocking, a few system calls each.

use std::fs;
use std::path::{Path, PathBuf};

use pomona_protocol::ModelId;

use super::error::PullError;
use super::record::PullRecord;
use crate::partial::{Label, Partial, PartialError, set_aside};
use crate::path::{PathProblem, check_name};
use crate::scan;

/// Bytes of a folder's name.
const NAME_BYTES_MAX: usize = 200;

/// What lies at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The very same files.
    There,
    /// Nothing, or an empty folder.
    Free,
    /// Another state of the same repository, which is replaced.
    Older,
}

/// The folder that a model is to become.
pub(super) fn target(model: &ModelId, into: Option<&Path>, models: &Path) -> Result<PathBuf, PullError> {
    let name = model.0.replace('/', "--");
    let problem = |problem| PullError::Name { name: name.chars().take(NAME_BYTES_MAX).collect(), problem };
    check_name(&name).map_err(problem)?;
    if name.len() > NAME_BYTES_MAX {
        return Err(problem(PathProblem::TooLong));
    }
    Ok(into.map_or_else(|| models.join(&name), Path::to_owned))
}

/// The folder in which the target lies; made when it is not there.
pub(super) fn beside(target: &Path) -> Result<PathBuf, PullError> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| PullError::disk((parent.to_owned(), error), 0))?;
    Ok(parent.to_owned())
}

/// Looks at the target. Files of the right sizes count as the same; `verify` compares their hashes.
pub(super) fn look(target: &Path, record: &PullRecord) -> Result<Place, PullError> {
    if target.symlink_metadata().is_err() {
        return Ok(Place::Free);
    }
    let occupied = || PullError::Occupied { folder: target.to_owned() };
    if fs::read_dir(target).map_err(|_| occupied())?.next().is_none() {
        return Ok(Place::Free);
    }
    let label = Label::read(target).ok_or_else(occupied)?;
    let known = label.pull.filter(|known| known.repo == record.repo).ok_or_else(occupied)?;
    let is_whole = || scan::bytes(target).is_ok_and(|bytes| bytes == label.bytes);
    Ok(if known.files == record.files && is_whole() { Place::There } else { Place::Older })
}

/// Moves the finished files to the target, and what was there out of the way. A crash between the two leaves the
/// files where the next pull finds them whole.
pub(super) fn move_there(
    partial: &Partial,
    label: &Label,
    record: &PullRecord,
    target: &Path,
) -> Result<(), PartialError> {
    let aside = match look(target, record) {
        Ok(Place::Older) => Some(set_aside(target)?),
        _ => None,
    };
    partial.finish(label, target)?;
    if let Some(aside) = aside {
        // It has no name any more; a sweep removes what stays.
        let _ = fs::remove_dir_all(aside);
    }
    Ok(())
}
