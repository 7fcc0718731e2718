//! What is pulled: `owner/name`, with `@revision` behind it when it is not the main branch.

use std::fmt;
use std::str::FromStr;

/// Longest name of a repository, in bytes.
const REPO_BYTES_MAX: usize = 200;
/// Longest revision, in bytes; a commit has 40.
const REVISION_BYTES_MAX: usize = 250;
/// What a hub calls its newest state.
const REVISION_DEFAULT: &str = "main";

/// A repository at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `owner/name`, or `name` alone.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
}

impl Reference {
    /// The last part of the repository: what the model is called when nobody says otherwise.
    pub fn name(&self) -> &str {
        self.repo.rsplit('/').next().unwrap_or(&self.repo)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repo, self.revision)
    }
}

/// Why a text names no repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` names no repository: {problem}; expected owner/name or owner/name@revision")]
pub struct ReferenceError {
    given: String,
    problem: &'static str,
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let error = |problem| ReferenceError { given: text.chars().take(100).collect(), problem };
        let (repo, revision) = text.split_once('@').unwrap_or((text, REVISION_DEFAULT));
        if repo.len() > REPO_BYTES_MAX {
            return Err(error("it is too long"));
        }
        let parts: Vec<&str> = repo.split('/').collect();
        if parts.len() > 2 {
            return Err(error("it has more than two parts"));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        for part in parts {
            if part.is_empty()
                || part.starts_with(['.', '-'])
                || part.ends_with('.')
                || !part.chars().all(is_plain)
            {
                return Err(error(
                    "each part has letters, digits, `.`, `_` and `-`, and begins with none of the latter two",
                ));
            }
        }
        let is_revision = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+');
        let is_odd = revision.split('/').any(|part| part.is_empty() || part.starts_with('.'));
        if revision.len() > REVISION_BYTES_MAX || is_odd || !revision.chars().all(is_revision) {
            return Err(error("what follows the @ is no branch, tag or commit"));
        }
        Ok(Self { repo: repo.to_owned(), revision: revision.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_repository_is_named_with_or_without_a_revision() {
        let reference: Reference = "Qwen/Qwen2.5-0.5B-Instruct".parse().unwrap();
        assert_eq!((reference.name(), reference.revision.as_str()), ("Qwen2.5-0.5B-Instruct", "main"));
        assert_eq!("gpt2@v1.0".parse::<Reference>().unwrap().to_string(), "gpt2@v1.0");
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for bad in [
            "", "/", "a/", "/a", "a/b/c", "../b", "a/..", "a b", "a/b@", "a@../x", "a@x//y", "a@x?y", "a%2fb",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_reference_or_an_error(text in "[a./@%\\\\ -]{0,12}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert!(!reference.repo.contains("..") || !reference.repo.split('/').any(|part| part == ".."));
                prop_assert!(reference.revision.split('/').all(|part| part != ".."));
            }
        }
    }
}
