//! Which paths a manifest may name. Asked on both sides: by the giver of its own folder, by the taker of what it
//! was told. A path that passes stays below the folder it is joined to, on every system that we run on.

use pomona_protocol::blob::{BLOB_PATH_BYTES_MAX, BLOB_PATH_DEPTH_MAX};

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// Nothing, or nothing between two slashes.
    #[error("it has an empty part")]
    Empty,
    /// Over the limit in bytes.
    #[error("it is longer than {BLOB_PATH_BYTES_MAX} bytes")]
    TooLong,
    /// Over the limit in folders.
    #[error("it is deeper than {BLOB_PATH_DEPTH_MAX} folders")]
    TooDeep,
    /// Begins with `/`.
    #[error("it is absolute")]
    Absolute,
    /// `.`, `..`, or hidden; hidden names are ours.
    #[error("a part of it begins with a dot")]
    Dot,
    /// Means something else to some file system.
    #[error("it has a backslash, a colon or a control character")]
    Character,
    /// A device on some systems, or a name that ends in a way that they drop.
    #[error("a part of it is a reserved name")]
    Reserved,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    Encoding,
}

/// Names that open a device on some systems, whatever their extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];
/// The same with a digit behind.
const NUMBERED_DEVICES: &[&str] = &["com", "lpt"];

/// Takes a path below a model's folder, with `/`.
pub(crate) fn check_path(path: &str) -> Result<(), PathProblem> {
    if path.len() > BLOB_PATH_BYTES_MAX {
        return Err(PathProblem::TooLong);
    }
    if path.starts_with('/') {
        return Err(PathProblem::Absolute);
    }
    if path.split('/').count() > BLOB_PATH_DEPTH_MAX {
        return Err(PathProblem::TooDeep);
    }
    path.split('/').try_for_each(check_name)
}

/// Takes one part of a path.
pub(crate) fn check_name(name: &str) -> Result<(), PathProblem> {
    if name.is_empty() {
        return Err(PathProblem::Empty);
    }
    if name.starts_with('.') {
        return Err(PathProblem::Dot);
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\\' | ':' | '/')) {
        return Err(PathProblem::Character);
    }
    if name.ends_with(['.', ' ']) || is_device(name) {
        return Err(PathProblem::Reserved);
    }
    Ok(())
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    let is_numbered = |device: &&str| {
        stem.strip_prefix(*device).is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    };
    DEVICES.contains(&stem.as_str()) || NUMBERED_DEVICES.iter().any(is_numbered)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for path in
            ["config.json", "model-00001-of-00002.safetensors", "onnx/model.onnx", "naïve/été.txt", "a b"]
        {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_path_that_leaves_its_folder_is_refused() {
        let long = "a".repeat(BLOB_PATH_BYTES_MAX + 1);
        let deep = vec!["a"; BLOB_PATH_DEPTH_MAX + 1].join("/");
        for (path, problem) in [
            ("", PathProblem::Empty),
            ("a//b", PathProblem::Empty),
            ("a/", PathProblem::Empty),
            ("/etc/passwd", PathProblem::Absolute),
            ("..", PathProblem::Dot),
            ("a/../../b", PathProblem::Dot),
            ("./a", PathProblem::Dot),
            (".partial/x", PathProblem::Dot),
            ("a\\..\\b", PathProblem::Character),
            ("C:a", PathProblem::Character),
            ("a\0b", PathProblem::Character),
            ("a\nb", PathProblem::Character),
            ("x/NUL.json", PathProblem::Reserved),
            ("com1", PathProblem::Reserved),
            ("a.", PathProblem::Reserved),
            (&long, PathProblem::TooLong),
            (&deep, PathProblem::TooDeep),
        ] {
            assert_eq!(check_path(path), Err(problem), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_has_only_plain_parts(path in "[./\\\\a:~\0 b]{0,12}") {
            if check_path(&path).is_ok() {
                prop_assert!(Path::new(&path).components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert!(!path.contains(['\\', '\0', ':']));
            }
        }
    }
}
