//! A certificate from files: read at the start, and again when another program has renewed them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{ServerCertificate, TlsError};

/// How often the files are looked at. Renewal leaves days, so this is about somebody who watches.
pub(super) const POLL: Duration = Duration::from_secs(30);

/// A chain and its key.
pub(super) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Where chain and key lie, both in PEM.
pub(super) struct KeyFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What tells that a file is another one now.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl KeyFiles {
    /// Reads both.
    pub(super) fn load(&self) -> Result<Pair, TlsError> {
        check_mode(&self.key)?;
        Ok((chain_of(&self.certificate, &read(&self.certificate)?)?, key_of(&self.key, &read(&self.key)?)?))
    }

    /// Looks at the files for ever; when they have changed and fit together, `certificate` is replaced. A pair that
    /// is half written or wrong changes nothing; it is tried again at every look and named once.
    pub(super) async fn watch(&self, certificate: &ServerCertificate, period: Duration) {
        let mut loaded = self.stamp();
        let mut named = loaded;
        loop {
            tokio::time::sleep(period).await;
            let stamp = self.stamp();
            if stamp == loaded {
                continue;
            }
            match self.load().and_then(|(chain, key)| certificate.replace(chain, key)) {
                Ok(()) => {
                    loaded = stamp;
                    tracing::info!(certificate = %self.certificate.display(), "certificate was read again");
                }
                Err(error) if stamp != named => {
                    tracing::warn!(%error, "the changed certificate is not taken; the present one stays");
                }
                Err(_) => {}
            }
            named = stamp;
        }
    }

    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

/// The certificates in a text.
pub(super) fn chain_of(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |message: String| TlsError::Pem { path: path.to_owned(), expected: "certificate", message };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|error| failed(error.to_string()))?;
    if chain.is_empty() {
        return Err(failed("there is none in it".to_owned()));
    }
    Ok(chain)
}

/// The private key in a text.
pub(super) fn key_of(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| TlsError::Pem {
        path: path.to_owned(),
        expected: "private key",
        message: error.to_string(),
    })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Io { path: path.to_owned(), action: "read it", source })
}

/// Others must not read the key; a group may, since certificates are often kept for one.
fn check_mode(path: &Path) -> Result<(), TlsError> {
    let metadata = fs::metadata(path).map_err(|source| TlsError::Io {
        path: path.to_owned(),
        action: "look at it",
        source,
    })?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(TlsError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn write(files: &KeyFiles, name: &str) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).unwrap();
    }

    fn files(folder: &Path) -> KeyFiles {
        KeyFiles { certificate: folder.join("chain.pem"), key: folder.join("key.pem") }
    }

    #[tokio::test]
    async fn changed_files_are_taken_when_they_fit() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        write(&files, "one.example");
        let (chain, key) = files.load().unwrap();
        let certificate = ServerCertificate::new(chain, key).unwrap();
        let changes = async {
            // A chain without its key, as in the middle of a renewal.
            let other = rcgen::generate_simple_self_signed(["half.example".to_owned()]).unwrap();
            fs::write(&files.certificate, other.cert.pem()).unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert_eq!(certificate.names(), ["one.example"]);
            write(&files, "two.example");
            while certificate.names() != ["two.example"] {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = files.watch(&certificate, Duration::from_millis(10)) => {}
            done = tokio::time::timeout(Duration::from_secs(30), changes) => done.unwrap(),
        }
    }

    #[test]
    fn a_file_that_does_not_do_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let says = |expected: &str| {
            let message = files.load().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        says("key.pem: cannot look at it");
        write(&files, "one.example");
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).unwrap();
        says("chmod o-rwx");
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&files.key, "nothing").unwrap();
        says("key.pem holds no private key in PEM");
        fs::write(&files.certificate, "nothing").unwrap();
        says("chain.pem holds no certificate in PEM");
    }
}
