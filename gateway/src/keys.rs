//! API keys: made on first start, kept in a file that only its owner can read, held in memory as hashes.
//!
//! `node` calls [`KeyRing::load_or_create`] before a port is bound; [`crate::auth`] asks the ring about each
//! request. Keys have 256 random bits, so a plain hash is enough and costs a microsecond.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

const PREFIX: &str = "pom_";
/// Keeps what is derived from keys for cookies apart from all else.
const COOKIE_SEAL: &str = "pomona cookie seal 1\n";
const SECRET_BYTES: usize = 32;
/// 32 bytes in base64url.
const SECRET_CHARS: usize = 43;
/// Three bytes of SHA-256 in base64url: enough to tell a mistyped key from a foreign one.
const CHECKSUM_CHARS: usize = 4;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file or its folder could not be read or written.
    #[error("key file {}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the file, or replace it.
    #[error("{} has mode {mode:04o}, so others can {danger}; run: chmod {remedy} {}", path.display(), path.display())]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What others can do.
        danger: &'static str,
        /// What to give to chmod.
        remedy: &'static str,
    },
    /// A line is no key.
    #[error(
        "key file {}, line {line}: expected `pom_` and 47 characters with a matching checksum; delete the file to get a new key", path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// The file holds no key.
    #[error("key file {} holds no key; delete it to get a new one", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The system has no random bytes.
    #[error("no random bytes for a key: {0}")]
    Random(String),
}

/// Names a key without showing anything of it: the first eight bytes of its SHA-256. Stable over restarts and the same
/// on every gateway, so that fairness between keys can go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub u64);

/// The keys that open the API, as SHA-256 hashes.
#[derive(Clone)]
pub struct KeyRing {
    hashes: Vec<[u8; 32]>,
    created: bool,
}

impl KeyRing {
    /// Reads the keys of `path`, one per line; makes the file with one fresh key when there is none. Of two
    /// processes that start at once one makes it and both read the same.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let created = match fs::symlink_metadata(path) {
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(source) => return Err(KeyError::Io { path: path.to_owned(), action: "look at it", source }),
        };
        let hashes = read(path)?;
        Ok(Self { hashes, created })
    }

    /// A ring of known keys, for tests and for keys that come from elsewhere. Takes any text.
    pub fn of(keys: &[&str]) -> Self {
        Self { hashes: keys.iter().map(|key| hash(key.as_bytes())).collect(), created: false }
    }

    /// Whether this call made the file.
    pub fn was_created(&self) -> bool {
        self.created
    }

    /// What seals the cookies of browsers that signed in with this key, while it is one of the ring: no two keys have the
    /// same, so a removed key takes its browsers along.
    pub(crate) fn cookie_secret(&self, key: KeyId) -> Option<[u8; 32]> {
        let hash = self.hashes.iter().find(|hash| id_of(hash) == key)?;
        Some(Sha256::new_with_prefix(COOKIE_SEAL).chain_update(hash).finalize().into())
    }

    /// The key of whoever starts this gateway: the first of the file.
    pub(crate) fn first(&self) -> Option<KeyId> {
        self.hashes.first().map(id_of)
    }

    /// The id of `key` when it is one of the ring. Takes the same time whatever the key is.
    pub fn find(&self, key: &[u8]) -> Option<KeyId> {
        let presented = hash(key);
        let known = self.hashes.iter().fold(Choice::from(0), |known, hash| known | hash.ct_eq(&presented));
        bool::from(known).then_some(id_of(&presented))
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.hashes.len()).finish_non_exhaustive()
    }
}

/// A new key: `pom_`, 256 random bits, a checksum.
fn generate() -> Result<String, KeyError> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| KeyError::Random(error.to_string()))?;
    let secret = URL_SAFE_NO_PAD.encode(secret);
    let checksum = checksum(&secret);
    Ok(format!("{PREFIX}{secret}{checksum}"))
}

