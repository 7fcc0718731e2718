//! What a hub says a repository holds. Read with limits, and checked before anything is selected from it: a list
//! that tries to leave its folder is refused whole, whichever file was wanted.

use serde::Deserialize;

use super::error::PullError;
use super::hash::FileHash;
use crate::path::{PathProblem, check_path};

/// Names that a list may have; the largest repositories of models have some thousands.
const ENTRIES_MAX: usize = 50_000;
/// Longest text of a hub that is shown.
const SHOWN_CHARS_MAX: usize = 200;

/// One file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    /// Below the repository, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its content.
    pub hash: FileHash,
}

/// The files of a repository at one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The commit that the revision is at; the revision itself where the hub does not say.
    pub commit: String,
    /// Its files; hidden ones and those whose names we could not make are left out.
    pub files: Vec<HubFile>,
}

#[derive(Deserialize)]
struct Body {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    #[serde(alias = "oid")]
    sha256: String,
    size: u64,
}

impl Listing {
    /// Reads the answer to a question for `repo` at `revision`.
    pub(super) fn read(body: &[u8], repo: &str, revision: &str) -> Result<Self, PullError> {
        let garbage = |problem: String| PullError::Listing {
            repo: repo.to_owned(),
            problem: problem.chars().take(SHOWN_CHARS_MAX).collect(),
        };
        let body: Body = serde_json::from_slice(body).map_err(|error| garbage(error.to_string()))?;
        if body.siblings.len() > ENTRIES_MAX {
            return Err(garbage(format!("it names {} files, at most {ENTRIES_MAX}", body.siblings.len())));
        }
        let commit = body.sha.unwrap_or_else(|| revision.to_owned());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+');
        if commit.is_empty()
            || commit.len() > SHOWN_CHARS_MAX
            || commit.contains("..")
            || !commit.chars().all(is_plain)
        {
            return Err(garbage(format!("its commit is {commit:?}")));
        }
        let mut files = Vec::new();
        for sibling in body.siblings {
            let path: String = sibling.rfilename.chars().take(SHOWN_CHARS_MAX).collect();
            match judge(&sibling.rfilename) {
                Verdict::Take => {}
                Verdict::Skip => continue,
                Verdict::Refuse(problem) => return Err(PullError::Path { path, problem }),
            }
            let file = read_file(sibling).map_err(|problem| garbage(format!("file {path:?}: {problem}")))?;
            files.push(file);
        }
        Ok(Self { commit, files })
    }
}

enum Verdict {
    Take,
    /// Hidden, or odd without harm.
    Skip,
    /// No honest repository has it.
    Refuse(PathProblem),
}

fn judge(path: &str) -> Verdict {
    if path.split(['/', '\\']).any(|part| part == "..") {
        return Verdict::Refuse(PathProblem::Dot);
    }
    match check_path(path) {
        Ok(()) => Verdict::Take,
        Err(problem @ (PathProblem::Absolute | PathProblem::Empty)) => Verdict::Refuse(problem),
        Err(problem) if path.contains(['\\', '\0']) => Verdict::Refuse(problem),
        Err(_) => Verdict::Skip,
    }
}

fn read_file(sibling: Sibling) -> Result<HubFile, String> {
    let Sibling { rfilename: path, size, blob_id, lfs } = sibling;
    if let Some(lfs) = lfs {
        let digest = lfs.sha256.parse().map_err(|error: crate::digest::DigestError| error.to_string())?;
        if size.is_some_and(|size| size != lfs.size) {
            return Err(format!("it has {} bytes and {} bytes", size.unwrap_or(0), lfs.size));
        }
        return Ok(HubFile { path, bytes: lfs.size, hash: FileHash::Sha256(digest) });
    }
    let bytes = size.ok_or("its size is not told; the hub has to know `?blobs=true`")?;
    let id = blob_id.ok_or("its hash is not told; the hub has to know `?blobs=true`")?;
    let hash = FileHash::git(&id).ok_or_else(|| format!("its blob id {id:?} is no SHA-1"))?;
    Ok(HubFile { path, bytes, hash })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const BLOB: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

    fn read(siblings: serde_json::Value) -> Result<Listing, PullError> {
        let body = json!({ "id": "a/b", "sha": "c0ffee", "siblings": siblings });
        Listing::read(body.to_string().as_bytes(), "a/b", "main")
    }

    fn small(path: &str) -> serde_json::Value {
        json!([{ "rfilename": path, "size": 6, "blobId": BLOB }])
    }

    #[test]
    fn small_files_have_a_blob_id_and_large_ones_a_sha256() {
        let sha256 = crate::Digest::of(b"x").to_string();
        let listing = read(json!([
            { "rfilename": "config.json", "size": 6, "blobId": BLOB },
            { "rfilename": "model.safetensors", "size": 9, "blobId": BLOB,
              "lfs": { "sha256": sha256, "size": 9, "pointerSize": 130 } },
            { "rfilename": ".gitattributes", "size": 1, "blobId": BLOB },
        ]))
        .unwrap();
        assert_eq!(listing.commit, "c0ffee");
        assert_eq!(listing.files.len(), 2);
        assert_eq!(listing.files[0].hash, FileHash::git(BLOB).unwrap());
        assert_eq!(listing.files[1].hash, FileHash::Sha256(crate::Digest::of(b"x")));
    }

    #[test]
    fn a_list_that_leaves_its_folder_is_refused_whole() {
        for path in ["../config.json", "a/../../b", "/etc/passwd", "..\\b", "a\\b", "", "a//b", ".."] {
            assert!(matches!(read(small(path)), Err(PullError::Path { .. })), "{path:?}");
        }
        for path in [".hidden", "a/.b/c", "aux.txt", "a:b"] {
            assert!(read(small(path)).unwrap().files.is_empty(), "{path:?}");
        }
    }

    #[test]
    fn a_list_that_does_not_say_enough_is_refused() {
        for siblings in [
            json!([{ "rfilename": "a" }]),
            json!([{ "rfilename": "a", "size": 1 }]),
            json!([{ "rfilename": "a", "size": 1, "blobId": "main" }]),
            json!([{ "rfilename": "a", "size": -1, "blobId": BLOB }]),
            json!([{ "rfilename": "a", "size": 2, "lfs": { "sha256": crate::Digest::of(b"").to_string(), "size": 3 } }]),
            json!([{ "rfilename": "a", "size": 2, "lfs": { "sha256": "xyz", "size": 2 } }]),
            json!("none"),
        ] {
            assert!(matches!(read(siblings.clone()), Err(PullError::Listing { .. })), "{siblings}");
        }
        let odd = json!({ "sha": "../x", "siblings": [] }).to_string();
        assert!(matches!(Listing::read(odd.as_bytes(), "a/b", "main"), Err(PullError::Listing { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Listing::read(&bytes, "a/b", "main");
        }

        #[test]
        fn what_a_list_lets_through_stays_below_its_folder(path in "[./\\\\a:~\0 b]{0,10}") {
            if let Ok(listing) = read(small(&path)) {
                prop_assert!(listing.files.iter().all(|file| check_path(&file.path).is_ok()));
            }
        }
    }
}
