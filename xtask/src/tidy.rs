//! `cargo xtask tidy`: what the compiler does not check. Each rule is a function from a source or a manifest
//! to problems, so that its test is a small text that breaks it.

mod edges;
mod files;
mod leftovers;
mod lengths;
mod panics;
mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;
use source::Source;

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    path: PathBuf,
    line: usize,
    message: String,
}

impl Problem {
    fn new(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// Prints every problem of the repository; `true` when there is none.
pub(crate) fn run() -> Result<bool> {
    let (checked, problems) = check(&workspace::root())?;
    for problem in &problems {
        println!("{problem}");
    }
    println!("tidy: {checked} files, {} problems", problems.len());
    Ok(problems.is_empty())
}

/// How many files were checked, and every problem in them.
pub(crate) fn check(root: &Path) -> Result<(usize, Vec<Problem>)> {
    let mut problems = edges::check_workspace(root)?;
    let mut sources = Vec::new();
    let files = workspace::files(root)?;
    for file in &files {
        let bytes =
            std::fs::read(root.join(file)).with_context(|| format!("{} cannot be read", file.display()))?;
        problems.extend(files::check_size(file, bytes.len() as u64));
        let Some(text) = files::as_text(file, bytes) else { continue };
        problems.extend(files::check_whitespace(file, &text));
        problems.extend(leftovers::check_paths(file, &text));
        if file.extension().is_some_and(|extension| extension == "rs") {
            sources.push(Source::parse(file, &text));
        } else if files::is_script(file) {
            problems.extend(leftovers::check_words(file, &text));
        }
    }
    let test_modules: BTreeSet<PathBuf> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        if test_modules.contains(&source.path) {
            source.mark_as_test();
        }
        problems.extend(check_source(source));
    }
    problems.sort();
    Ok((files.len(), problems))
}

fn check_source(source: &Source) -> Vec<Problem> {
    let mut problems = lengths::check(source);
    problems.extend(panics::check(source));
    problems.extend(leftovers::check_source(source));
    problems
}
