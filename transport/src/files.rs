//! Small private files: whole or not at all, readable by their owner alone. Used by `authority` and `identity`.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::IdentityError;

/// Certificate of the authority, on every member.
pub(crate) const AUTHORITY_CERTIFICATE: &str = "authority.pem";
/// Key of the authority, on the gateway that made it.
pub(crate) const AUTHORITY_KEY: &str = "authority.key";
/// Certificate of this machine.
pub(crate) const MEMBER_CERTIFICATE: &str = "member.pem";
/// Key of this machine; never leaves it.
pub(crate) const MEMBER_KEY: &str = "member.key";

/// Largest file that is looked at, in bytes: keys and certificates take about 1 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const OTHERS: u32 = 0o077;

/// What a file holds, or `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, IdentityError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error("read", path, source)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|source| io_error("read", path, source))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(IdentityError::Damaged {
            path: path.to_owned(),
            message: format!("over {FILE_BYTES_MAX} bytes"),
            remedy: "put the right file there from a backup",
        });
    }
    Ok(Some(bytes))
}

/// What a private key's file holds; refuses one that others can read.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, IdentityError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let mode = fs::metadata(path).map_err(|source| io_error("read", path, source))?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode });
    }
    Ok(Some(bytes))
}

/// Writes a file whole, in place of an older one.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), IdentityError> {
    let path = folder.join(name);
    let temporary = write_aside(folder, name, bytes)?;
    let renamed = fs::rename(&temporary, &path).and_then(|()| sync_folder(folder));
    renamed.map_err(|source| io_error("write", &path, source))
}

/// Writes a file whole unless there is one already; false when there is.
pub(crate) fn write_new(folder: &Path, name: &str, bytes: &[u8]) -> Result<bool, IdentityError> {
    let path = folder.join(name);
    let temporary = write_aside(folder, name, bytes)?;
    let linked = fs::hard_link(&temporary, &path);
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        other => other
            .and(removed)
            .and_then(|()| sync_folder(folder))
            .map(|()| true)
            .map_err(|source| io_error("write", &path, source)),
    }
}

/// Removes a file; none is as good.
pub(crate) fn remove(path: &Path) -> Result<(), IdentityError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path, error)),
        _ => Ok(()),
    }
}

fn write_aside(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, IdentityError> {
    make_folder(folder)?;
    let unique = getrandom::u64()
        .map_err(|error| IdentityError::Crypto { what: "a file name", message: error.to_string() })?;
    let temporary = folder.join(format!(".{name}.{unique:016x}"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(temporary),
        Err(source) => {
            drop(fs::remove_file(&temporary));
            Err(io_error("write", &temporary, source))
        }
    }
}

fn make_folder(folder: &Path) -> Result<(), IdentityError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| fs::metadata(folder))
        .and_then(|metadata| match metadata.mode() & OTHERS {
            0 => Ok(()),
            _ => fs::set_permissions(folder, Permissions::from_mode(0o700)),
        })
        .map_err(|source| io_error("create", folder, source))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_and_leaves_no_other_behind() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("identity");
        write(&folder, "a", b"one").unwrap();
        write(&folder, "a", b"two").unwrap();
        assert!(!write_new(&folder, "a", b"three").unwrap());
        assert!(write_new(&folder, "b", b"four").unwrap());
        assert_eq!(read_secret(&folder.join("a")).unwrap().as_deref(), Some(&b"two"[..]));
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.join("b")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "member.key", b"key").unwrap();
        let path = folder.path().join("member.key");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let message = read_secret(&path).unwrap_err().to_string();
        assert!(message.contains("mode 0640") && message.contains("chmod 600"), "{message}");
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "big", &vec![b'x'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert!(matches!(read(&folder.path().join("big")), Err(IdentityError::Damaged { .. })));
    }
}
