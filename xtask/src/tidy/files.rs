//! Rules for any file: not too large, and text without tabs, loose ends or a missing last newline.

use std::path::Path;

use super::Problem;

/// Largest file of the repository; what is larger belongs behind a download.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Extensions of what people write by hand; data keeps the form that its maker gave it.
const HAND_WRITTEN: &[&str] =
    &["rs", "toml", "md", "py", "sh", "html", "css", "js", "ts", "yml", "yaml", "service", "plist"];

/// What may hold leftovers besides Rust.
const SCRIPTS: &[&str] = &["toml", "py", "sh", "html", "css", "js", "ts", "yml", "yaml"];

/// Finds a file that is too large.
pub(super) fn check_size(path: &Path, bytes: u64) -> Option<Problem> {
    let message = format!("file of {bytes} bytes exceeds {FILE_BYTES_MAX}");
    (bytes > FILE_BYTES_MAX).then(|| Problem::new(path, 1, message))
}

/// The text of a hand-written file.
pub(super) fn as_text(path: &Path, bytes: Vec<u8>) -> Option<String> {
    let script = bytes.starts_with(b"#!");
    let written =
        path.extension().map_or(script, |extension| HAND_WRITTEN.iter().any(|one| extension == *one));
    if written { String::from_utf8(bytes).ok() } else { None }
}

/// Whether leftovers are looked for in all of the file.
pub(super) fn is_script(path: &Path) -> bool {
    path.extension().is_none_or(|extension| SCRIPTS.iter().any(|one| extension == *one))
}

/// Finds tabs, blanks at the end of a line, and an end without newline.
pub(super) fn check_whitespace(path: &Path, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.contains('\t') {
            problems.push(Problem::new(path, index + 1, "tab; indent with spaces"));
        }
        if line.ends_with([' ', '\t', '\r']) {
            problems.push(Problem::new(path, index + 1, "blank at the end of the line"));
        }
    }
    let lines = text.lines().count();
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push(Problem::new(path, lines, "no newline at the end of the file"));
    }
    if text.ends_with("\n\n") {
        problems.push(Problem::new(path, lines, "empty line at the end of the file"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<usize> {
        check_whitespace(Path::new("a.rs"), text).into_iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn a_tab_is_found() {
        assert_eq!(check("a\n\tb\n"), [2]);
    }

    #[test]
    fn a_blank_at_the_end_of_a_line_is_found() {
        assert_eq!(check("a \nb\n"), [1]);
    }

    #[test]
    fn a_missing_last_newline_is_found() {
        assert_eq!(check("a\nb"), [2]);
        assert_eq!(check("a\n\n"), [2]);
        assert!(check("a\nb\n").is_empty());
    }

    #[test]
    fn a_file_past_16_mib_is_found() {
        assert!(check_size(Path::new("weights"), FILE_BYTES_MAX).is_none());
        assert!(check_size(Path::new("weights"), FILE_BYTES_MAX + 1).is_some());
    }

    #[test]
    fn data_is_not_judged_as_text() {
        assert_eq!(as_text(Path::new("tokenizer.json"), b"{}".to_vec()), None);
        assert_eq!(as_text(Path::new(".ci/run"), b"#!/bin/sh\n".to_vec()).as_deref(), Some("#!/bin/sh\n"));
    }
}
