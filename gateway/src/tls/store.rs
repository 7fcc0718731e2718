//! What ACME keeps on disk: the account with its key, and the certificate with its key in one file, so that the two
//! can never be of different orders. All of it is secret: mode 0600 in a folder of mode 0700.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use sha2::{Digest, Sha256};

use super::TlsError;
use super::files::{Pair, chain_of, key_of, read};

/// A folder of its own.
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The certificate of the last order.
    pub(super) fn certificate(&self) -> Result<Option<Pair>, TlsError> {
        let path = self.folder.join("server.pem");
        if !path.exists() {
            return Ok(None);
        }
        let text = read(&path)?;
        Ok(Some((chain_of(&path, &text)?, key_of(&path, &text)?)))
    }

    /// Keeps a certificate, both parts in PEM.
    pub(super) fn keep_certificate(&self, chain: &str, key: &str) -> Result<(), TlsError> {
        self.write("server.pem", &format!("{key}\n{chain}"))
    }

    /// The account at the server with this directory.
    pub(super) fn account(&self, directory: &str) -> Option<AccountCredentials> {
        let text = fs::read(self.folder.join(account_file(directory))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn keep_account(
        &self,
        directory: &str,
        credentials: &AccountCredentials,
    ) -> Result<(), TlsError> {
        let text = serde_json::to_string(credentials).unwrap_or_default();
        self.write(&account_file(directory), &text)
    }

    /// Forgets an account that its server does not know any more.
    pub(super) fn forget_account(&self, directory: &str) {
        let path = self.folder.join(account_file(directory));
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "the old account stays on disk");
        }
    }

    /// The whole file or the old one, whatever happens meanwhile.
    fn write(&self, name: &str, text: &str) -> Result<(), TlsError> {
        let path = self.folder.join(name);
        let draft = self.folder.join(format!("{name}.draft"));
        written(&self.folder, &draft, &path, text).map_err(|source| TlsError::Io {
            path,
            action: "write it",
            source,
        })
    }
}

fn written(folder: &Path, draft: &Path, path: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A draft of a process that died may lie there with other permissions.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)
}

/// One account per server: an account of one is unknown at another.
fn account_file(directory: &str) -> String {
    let digest = Sha256::digest(directory.as_bytes());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("account-{name}.json")
}