fn id_of(hash: &[u8; 32]) -> KeyId {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    KeyId(u64::from_be_bytes(first))
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn checksum(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(&hash(secret.as_bytes())[..3])
}

fn is_well_formed(key: &str) -> bool {
    key.strip_prefix(PREFIX).is_some_and(|rest| {
        rest.len() == SECRET_CHARS + CHECKSUM_CHARS
            && rest.is_ascii()
            && checksum(&rest[..SECRET_CHARS]) == rest[SECRET_CHARS..]
    })
}

/// Makes the file unless another process was quicker; says whether it did.
fn create(path: &Path) -> Result<bool, KeyError> {
    let failed = |action: &'static str| {
        move |source: io::Error| KeyError::Io { path: path.to_owned(), action, source }
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make its folder"))?;
    let key = generate()?;
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|error| KeyError::Random(error.to_string()))?;
    let draft = path.with_extension(format!("{:016x}.draft", u64::from_le_bytes(nonce)));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
            writeln!(file, "{key}")?;
            file.sync_all()
        });
    // A link, unlike a rename, fails when the name exists: the slower of two processes keeps the quicker's key.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => removed.map(|()| true).map_err(failed("remove its draft")),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.exists() => Ok(false),
        Err(error) => Err(failed("make it")(error)),
    }
}

fn read(path: &Path) -> Result<Vec<[u8; 32]>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), action: "read it", source };
    check_mode(path, 0o077, "read the key", "600")?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        check_mode(folder, 0o022, "replace the key", "go-w")?;
    }
    let content = fs::read_to_string(path).map_err(failed)?;
    let mut hashes = Vec::new();
    for (index, line) in content.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !is_well_formed(line) {
            return Err(KeyError::Malformed { path: path.to_owned(), line: index + 1 });
        }
        hashes.push(hash(line.as_bytes()));
    }
    if hashes.is_empty() {
        return Err(KeyError::Empty { path: path.to_owned() });
    }
    Ok(hashes)
}

/// Refuses what has any of the `forbidden` permission bits.
fn check_mode(
    path: &Path,
    forbidden: u32,
    danger: &'static str,
    remedy: &'static str,
) -> Result<(), KeyError> {
    let metadata = fs::metadata(path).map_err(|source| KeyError::Io {
        path: path.to_owned(),
        action: "look at it",
        source,
    })?;
    let mode = metadata.mode() & 0o7777;
    // A sticky folder (`/tmp`) is writable by all, but nobody can replace another's file in it.
    let is_sticky_folder = metadata.is_dir() && mode & 0o1000 != 0;
    if mode & forbidden != 0 && !is_sticky_folder {
        return Err(KeyError::Exposed { path: path.to_owned(), mode, danger, remedy });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read_key(path: &Path) -> String {
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    #[test]
    fn the_first_start_makes_a_key_that_only_its_owner_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pomona/key");
        let ring = KeyRing::load_or_create(&path).unwrap();
        assert!(ring.was_created());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        let key = read_key(&path);
        assert_eq!(key.len(), 51);
        let id = ring.find(key.as_bytes());
        assert!(id.is_some());
        assert!(ring.find(b"").is_none() && ring.find(&key.as_bytes()[1..]).is_none());
        let again = KeyRing::load_or_create(&path).unwrap();
        assert!(!again.was_created());
        assert_eq!(again.find(key.as_bytes()), id, "its id outlives the process");
    }

    #[test]
    fn processes_that_race_end_up_with_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let rings: Vec<KeyRing> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| KeyRing::load_or_create(&path))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap().unwrap()).collect()
        });
        let key = read_key(&path);
        assert!(rings.iter().all(|ring| ring.find(key.as_bytes()).is_some()));
        assert_eq!(rings.iter().filter(|ring| ring.was_created()).count(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        KeyRing::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let message = KeyRing::load_or_create(&path).unwrap_err().to_string();
        assert!(message.contains("0644") && message.contains("chmod 600"), "{message}");
    }

    #[test]
    fn bad_content_is_named_by_line_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        KeyRing::load_or_create(&path).unwrap();
        let key = read_key(&path);
        let mistyped = format!("{}{}", &key[..50], if key.ends_with('A') { 'B' } else { 'A' });
        for (content, expected) in [
            (format!("# mine\n{mistyped}\n"), "line 2"),
            ("secret\n".to_owned(), "line 1"),
            ("\n".to_owned(), "no key"),
        ] {
            fs::write(&path, content).unwrap();
            let message = KeyRing::load_or_create(&path).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("secret") && !message.contains(&mistyped), "{message}");
        }
    }
}
